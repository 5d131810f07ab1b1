/** The lists of a database whose chunks are there or on their way. */

import type { Batch } from '../storage/object-store.ts'
import type { FileChunks } from './chunks.ts'
import { chunksInList, listKey } from './format.ts'
import { type List, linesOf, makeList, readList } from './lists.ts'
import type { Presence } from './presence.ts'
import { damagedObject } from './recheck.ts'
import type { Repository } from './repository.ts'

/** Puts those lists that are not there yet, and returns the keys of all, in order. */
export async function storeLists(
  repository: Repository,
  batch: Batch,
  chunks: FileChunks,
  presence: Presence,
  marked: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const lists: string[] = []
  // A list that repeats is put once: until the flush the store shows nobody what was put.
  const stored = new Map<string, string>()
  for (let first = 0; first < chunks.count; first += chunksInList) {
    signal?.throwIfAborted()
    const names = Array.from({ length: linesOf(lists.length, chunks.count) }, (_, line) => {
      const sha256 = chunks.at(first + line)
      return presence.keyOf(sha256) ?? presence.freeKey(sha256)
    })
    const list = makeList(names)
    const key = stored.get(list.sha256) ?? (await storeList(repository, batch, list, names.length, marked))
    stored.set(list.sha256, key)
    lists.push(key)
  }
  return lists
}

/** Under the lowest number where the list is, whole and not marked, or where nothing is. */
async function storeList(
  repository: Repository,
  batch: Batch,
  { sha256, text }: List,
  lines: number,
  marked: ReadonlySet<string>,
): Promise<string> {
  for (let number = 0; ; number++) {
    const key = listKey(sha256, number)
    if (marked.has(key)) continue
    try {
      if ((await readList(repository.store, key, lines)) !== undefined) return key
      if ((await batch.put(key, text)) === 'stored') return key
      // By another backup meanwhile; or else the name is occupied, though there is nothing to be read (see `place.ts`).
      if ((await readList(repository.store, key, lines)) !== undefined) return key
    } catch (error) {
      damagedObject(key, error)
    }
  }
}
