/** Chunks that are in a repository, read back: whether they hold the bytes that their names say. */

import { LockkeeperError } from '../errors.ts'
import { release } from '../storage/release.ts'
import { readChunk } from './chunk-object.ts'
import { chunksInFlight, forEach } from './concurrency.ts'
import type { Repository } from './repository.ts'

/** What can be wrong with an object. */
export interface ObjectProblem {
  readonly key: string
  readonly problem: 'missing' | 'damaged'
  /** A sentence that begins with the key. */
  readonly message: string
}

export function missingObject(key: string): ObjectProblem {
  return { key, problem: 'missing', message: `${key}: is missing` }
}

/** Turns the error of an object that is not what it should be into a problem; what the store rejects with is thrown on. */
export function damagedObject(key: string, error: unknown): ObjectProblem {
  if (!(error instanceof LockkeeperError) || error.code !== 'invalid') throw error
  return { key, problem: 'damaged', message: error.message }
}

export interface ChunkToRead {
  readonly key: string
  /** Plain bytes that it holds. */
  readonly bytes: number
}

/** Fetches chunks, several at once, and says what is wrong with each of them: undefined when it is right. */
export async function recheckChunks(
  repository: Repository,
  chunks: Iterable<ChunkToRead> | AsyncIterable<ChunkToRead>,
  onChunk: (chunk: ChunkToRead, problem: ObjectProblem | undefined) => void,
  signal?: AbortSignal,
): Promise<void> {
  await forEach(chunks, chunksInFlight(repository.chunkSize), async chunk => {
    signal?.throwIfAborted()
    onChunk(chunk, await problemOf(repository, chunk))
  })
}

async function problemOf(repository: Repository, { key, bytes }: ChunkToRead): Promise<ObjectProblem | undefined> {
  try {
    const plain = await readChunk(repository.store, key, bytes)
    if (plain === undefined) return missingObject(key)
    release(plain)
    return undefined
  } catch (error) {
    return damagedObject(key, error)
  }
}
