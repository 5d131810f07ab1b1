/** Whole objects of a repository, read with a bound: nobody's object may fill the memory. */

import type { ObjectStore } from '../storage/object-store.ts'
import { type Json, jsonBytes } from './canonical.ts'
import { invalid, parseJson } from './untrusted.ts'

/** The content, or undefined when there is no such object. Rejects with `invalid` beyond `most` bytes. */
export async function readObject(store: ObjectStore, key: string, most: number): Promise<Buffer | undefined> {
  const stream = await store.get(key)
  if (stream === undefined) return undefined
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of stream) {
    size += part.byteLength
    // Leaving the loop cancels the stream.
    if (size > most) throw invalid(key, `is larger than the ${most} bytes that it may have`)
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}

/** As `readObject`, parsed. */
export async function readJson(store: ObjectStore, key: string, most: number): Promise<Json | undefined> {
  const bytes = await readObject(store, key, most)
  return bytes === undefined ? undefined : parseJson(bytes, key)
}

/** Stores canonical JSON unless there is something under that key. */
export function putJson(store: ObjectStore, key: string, value: Json): Promise<'stored' | 'exists'> {
  return store.putIfAbsent(key, jsonBytes(value))
}
