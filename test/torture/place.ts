/** Where a round takes place: a volume with the database, migrations, a repository, the ledgers of the writers. */
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openRepository } from '../../src/backup/repository.ts'
import { openStore, type StoreOptions } from '../../src/storage/open.ts'
import { credentials, type S3Server } from '../storage/s3-servers.ts'
import type { Batch } from './changes.ts'
import { type Way, wayTo } from './cut.ts'
import { backupIds } from './plain-restore.ts'

/** Bytes of a chunk: small, so that a small database has many. */
const chunkSize = 8192
/** Of the file system of the volume, and of the one of the repository. */
const capacity = '32m'

/** A folder in memory for one lane, whose file systems can fill up where this process may mount. */
export class Ground {
  readonly folder: string
  readonly mounted: boolean

  constructor(lane: number | string, mounted: boolean) {
    const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
    this.folder = join(memory, `lockkeeper-torture-${process.pid}-${lane}`)
    this.mounted = mounted
    for (const name of ['volume', 'store', 'others']) mkdirSync(join(this.folder, name), { recursive: true })
    if (!mounted) return
    for (const name of ['volume', 'store'])
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${capacity}`, 'tmpfs', join(this.folder, name)])
  }

  /** A folder of its own in each of them. */
  clear(): void {
    for (const name of ['volume', 'store', 'others']) {
      const folder = join(this.folder, name, 'round')
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
    }
  }

  remove(): void {
    if (this.mounted) for (const name of ['volume', 'store']) execFileSync('umount', ['-l', join(this.folder, name)])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class Place {
  readonly database: string
  readonly ledgers: string
  /** The folder of the repository as this machine sees it, also where it is reached by S3. */
  readonly repository: string
  readonly env: Readonly<Record<string, string>>
  /** To the server, where the repository is reached by S3. */
  readonly way: Way | undefined
  readonly ground: Ground
  /** Backups that went with a repository which was taken away for good. */
  readonly lost: string[] = []
  readonly #migrations: string

  private constructor(ground: Ground, repository: string, url: string, more: Record<string, string>, way?: Way) {
    const at = (...names: string[]) => join(ground.folder, ...names)
    this.ground = ground
    this.way = way
    this.database = at('volume', 'round', 'app.db')
    this.ledgers = at('others', 'round', 'ledgers')
    this.#migrations = at('others', 'round', 'migrations')
    this.repository = repository
    for (const folder of [this.ledgers, this.#migrations]) mkdirSync(folder)
    this.env = {
      DATABASE_URL: this.database,
      LOCKKEEPER_MIGRATIONS: this.#migrations,
      LOCKKEEPER_REPOSITORY: url,
      LOCKKEEPER_LOG_FORMAT: 'json',
      LOCKKEEPER_LOCK_TIMEOUT: '30s',
      TMPDIR: at('others', 'round'),
      // Compiled once, not in each of thousands of processes.
      NODE_COMPILE_CACHE: at('others', 'compiled'),
      ...more,
    }
  }

  /** @param server where the repository is to be; undefined: in a folder */
  static async make(ground: Ground, server: S3Server | undefined): Promise<Place> {
    ground.clear()
    if (server === undefined) {
      const folder = join(ground.folder, 'store', 'round', 'repository')
      const place = new Place(ground, folder, pathToFileURL(folder).href, {})
      await makeRepository(place.env['LOCKKEEPER_REPOSITORY'] as string, {})
      return place
    }
    const bucket = await server.bucket()
    const way = await wayTo(server.port)
    const url = `s3://${bucket}/app`
    await makeRepository(url, { s3: server.options })
    return new Place(
      ground,
      join(server.data, bucket, 'app'),
      url,
      {
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${way.port}`,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
      way,
    )
  }

  /** Adds migrations to the folder. */
  add({ changes }: Pick<Batch, 'changes'>): void {
    for (const { file, text } of changes) writeFileSync(join(this.#migrations, file), text)
  }

  /** Removes what was the repository until now. */
  forget(repository: string): void {
    this.lost.push(...backupIds(repository))
    rmSync(repository, { recursive: true })
  }

  end(): void {
    this.way?.end()
  }
}

async function makeRepository(url: string, options: StoreOptions): Promise<void> {
  const store = await openStore(url, options)
  await openRepository(store, { databaseName: 'app.db', create: true, chunkSize })
  await store.close()
}

/** Fills a file system but for so many bytes. @returns makes room again */
export function fillUp(folder: string, spare: number): () => void {
  const path = join(folder, 'ballast')
  const reserve = `${path}-spare`
  write(reserve, spare, 4096)
  write(path, Number.POSITIVE_INFINITY, 1024 * 1024)
  write(`${path}-rest`, Number.POSITIVE_INFINITY, 4096)
  rmSync(reserve, { force: true })
  return () => {
    for (const file of [path, `${path}-rest`]) rmSync(file, { force: true })
  }
}

/** As many zeros as there is room for. */
function write(path: string, bytes: number, piece: number): void {
  const file = openSync(path, 'w')
  try {
    const zeros = Buffer.alloc(piece)
    for (let written = 0; written < bytes; written += piece) writeSync(file, zeros)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
}
