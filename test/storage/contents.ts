/** Short ways to write and read what tests store. */

import { createHash } from 'node:crypto'
import type { ObjectInfo, ObjectStore } from '../../src/storage/object-store.ts'

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export async function read(store: ObjectStore, key: string): Promise<Uint8Array | undefined> {
  const stream = await store.get(key)
  return stream && new Uint8Array(await new Response(stream).arrayBuffer())
}

export async function text(store: ObjectStore, key: string): Promise<string | undefined> {
  const content = await read(store, key)
  return content && new TextDecoder().decode(content)
}

export async function list(store: ObjectStore, prefix: string): Promise<ObjectInfo[]> {
  return Array.fromAsync(store.list(prefix))
}

export async function keys(store: ObjectStore, prefix: string): Promise<string[]> {
  return (await list(store, prefix)).map(({ key }) => key)
}

/** A key that follows from the content, as the repository names its chunks. */
export function named(body: Uint8Array): string {
  const hash = createHash('sha256').update(body).digest('hex')
  return `chunks/${hash.slice(0, 2)}/${hash}`
}
