/**
 * Every chunk and list that is in a repository, and which of them the lists of backups name. Kept by position, so that
 * ten thousand backups of a large database fit into little memory: 4 bytes for each line of each different list.
 */

import { forEach } from './concurrency.ts'
import { isContentKey } from './format.ts'
import { linesOf, readList } from './lists.ts'
import type { Manifest } from './manifest.ts'
import { damagedObject, missingObject, type ObjectProblem } from './recheck.ts'
import type { Repository } from './repository.ts'

const listsAtOnce = 16

/** What a list names, by position in the content, and the first of those that are not there. */
export interface Named {
  readonly positions: Uint32Array
  readonly missing: string | undefined
}

/** What a manifest says of its content. */
export type Names = Pick<Manifest, 'id' | 'chunks'>

export class Content {
  readonly keys: string[] = []
  readonly sizes: number[] = []
  /** When the newest one was stored, in milliseconds, by the clock of the store. */
  newest = 0
  readonly #positions = new Map<string, number>()
  readonly #lists = new Map<string, Named | ObjectProblem>()
  readonly #repository: Repository

  private constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Lists everything. Objects that are neither chunks nor lists are left out: they are somebody else's. */
  static async list(repository: Repository, signal?: AbortSignal): Promise<Content> {
    const content = new Content(repository)
    for (const folder of ['chunks/', 'lists/']) {
      for await (const { key, modified, size } of repository.store.list(folder)) {
        signal?.throwIfAborted()
        if (!isContentKey(key)) continue
        content.#positions.set(key, content.keys.length)
        content.keys.push(key)
        content.sizes.push(size)
        content.newest = Math.max(content.newest, modified.getTime())
      }
    }
    return content
  }

  positionOf(key: string): number | undefined {
    return this.#positions.get(key)
  }

  /** Reads those lists of these backups that were not read before, each once however many backups share it. */
  async readLists(backups: readonly Names[], signal?: AbortSignal): Promise<void> {
    const wanted = new Map<string, number>()
    for (const { chunks } of backups) {
      for (const [index, list] of chunks.lists.entries())
        if (!this.#lists.has(list)) wanted.set(list, linesOf(index, chunks.count))
    }
    await forEach(wanted, listsAtOnce, async ([list, lines]) => {
      signal?.throwIfAborted()
      this.#lists.set(list, await this.#read(list, lines))
    })
  }

  /** Positions of all that a backup names, its lists included. Its lists must have been read. */
  *namedBy({ chunks }: Names): Iterable<number> {
    for (const list of chunks.lists) {
      const position = this.#positions.get(list)
      if (position !== undefined) yield position
      const named = this.#lists.get(list)
      if (named !== undefined && 'positions' in named) yield* named.positions
    }
  }

  /** A list of a backup that cannot be read, so that nobody knows what it names; undefined when all can. */
  unreadableList({ chunks }: Names): ObjectProblem | undefined {
    for (const list of chunks.lists) {
      const named = this.#lists.get(list)
      if (named !== undefined && 'problem' in named) return named
    }
    return undefined
  }

  /** Why a backup cannot be whole; undefined when all of it is there. What came after the listing is looked at again. */
  async flawOf(backup: Names): Promise<string | undefined> {
    const unreadable = this.unreadableList(backup)
    if (unreadable !== undefined) return unreadable.message
    for (const list of backup.chunks.lists) {
      const named = this.#lists.get(list)
      const missing = named !== undefined && 'missing' in named ? named.missing : undefined
      if (missing === undefined) continue
      const found = await this.#repository.store.head(missing)
      if (found === undefined || found.size === 0) return missingObject(missing).message
    }
    return undefined
  }

  async #read(list: string, lines: number): Promise<Named | ObjectProblem> {
    try {
      const keys = await readList(this.#repository.store, list, lines)
      if (keys === undefined) return missingObject(list)
      const there = keys.map(key => this.#positions.get(key))
      const absent = there.findIndex(position => position === undefined || this.sizes[position] === 0)
      return {
        positions: Uint32Array.from(there.filter(position => position !== undefined)),
        // A copy: a part of a text keeps all of the text in memory.
        missing: absent < 0 ? undefined : Buffer.from(keys[absent] ?? '').toString(),
      }
    } catch (error) {
      return damagedObject(list, error)
    }
  }
}
