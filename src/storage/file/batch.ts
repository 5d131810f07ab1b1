/**
 * Many objects for the price of few barriers. Objects are written to temporary files and wait in a group; a full group
 * is made durable in parallel and only then gets its names, so no name ever stands for content that a power cut could
 * take away, and an upload that is interrupted keeps the groups before. The names become durable with `flush`.
 */

import { lstat } from 'node:fs/promises'
import { forEachLimited, limit } from '../limit.ts'
import type { Batch, PutOptions } from '../object-store.ts'
import { release } from '../release.ts'
import { explainFileError } from './errors.ts'
import { absent, type Folder, type Temporary } from './folder.ts'
import { publish } from './publish.ts'

/** A group is full with so many objects, or so many bytes. */
const fullObjects = 64
const fullBytes = 64 * 1024 * 1024

/** Files that are made durable at the same time; Node has four threads for this. */
const fileSyncs = 8

/** Files that are written at the same time, and groups that are made durable, so that few files are open however many puts there are. */
const writes = 16
const groups = 2

export class FileBatch implements Batch {
  readonly #folder: Folder
  readonly #turn = limit(writes)
  /** Written and waiting for their group to be full. */
  #group = new Map<string, Temporary>()
  /** Accepted and not yet visible: those of the group, and of the groups before it that are on their way. */
  readonly #accepted = new Set<string>()
  #bytes = 0
  /** What is under way for a key, so that a second put of it waits for the first. */
  readonly #pending = new Map<string, Promise<unknown>>()
  readonly #publishing = new Set<Promise<void>>()
  /** Keys whose names may not be durable yet, those that were there before included: who stored them may not be done. */
  #named = new Set<string>()
  #failure: { readonly error: unknown } | undefined

  constructor(folder: Folder) {
    this.#folder = folder
  }

  async put(key: string, body: Uint8Array, { give = false }: PutOptions = {}): Promise<'stored' | 'exists'> {
    for (;;) {
      this.#throwIfFailed()
      if (this.#accepted.has(key)) return 'exists'
      const other = this.#pending.get(key)
      if (other === undefined) break
      await other.catch(() => {})
    }
    const mine = this.#turn(() => this.#put(key, body))
    this.#pending.set(key, mine)
    try {
      const answer = await mine
      if (give && answer === 'stored') release(body)
      return answer
    } finally {
      this.#pending.delete(key)
    }
  }

  async flush(): Promise<void> {
    await Promise.allSettled(this.#pending.values())
    this.#publish()
    await Promise.all(this.#publishing)
    this.#throwIfFailed()
    const named = this.#named
    this.#named = new Set()
    try {
      await this.#folder.syncFoldersOf(named)
    } catch (error) {
      // For good: after a failed fsync the next one may succeed without having written anything.
      this.#failure = {
        error: await explainFileError(error, 'cannot make what was stored durable', this.#folder.root),
      }
      this.#throwIfFailed()
    }
  }

  async #put(key: string, body: Uint8Array): Promise<'stored' | 'exists'> {
    while (this.#publishing.size >= groups) await Promise.race(this.#publishing)
    this.#throwIfFailed()
    try {
      const path = await this.#folder.path(key)
      if ((await lstat(path).catch(absent))?.isFile()) {
        this.#named.add(key)
        return 'exists'
      }
      const temporary = await this.#folder.write(body)
      this.#group.set(key, temporary)
      this.#accepted.add(key)
      this.#bytes += temporary.size
    } catch (error) {
      throw await explainFileError(error, `cannot store ${key}`, this.#folder.root, body.byteLength)
    }
    // Who fills a group waits for it: so a caller cannot be further ahead of the disk than its own puts at once.
    if (this.#group.size >= fullObjects || this.#bytes >= fullBytes) await this.#publish()
    this.#throwIfFailed()
    return 'stored'
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Takes the group that waits and gives it its names. Never rejects: a failure is everyone's from then on. */
  #publish(): Promise<void> {
    const group = this.#group
    this.#group = new Map()
    this.#bytes = 0
    const work = this.#publishGroup(group)
      .catch(error => {
        this.#failure ??= { error }
      })
      .finally(() => this.#publishing.delete(work))
    this.#publishing.add(work)
    return work
  }

  async #publishGroup(group: Map<string, Temporary>): Promise<void> {
    try {
      await forEachLimited(group.values(), fileSyncs, temporary => this.#folder.seal(temporary))
      await forEachLimited(group, fileSyncs, async ([key, temporary]) => {
        await publish(this.#folder, temporary, key)
        this.#named.add(key)
        this.#accepted.delete(key)
      })
    } catch (error) {
      const bytes = [...group.values()].reduce((sum, { size }) => sum + size, 0)
      const doing = `cannot store ${[...group.keys()].join(', ')}`
      await Promise.all([...group.values()].map(temporary => this.#folder.discard(temporary)))
      throw await explainFileError(
        error,
        doing.length > 300 ? `${doing.slice(0, 300)} and others` : doing,
        this.#folder.root,
        bytes,
      )
    }
  }
}
