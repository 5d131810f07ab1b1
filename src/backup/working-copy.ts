/**
 * A private copy of a database that goes from one backup to the next. What two backups have in common at the same place,
 * and that is most of it as a rule, is there already: it is read from the copy, checked against the hash in the name of
 * its chunk, and not fetched again. So looking at many backups takes the room of one, and fetches each chunk once;
 * only what has moved (VACUUM) is fetched again.
 */

import { hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { explainSystemError } from '../errors.ts'
import { assemble } from './assemble.ts'
import { wrongWhole } from './fetch.ts'
import { parseChunkKey } from './format.ts'
import { readList } from './lists.ts'
import type { Manifest } from './manifest.ts'
import { checkRoom, writeAll } from './private-file.ts'
import type { OnProgress } from './progress.ts'
import type { ObjectProblem } from './recheck.ts'
import type { Repository } from './repository.ts'

export interface BecomeOptions {
  /** Gets the keys of all lists and chunks that belong to it. */
  readonly onNamed?: (key: string) => void
  readonly onProgress?: OnProgress
  readonly signal?: AbortSignal
}

export interface Became {
  /** Every object that is missing or damaged. Where there is one, the copy is of no use. */
  readonly objects: readonly ObjectProblem[]
  /** Chunks that were fetched; the others were there. */
  readonly fetched: number
}

export class WorkingCopy {
  /** Of the file, which is there once it has become something. */
  readonly path: string
  #chunkSize = 0
  /** The chunk that was last written at each position. Whether it is still there is looked up. */
  #keys: string[] = []
  /** The names in the lists of the backup before: the next one has most of its lists from there. */
  #lists: ReadonlyMap<string, readonly string[]> = new Map()

  /** @param path nothing may be there yet; whoever gives it removes it */
  constructor(path: string) {
    this.path = path
  }

  /**
   * Gives it the content of a backup. Rejects with `io` when there is no room for it, when the store does, and with the
   * reason of the signal. What SQLite finds in it is not looked at.
   */
  async become(
    repository: Repository,
    manifest: Manifest,
    { onNamed = () => {}, onProgress = () => {}, signal }: BecomeOptions = {},
  ): Promise<Became> {
    const { chunks, database } = manifest
    if (chunks.size !== this.#chunkSize) this.#keys = []
    this.#chunkSize = chunks.size
    const file = await this.#open(database.bytes)
    const reused = new Set<number>()
    const lists = new Map<string, readonly string[]>()
    let fetched = 0
    try {
      const objects: ObjectProblem[] = []
      const sha256 = await assemble(repository, manifest, {
        list: async (key, lines) => {
          const before = this.#lists.get(key)
          const names = before?.length === lines ? before : await readList(repository.store, key, lines)
          if (names !== undefined) lists.set(key, names)
          return names
        },
        have: async (key, offset, length) => {
          const position = offset / chunks.size
          if (this.#keys[position] !== key) return undefined
          const plain = await this.#read(file, offset, length)
          if (hash('sha256', plain) !== parseChunkKey(key)?.sha256) return undefined
          reused.add(position)
          return plain
        },
        onChunk: async (plain, offset, key) => {
          const position = offset / chunks.size
          if (reused.delete(position)) return
          fetched++
          await this.#write(file, plain, offset)
          this.#keys[position] = key
        },
        onProblem: problem => objects.push(problem),
        onProgress,
        signal,
      })
      if (sha256 !== undefined && sha256 !== database.sha256) objects.push(wrongWhole(manifest, sha256))
      for (const [list, names] of lists) for (const key of [list, ...names]) onNamed(key)
      return { objects, fetched }
    } finally {
      this.#lists = lists
      // Before anything else opens it: SQLite's locks and open files of the same process do not go together.
      await file.close()
    }
  }

  async #open(bytes: number): Promise<FileHandle> {
    const doing = `cannot write ${this.path}`
    try {
      // What a look at the backup before has left beside it, SQLite would take for a part of this one.
      for (const suffix of ['-journal', '-wal', '-shm']) await rm(this.path + suffix, { force: true })
      // O_NOFOLLOW: a symbolic link is not written through.
      const file = await open(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
      try {
        const { size } = await file.stat()
        await checkRoom(this.path, Math.max(0, bytes - size))
        await file.truncate(bytes)
        this.#keys.length = Math.min(this.#keys.length, Math.ceil(bytes / this.#chunkSize))
        return file
      } catch (error) {
        await file.close()
        throw error
      }
    } catch (error) {
      throw explainSystemError(error, doing)
    }
  }

  async #read(file: FileHandle, offset: number, length: number): Promise<Buffer> {
    const plain = Buffer.allocUnsafeSlow(length)
    try {
      // Shorter than it should be has another hash, and is fetched.
      await file.read(plain, 0, length, offset)
      return plain
    } catch (error) {
      throw explainSystemError(error, `cannot read ${this.path}`)
    }
  }

  async #write(file: FileHandle, plain: Uint8Array, offset: number): Promise<void> {
    try {
      await writeAll(file, plain, offset)
    } catch (error) {
      throw explainSystemError(error, `cannot write ${this.path}`)
    }
  }
}
