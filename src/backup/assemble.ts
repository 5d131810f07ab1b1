/**
 * Putting a database together again from what a manifest names. Every object is checked on its own, so that what is
 * missing or damaged is known by name, and nothing that comes from a repository is believed before.
 */

import { createHash } from 'node:crypto'
import { readChunk } from './chunk-object.ts'
import { chunksInFlight, inOrder } from './concurrency.ts'
import { chunksInList } from './format.ts'
import { linesOf, readList } from './lists.ts'
import type { Manifest } from './manifest.ts'
import type { OnProgress } from './progress.ts'
import { damagedObject, missingObject, type ObjectProblem } from './recheck.ts'
import type { Repository } from './repository.ts'
import { invalid } from './untrusted.ts'

export interface AssembleOptions {
  /** Gives the plain bytes of a chunk that need not be fetched, and undefined for any other. Default: all are fetched. */
  readonly have?: (key: string, offset: number, length: number) => Promise<Buffer | undefined>
  /** Reads a list that names so many chunks. Default: `readList`. */
  readonly list?: (key: string, lines: number) => Promise<readonly string[] | undefined>
  /** Gets the plain bytes of each chunk, in order, where they belong and its key. The next one waits for it. */
  readonly onChunk: (plain: Uint8Array, offset: number, key: string) => Promise<void>
  /** Gets what is missing or damaged, each object once. Whoever does not want to go on throws. */
  readonly onProblem: (problem: ObjectProblem) => void
  readonly onProgress: OnProgress
  readonly signal: AbortSignal | undefined
}

/** The SHA-256 of the whole, in hex; undefined when something was missing or damaged. Rejects when the store does. */
export async function assemble(
  repository: Repository,
  { database, chunks }: Manifest,
  options: AssembleOptions,
): Promise<string | undefined> {
  const { have = async () => undefined, onChunk, onProblem, onProgress, signal } = options
  const { list: readNames = (key: string, lines: number) => readList(repository.store, key, lines) } = options
  const complained = new Set<string>()
  const complain = (problem: ObjectProblem) => {
    if (complained.has(problem.key)) return
    complained.add(problem.key)
    onProblem(problem)
  }
  const whole = createHash('sha256')
  // A chunk that repeats, as runs of zeros do, is fetched once.
  let last: { readonly key: string; readonly plain: Promise<Buffer | ObjectProblem> } | undefined
  const fetched = inOrder(names(), chunksInFlight(chunks.size), async ({ key, position }) => {
    signal?.throwIfAborted()
    const offset = position * chunks.size
    const length = Math.min(chunks.size, database.bytes - offset)
    if (last?.key !== key) {
      const plain = readable(key, async () => {
        return (await have(key, offset, length)) ?? readChunk(repository.store, key, chunks.size)
      })
      last = { key, plain }
    }
    return { key, offset, length, plain: await last.plain }
  })
  for await (const { key, offset, length, plain } of fetched) {
    if (!Buffer.isBuffer(plain)) complain(plain)
    else if (plain.byteLength !== length) {
      complain(damagedObject(key, invalid(key, `holds ${plain.byteLength} bytes where ${length} belong`)))
    } else {
      whole.update(plain)
      await onChunk(plain, offset, key)
    }
    onProgress({ phase: 'fetching', bytes: offset + length, total: database.bytes })
  }
  return complained.size === 0 ? whole.digest('hex') : undefined

  async function* names(): AsyncGenerator<{ key: string; position: number }> {
    for (const [index, list] of chunks.lists.entries()) {
      signal?.throwIfAborted()
      const keys = await namesIn(list, linesOf(index, chunks.count))
      for (const [line, key] of keys.entries()) yield { key, position: index * chunksInList + line }
    }
  }

  async function namesIn(list: string, lines: number): Promise<readonly string[]> {
    const keys = await readable(list, () => readNames(list, lines))
    if (!('problem' in keys)) return keys
    complain(keys)
    return []
  }
}

/** What was read, or what is wrong with it; rejects only when the store does. */
async function readable<T>(key: string, read: () => Promise<T | undefined>): Promise<T | ObjectProblem> {
  try {
    return (await read()) ?? missingObject(key)
  } catch (error) {
    return damagedObject(key, error)
  }
}
