/**
 * Bringing the content of a database into the repository: find what is there, store what is not, read back what is new,
 * and look once more that everything is there.
 */

import { LockkeeperError } from '../errors.ts'
import type { Batch } from '../storage/object-store.ts'
import type { ChunkedFile, FileChunks } from './chunks.ts'
import { parseChunkKey, parseListKey } from './format.ts'
import { linesOf, readList } from './lists.ts'
import type { Manifest, Origin } from './manifest.ts'
import { mark, markedObjects } from './marks.ts'
import { findChunks, Presence } from './presence.ts'
import type { OnProgress } from './progress.ts'
import { damagedObject, type ObjectProblem, recheckChunks } from './recheck.ts'
import type { Repository } from './repository.ts'
import { requireRoom } from './room.ts'
import { storeLists } from './store-lists.ts'

export interface Placed {
  /** Keys of the lists, in order. */
  readonly lists: readonly string[]
  /** Chunks that this backup uploaded, and their compressed bytes. */
  readonly stored: { readonly chunks: number; readonly bytes: number }
  /** Chunks that were not there when it looked: `stored`, and those that another backup was faster with. */
  readonly placed: number
}

export interface PlaceOptions {
  /** The newest backup: what it names has been read back when it was made. */
  readonly newest: Manifest | undefined
  readonly by: Origin
  readonly onProgress: OnProgress
  readonly signal: AbortSignal | undefined
}

/** Announce it first: `intents.ts`. Everything that is named is durable and was checked when it resolves. */
export async function placeDatabase(
  repository: Repository,
  file: ChunkedFile,
  chunks: FileChunks,
  options: PlaceOptions,
): Promise<Placed> {
  const { signal } = options
  const marked = await markedObjects(repository, key => {
    const chunk = parseChunkKey(key)
    return chunk === undefined ? parseListKey(key) !== undefined : chunks.distinct.has(chunk.sha256)
  })
  const presence = new Presence(marked)
  for await (const found of findChunks(repository, chunks.distinct, signal)) presence.add(found)
  await distrust(repository, file, chunks, presence, options)

  const batch = repository.store.batch()
  const missing = [...chunks.distinct].filter(([sha256]) => presence.keyOf(sha256) === undefined)
  await requireRoom(repository, file, missing)
  let stored: Placed['stored']
  let lists: string[]
  try {
    stored = await storeChunks(repository, batch, file, missing, presence, options)
    lists = await storeLists(repository, batch, chunks, presence, marked, signal)
  } catch (error) {
    // What was put so far is kept, for the next attempt to go on from.
    await batch.flush().catch(() => {})
    throw error
  }
  await batch.flush()

  await recheck(repository, file, missing, presence, options)
  for (const [position, key] of lists.entries()) {
    signal?.throwIfAborted()
    const names = await readList(repository.store, key, linesOf(position, chunks.count))
    if (names === undefined) throw notKept([`${key}: is missing`])
  }
  await confirm(repository, chunks, presence, signal)
  return { lists, stored, placed: missing.length }
}

/**
 * Chunks that are there, but that the newest backup does not name, were perhaps left by a process that was killed
 * before it read them back: read them now. One that is damaged is marked, and stored again under another name.
 */
async function distrust(
  repository: Repository,
  file: ChunkedFile,
  chunks: FileChunks,
  presence: Presence,
  options: PlaceOptions,
): Promise<void> {
  const trusted = await trustedChunks(repository, chunks, options)
  const doubtful = [...chunks.distinct].filter(([sha256]) => {
    const key = presence.keyOf(sha256)
    return key !== undefined && !trusted.has(key)
  })
  const problems = await readBack(repository, file, doubtful, presence, options)
  for (const { key } of problems) presence.spoil(parseChunkKey(key)?.sha256 ?? '', key)
  const damaged = problems.filter(({ problem }) => problem === 'damaged').map(({ key }) => key)
  await mark(repository, 'damaged', damaged, options.by)
}

async function trustedChunks(
  repository: Repository,
  chunks: FileChunks,
  { newest, signal }: PlaceOptions,
): Promise<Set<string>> {
  const trusted = new Set<string>()
  for (const [position, key] of newest?.chunks.lists.entries() ?? []) {
    signal?.throwIfAborted()
    // A list that is damaged or missing vouches for nothing.
    const names = await readList(repository.store, key, linesOf(position, newest?.chunks.count ?? 0)).catch(error => {
      damagedObject(key, error)
      return undefined
    })
    for (const name of names ?? []) if (chunks.distinct.has(parseChunkKey(name)?.sha256 ?? '')) trusted.add(name)
  }
  return trusted
}

type Chunks = readonly (readonly [sha256: string, position: number])[]

async function storeChunks(
  repository: Repository,
  batch: Batch,
  file: ChunkedFile,
  missing: Chunks,
  presence: Presence,
  { onProgress, signal }: PlaceOptions,
): Promise<Placed['stored']> {
  const total = plainBytes(file, missing)
  const stored = { chunks: 0, bytes: 0 }
  let done = 0
  await file.store(
    missing,
    async (sha256, frame, plain) => {
      const bytes = frame.byteLength
      if (await storeChunk(repository, batch, sha256, frame, presence)) {
        stored.chunks++
        stored.bytes += bytes
      }
      done += plain
      onProgress({ phase: 'storing', bytes: done, total })
    },
    signal,
  )
  return stored
}

/** Whether it was stored; another backup may have been faster. */
async function storeChunk(
  { store }: Repository,
  batch: Batch,
  sha256: string,
  frame: Buffer,
  presence: Presence,
): Promise<boolean> {
  for (;;) {
    const key = presence.freeKey(sha256)
    if ((await batch.put(key, frame, { give: true })) === 'stored') return true
    // Some servers keep a name occupied in a versioned bucket after its object was deleted.
    if ((await store.head(key)) !== undefined) return false
    presence.spoil(sha256, key)
  }
}

/** What was stored is read back: a store that answered yes may still have kept something else. */
async function recheck(
  repository: Repository,
  file: ChunkedFile,
  missing: Chunks,
  presence: Presence,
  options: PlaceOptions,
): Promise<void> {
  const problems = await readBack(repository, file, missing, presence, options)
  if (problems.length > 0) throw notKept(problems.map(({ message }) => message))
}

async function readBack(
  repository: Repository,
  file: ChunkedFile,
  chunks: Chunks,
  presence: Presence,
  { onProgress, signal }: PlaceOptions,
): Promise<ObjectProblem[]> {
  const problems: ObjectProblem[] = []
  const total = plainBytes(file, chunks)
  const toRead = function* () {
    for (const [sha256, position] of chunks) {
      yield { key: presence.keyOf(sha256) ?? presence.freeKey(sha256), bytes: file.lengthAt(position) }
    }
  }
  let done = 0
  await recheckChunks(
    repository,
    toRead(),
    ({ bytes }, problem) => {
      if (problem !== undefined) problems.push(problem)
      done += bytes
      onProgress({ phase: 'checking', bytes: done, total })
    },
    signal,
  )
  return problems
}

/** Lists everything once more: what a backup names has to be there just before its manifest is. */
async function confirm(
  repository: Repository,
  chunks: FileChunks,
  presence: Presence,
  signal: AbortSignal | undefined,
): Promise<void> {
  const nameOf = (sha256: string) => presence.keyOf(sha256) ?? presence.freeKey(sha256)
  const found = new Set<string>()
  for await (const { key, sha256, size } of findChunks(repository, chunks.distinct, signal)) {
    if (size > 0 && key === nameOf(sha256)) found.add(key)
  }
  if (found.size === chunks.distinct.size) return
  const lost = Array.from(chunks.distinct.keys(), nameOf).filter(key => !found.has(key))
  throw notKept(lost.map(key => `${key}: is missing`))
}

function plainBytes(file: ChunkedFile, chunks: Chunks): number {
  return chunks.reduce((sum, [, position]) => sum + file.lengthAt(position), 0)
}

function notKept(problems: readonly string[]): LockkeeperError {
  const [first] = problems
  const others = problems.length > 1 ? `, and ${problems.length - 1} more like this` : ''
  return new LockkeeperError('storage', `the repository does not hold what was stored in it: ${first}${others}`, {
    hint: 'No backup was made. Run it again; if it happens again, do not trust this object store: look for lifecycle rules, for another program that deletes in it, and for a failing disk.',
    details: { problems: problems.slice(0, 100) },
  })
}
