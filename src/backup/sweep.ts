/**
 * Deleting chunks and lists that nothing uses any more. The order, which `intents.ts` gives the reason for:
 *   1. Mark, in one file: what is unused and not marked yet, which a later sweep may delete, and what this one deletes.
 *   2. Read all intents, then the manifests that came since the survey, then copies of those that are just being removed;
 *      spare what they name.
 *   3. Delete, as long as the marks from the first step are there.
 *   4. Remove marks of what is gone.
 * The marks from the first step stay for a week: while this process may still be about to delete something, or a
 * network to deliver a delete, no backup uses these names, whatever became of the objects. What a backup stores again
 * meanwhile lies under another number.
 * A kill leaves marks behind and some objects not deleted; the next prune goes on from there.
 */

import { LockkeeperError } from '../errors.ts'
import { readManifest } from './catalog.ts'
import { inOrder } from './concurrency.ts'
import type { Content } from './content.ts'
import { idInKey, manifestKey } from './format.ts'
import { type Intents, readIntents } from './intents.ts'
import type { Origin } from './manifest.ts'
import { type Marks, mark, marksThere } from './marks.ts'
import { deleteOrExplain } from './remove.ts'
import { readLeaving } from './removed.ts'
import type { Repository } from './repository.ts'

/** Milliseconds that marks outlive what they mark. A prune that was paused for longer gives up. */
const afterglow = 7 * 24 * 60 * 60 * 1000

/** As many as S3 takes in one request. */
const deletedAtOnce = 1000
const manifestsAtOnce = 16

export interface Amount {
  readonly objects: number
  readonly bytes: number
}

export interface Usage {
  /** By position in the content: named by a backup that stays. */
  readonly used: Uint8Array
  /** By position: named by one that was removed just now, so that the time of grace begins anew. */
  readonly released: Uint8Array
}

export interface Plan {
  /** Positions of what nothing uses and nobody marked: to be marked. */
  readonly unused: readonly number[]
  /** Positions of what was marked, but not long enough ago. */
  readonly waiting: readonly number[]
  /** Positions of what was marked long enough ago: to be deleted. */
  readonly due: readonly number[]
}

/** What is to be marked and what is to be deleted, as far as is known before anything is marked. */
export function planSweep(
  content: Content,
  { released, used }: Usage,
  marks: readonly Marks[],
  intents: Intents,
  { grace, now }: { readonly grace: number; readonly now: number },
): Plan {
  const marked = newestMarks(marks, content, ({ reason }) => reason === 'unused')
  const unused: number[] = []
  const waiting: number[] = []
  const due: number[] = []
  for (const [position, key] of content.keys.entries()) {
    if (used[position] === 1 || intents.spares(key)) continue
    const since = marked.get(position)
    if (since === undefined || released[position] === 1) unused.push(position)
    else if (Math.max(0, now - since) >= grace) due.push(position)
    else waiting.push(position)
  }
  return { unused, waiting, due }
}

/** When each object was last marked, by position. */
export function newestMarks(
  marks: readonly Marks[],
  content: Content,
  counts: (marks: Marks) => boolean = () => true,
): Map<number, number> {
  const newest = new Map<number, number>()
  for (const file of marks) {
    if (!counts(file)) continue
    for (const key of file.objects) {
      const position = content.positionOf(key)
      if (position !== undefined) newest.set(position, Math.max(newest.get(position) ?? 0, file.stored.getTime()))
    }
  }
  return newest
}

export interface Swept {
  readonly deleted: Amount
  readonly refused: LockkeeperError | undefined
}

/** Marks and deletes. `known`: ids of all backups whose content was looked at when it was planned. */
export async function sweep(
  repository: Repository,
  content: Content,
  { due, unused }: Plan,
  known: ReadonlySet<string>,
  by: Origin,
  signal?: AbortSignal,
): Promise<Swept> {
  const keysOf = (positions: readonly number[]) => positions.map(position => content.keys[position] as string)
  const tombstones = await mark(repository, 'unused', keysOf([...unused, ...due]), by)
  const nothing = { deleted: { objects: 0, bytes: 0 }, refused: undefined }
  if (due.length === 0) return nothing
  const intents = await readIntents(repository)
  const named = await namedSince(repository, content, known, signal)
  const doomed = due.filter(position => !named.has(position) && !intents.spares(content.keys[position] as string))
  let objects = 0
  let bytes = 0
  for (let from = 0; from < doomed.length; from += deletedAtOnce) {
    signal?.throwIfAborted()
    await expectThere(repository, tombstones)
    const batch = doomed.slice(from, from + deletedAtOnce)
    const refused = await deleteOrExplain(repository, keysOf(batch))
    if (refused !== undefined) return { deleted: { objects, bytes }, refused }
    objects += batch.length
    bytes += bytesOf(content, batch)
  }
  return { deleted: { objects, bytes }, refused: undefined }
}

/** What backups name that came since the survey, be it that one is just going again. Rejects with `invalid` when one of them cannot be read. */
async function namedSince(
  repository: Repository,
  content: Content,
  known: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<Set<number>> {
  const since: string[] = []
  for await (const { key } of repository.store.list('backups/')) if (!known.has(idInKey(key) ?? '')) since.push(key)
  const named = new Set<number>()
  for await (const manifest of inOrder(since, manifestsAtOnce, key => readManifest(repository, key))) {
    if (manifest === undefined) continue
    await content.readLists([manifest], signal)
    const unreadable = content.unreadableList(manifest)
    if (unreadable !== undefined && (await repository.store.head(manifestKey(manifest.id))) !== undefined)
      throw new LockkeeperError('invalid', `nothing can be deleted: ${unreadable.message}`, {
        hint: `Nobody knows what the backup ${manifest.id} names. Run the same command again; \`lockkeeper verify ${manifest.id}\` says more.`,
        details: { object: unreadable.key },
      })
    for (const position of content.namedBy(manifest)) named.add(position)
  }
  const { manifests: leaving, problems } = await readLeaving(repository, id => known.has(id))
  for (const { key, message } of problems)
    throw new LockkeeperError('invalid', `nothing can be deleted: ${message}`, {
      hint: 'Nobody knows what it names. Bring that object back, or move it out of the repository if it is beyond help.',
      details: { object: key },
    })
  await content.readLists(leaving, signal)
  for (const manifest of leaving) for (const position of content.namedBy(manifest)) named.add(position)
  return named
}

async function expectThere(repository: Repository, tombstones: readonly string[]): Promise<void> {
  const there = await marksThere(repository)
  const gone = tombstones.find(key => !there.has(key))
  if (gone === undefined) return
  throw new LockkeeperError('storage', 'this prune was held up for a week, so nothing more is deleted', {
    hint: 'Run it again. What it was going to delete may be in use by now.',
    details: { object: gone },
  })
}

/**
 * Marks that are of no use any more: older than a week, by the clock of the store, and every object in them is gone,
 * or is marked by a newer file as well.
 * @param there whether the object at a position is still there
 */
export function spentMarks(marks: readonly Marks[], content: Content, there: (position: number) => boolean): string[] {
  const now = Math.max(content.newest, ...marks.map(({ stored }) => stored.getTime()))
  const newest = newestMarks(marks, content)
  return marks
    .filter(({ objects, stored }) => {
      if (now - stored.getTime() <= afterglow) return false
      return objects.every(key => {
        const position = content.positionOf(key)
        return position === undefined || !there(position) || (newest.get(position) ?? 0) > stored.getTime()
      })
    })
    .map(({ key }) => key)
}

export function bytesOf(content: Content, positions: Iterable<number>): number {
  let bytes = 0
  for (const position of positions) bytes += content.sizes[position] ?? 0
  return bytes
}

export function amountOf(content: Content, positions: readonly number[]): Amount {
  return { objects: positions.length, bytes: bytesOf(content, positions) }
}
