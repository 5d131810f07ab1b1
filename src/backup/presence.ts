/** Which chunks of a database are in the repository, and under which name each one is to be used. */

import { inOrder } from './concurrency.ts'
import { chunkKey, parseChunkKey } from './format.ts'
import type { Repository } from './repository.ts'

/**
 * Up to this many chunks each is looked up by itself, beyond it all of `chunks/` is listed. A listing is one request for
 * 1,000 objects, one after another, however few concern this database; looking up is one request for each chunk, many
 * at once. At 1 MiB a chunk, 1 GB is 1,000 chunks, and a month of its backups 3,000 to 5,000: a handful of requests
 * against a thousand. 32 look-ups are two rounds, which no listing of a large repository beats.
 * A look-up is a listing too, by the hash as prefix: it finds the object under every number, where a head finds one.
 */
export const lookUpAtMost = 32
const lookUpsAtOnce = 16

export interface FoundChunk {
  readonly key: string
  readonly sha256: string
  readonly number: number
  /** Bytes of the object. */
  readonly size: number
}

/** Every object in the repository that holds, by its name, one of these chunks. */
export async function* findChunks(
  repository: Repository,
  hashes: ReadonlyMap<string, unknown>,
  signal?: AbortSignal,
): AsyncIterable<FoundChunk> {
  if (hashes.size <= lookUpAtMost) {
    const found = inOrder(hashes.keys(), lookUpsAtOnce, sha256 =>
      Array.fromAsync(repository.store.list(chunkKey(sha256).slice(0, -'.zst'.length))),
    )
    for await (const objects of found) {
      signal?.throwIfAborted()
      for (const { key, size } of objects) yield* known(key, size)
    }
    return
  }
  for await (const { key, size } of repository.store.list('chunks/')) {
    signal?.throwIfAborted()
    yield* known(key, size)
  }

  function* known(key: string, size: number): Iterable<FoundChunk> {
    const name = parseChunkKey(key)
    if (name !== undefined && hashes.has(name.sha256)) yield { key, ...name, size }
  }
}

/** Chunks by hash, each with the number under which it is there and may be used. */
export class Presence {
  readonly #usable = new Map<string, number>()
  /** Keys under which nothing may be stored: marked, damaged or empty. */
  readonly #spoilt: Set<string>

  constructor(marked: ReadonlySet<string>) {
    this.#spoilt = new Set(marked)
  }

  /** Takes note of an object. An empty one is none: something broke off that should not have been able to. */
  add({ key, sha256, number, size }: FoundChunk): void {
    if (size === 0) this.#spoilt.add(key)
    if (this.#spoilt.has(key)) return
    const other = this.#usable.get(sha256)
    if (other === undefined || number < other) this.#usable.set(sha256, number)
  }

  /** The key under which a chunk is there, the lowest number first, or undefined when it has to be stored. */
  keyOf(sha256: string): string | undefined {
    const number = this.#usable.get(sha256)
    return number === undefined ? undefined : chunkKey(sha256, number)
  }

  /** The key under which a chunk that is not there is to be stored: the lowest number that is free. */
  freeKey(sha256: string): string {
    let number = 0
    while (this.#spoilt.has(chunkKey(sha256, number))) number++
    return chunkKey(sha256, number)
  }

  /** Never to be used: what lies there has the wrong bytes. */
  spoil(sha256: string, key: string): void {
    this.#spoilt.add(key)
    if (this.keyOf(sha256) === key) this.#usable.delete(sha256)
  }
}
