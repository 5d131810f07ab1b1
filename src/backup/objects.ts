/** Whole objects of a repository, read with a bound: nobody's object may fill the memory. */

import { LockkeeperError } from '../errors.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { release } from '../storage/release.ts'
import { type Json, jsonBytes, sealOf } from './canonical.ts'
import { invalid, parseSealed } from './untrusted.ts'

/** The content, or undefined when there is no such object. Rejects with `invalid` beyond `most` bytes. */
export async function readObject(
  store: ObjectStore,
  key: string,
  most: number,
): Promise<Buffer<ArrayBuffer> | undefined> {
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
  const whole = Buffer.concat(parts, size)
  // A part may be cut from a buffer that others are cut from as well.
  for (const part of parts) if (part.byteLength === part.buffer.byteLength) release(part)
  return whole
}

/**
 * As `readObject`, parsed. Rejects with `invalid` when it is not what was written, with `config` when a newer version
 * wrote it. `where` names it in messages, by default the key.
 */
export function readJson(store: ObjectStore, key: string, most: number, where = key): Promise<Json | undefined> {
  return twice(async () => {
    const bytes = await readObject(store, key, most)
    return bytes === undefined ? undefined : parseSealed(bytes, where)
  })
}

/** Stores canonical JSON with its hash in it, unless there is something under that key. */
export function putJson(
  store: ObjectStore,
  key: string,
  value: { readonly [field: string]: Json | undefined },
): Promise<'stored' | 'exists'> {
  return store.putIfAbsent(key, jsonBytes(sealed(value)))
}

/** With its hash in it. */
export function sealed(value: { readonly [field: string]: Json | undefined }): Json {
  return { ...value, sha256: sealOf(value) }
}

/** What reads as damaged is read once more before that is believed: a bit may have been lost on the way only. */
export async function twice<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof LockkeeperError) || error.code !== 'invalid') throw error
    return read()
  }
}
