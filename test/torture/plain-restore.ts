/** Reads backups as docs/repository-format.md says that plain tools can: lists in order, chunks in order, zstd, one hash. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'

export interface Read {
  readonly id: string
  /** What is wrong with it; undefined: its file is at the place. */
  readonly problem?: string
}

interface Manifest {
  readonly database: { readonly bytes: number; readonly sha256: string }
  readonly chunks: { readonly lists: readonly string[] }
}

/** Puts one backup after the other at `place`, without those that are `known`. */
export function* readBackups(repository: string, known: ReadonlySet<string>, place: string): Generator<Read> {
  for (const id of backupIds(repository)) {
    if (known.has(id)) continue
    for (const suffix of ['', '-wal', '-journal', '-shm']) rmSync(place + suffix, { force: true })
    try {
      const { chunks, database } = JSON.parse(
        readFileSync(join(repository, 'backups', `${id}.json`), 'utf8'),
      ) as Manifest
      const keys = chunks.lists.flatMap(list => readFileSync(join(repository, list), 'utf8').trim().split('\n'))
      const bytes = Buffer.concat(keys.map(key => zstdDecompressSync(readFileSync(join(repository, key)))))
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      if (bytes.length !== database.bytes || sha256 !== database.sha256)
        throw new Error(`${bytes.length} bytes with hash ${sha256}, not ${database.bytes} with ${database.sha256}`)
      writeFileSync(place, bytes)
      yield { id }
    } catch (error) {
      yield { id, problem: (error as Error).message }
    }
  }
}

export function backupIds(repository: string): string[] {
  const folder = join(repository, 'backups')
  const names = existsSync(folder) ? readdirSync(folder) : []
  return names.map(name => name.replace(/\.json$/, '')).sort()
}
