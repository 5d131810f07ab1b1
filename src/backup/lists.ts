/**
 * Lists: the names of up to 1,024 chunks in order, one a line, stored under the hash of that text. They hold names and
 * not hashes, because a chunk may lie under another number (`<sha256>.1.zst`), and so that `xargs cat` can use them.
 */

import { hash } from 'node:crypto'
import type { ObjectStore } from '../storage/object-store.ts'
import { chunksInList, largest, parseChunkKey, parseListKey } from './format.ts'
import { readObject, twice } from './objects.ts'
import { invalid } from './untrusted.ts'

export interface List {
  readonly sha256: string
  readonly text: Uint8Array
}

/** The list of these keys of chunks, 1 to 1,024 of them. */
export function makeList(keys: readonly string[]): List {
  const text = Buffer.from(keys.map(key => `${key}\n`).join(''))
  return { sha256: hash('sha256', text), text }
}

/** How many chunks the list at this position of a backup names. */
export function linesOf(position: number, count: number): number {
  return Math.min(chunksInList, count - position * chunksInList)
}

/**
 * The keys of chunks that a list names. Undefined when it is not there; rejects with `invalid`, naming it, when its
 * text does not have the hash in its name, names anything but chunks, or not as many as `lines`.
 */
export function readList(store: ObjectStore, key: string, lines: number): Promise<string[] | undefined> {
  return twice(() => read(store, key, lines))
}

async function read(store: ObjectStore, key: string, lines: number): Promise<string[] | undefined> {
  const text = await readObject(store, key, largest.list)
  if (text === undefined) return undefined
  const found = hash('sha256', text)
  if (found !== parseListKey(key)?.sha256)
    throw invalid(key, `holds another text than its name says: its SHA-256 is ${found}`)
  const keys = text.toString('latin1').split('\n')
  if (keys.pop() !== '') throw invalid(key, 'does not end with a line feed')
  if (keys.length !== lines) throw invalid(key, `names ${keys.length} chunks where ${lines} belong`)
  const odd = keys.find(name => parseChunkKey(name) === undefined)
  if (odd !== undefined) throw invalid(key, `names something that is not a chunk: ${JSON.stringify(odd.slice(0, 100))}`)
  return keys
}
