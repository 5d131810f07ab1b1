/**
 * Removing backups, in an order that a pin, a verification, another prune or a kill at the same time cannot break:
 *   1. Announce what they name, so that none of it is deleted before the last step.
 *   2. Store copies of their manifests, and see that the intent is there still.
 *   3. Judge again, by what is there now; between this and the next step nothing is waited for.
 *   4. Delete the manifests.
 *   5. Judge once more. What would have to stay now, because somebody pinned it or found a newer one bad meanwhile, is
 *      put back as it was.
 *   6. Delete the copies, but for those of what was put back: a sweep that did not see its manifest sees them.
 * A kill leaves behind, after the first step, an intent; after the second, copies beside their manifests, which are of no
 * use; after the fourth, copies without manifests: `settle.ts` takes the fifth and the sixth step then, in the next prune.
 * Until then what they name counts as used. Results of checks of backups that are gone are removed by a later prune.
 */

import { LockkeeperError } from '../errors.ts'
import { inOrder } from './concurrency.ts'
import { largest, manifestKey } from './format.ts'
import { announce, type Intent } from './intents.ts'
import type { Origin } from './manifest.ts'
import { readObject } from './objects.ts'
import { copyKey, listRemoved } from './removed.ts'
import type { Repository } from './repository.ts'

const manifestsAtOnce = 16

export interface Removal {
  readonly removed: readonly string[]
  readonly putBack: readonly string[]
  /** Why the store kept some that it was to delete. */
  readonly refused: LockkeeperError | undefined
}

/** Judges again: ids that may go, among them those in its argument, which are no longer there. */
export type MayGo = (removed: ReadonlySet<string>) => Promise<ReadonlySet<string>>

/** Bytes of a manifest, and the key of the copy of it. */
export interface Copied {
  readonly id: string
  readonly key: string
  readonly bytes: Uint8Array
}

/**
 * Removes the manifests of backups.
 * @param ids at least one
 * @param chunks hashes of all that they name
 */
export async function removeBackups(
  repository: Repository,
  ids: readonly string[],
  chunks: ReadonlySet<string>,
  by: Origin,
  mayGo: MayGo,
): Promise<Removal> {
  const intent = await announce(repository, chunks, by)
  try {
    // Whoever may not delete finds out before copies are stored that nobody can clean up.
    const denied = await deleteOrExplain(repository, [copyKey(intent, ids[0] as string)])
    if (denied !== undefined) return { removed: [], putBack: [], refused: denied }
    const copies = await copyManifests(repository, intent, ids)
    if (!(await intent.holds())) throw await heldUp(repository, [...copies.values()])
    const allowed = await mayGo(new Set())
    const going = [...copies.keys()].filter(id => allowed.has(id))
    const refused = await deleteOrExplain(repository, going.map(manifestKey))
    const removed = refused === undefined ? going : await goneOf(repository, going)
    const still = await mayGo(new Set(removed))
    const staying = removed.filter(id => !still.has(id))
    await putBack(
      repository,
      intent,
      staying.map(id => copies.get(id) as Copied),
    )
    const spent = [...copies.values()].filter(({ id }) => !staying.includes(id)).map(({ key }) => key)
    const left = await deleteOrExplain(repository, spent)
    return { removed: removed.filter(id => still.has(id)), putBack: staying, refused: refused ?? left }
  } finally {
    await intent.withdraw()
  }
}

/** Stores copies of those manifests that are there. All of them are durable when it resolves. */
async function copyManifests(
  { store }: Repository,
  intent: Intent,
  ids: readonly string[],
): Promise<Map<string, Copied>> {
  const copies = new Map<string, Copied>()
  const batch = store.batch()
  const read = async (id: string) => ({ id, bytes: await readObject(store, manifestKey(id), largest.manifest) })
  for await (const { bytes, id } of inOrder(ids, manifestsAtOnce, read)) {
    if (bytes === undefined) continue
    const key = copyKey(intent, id)
    await batch.put(key, bytes)
    copies.set(id, { id, key, bytes })
  }
  await batch.flush()
  return copies
}

/** What such late copies name may have been deleted before they were stored. */
async function heldUp(repository: Repository, copies: readonly Copied[]): Promise<LockkeeperError> {
  await deleteOrExplain(
    repository,
    copies.map(({ key }) => key),
  )
  return new LockkeeperError('storage', 'this prune was held up for days, so it removed nothing', {
    hint: 'Run it again.',
  })
}

/**
 * Puts manifests back. What they name has been spared all the time when the intent that was there before is there still,
 * or the copy is; otherwise some of it may be deleted, and a backup that is not whole is worse than none: rejects with
 * `storage`, and has taken back what it put back.
 */
export async function putBack(repository: Repository, intent: Intent, copies: readonly Copied[]): Promise<void> {
  const { store } = repository
  const stored: Copied[] = []
  for (const copy of copies)
    if ((await store.putIfAbsent(manifestKey(copy.id), copy.bytes)) === 'stored') stored.push(copy)
  if (stored.length === 0 || (await intent.holds())) return
  const there = new Set((await listRemoved(repository)).copies.map(({ key }) => key))
  const lost = stored.filter(({ key }) => !there.has(key)).map(({ id }) => id)
  if (lost.length === 0) return
  await store.deleteMany(lost.map(manifestKey))
  throw new LockkeeperError('storage', `a prune that was held up for days removed ${lost.join(', ')}`, {
    hint: 'Meanwhile somebody pinned them, or found newer ones bad. `lockkeeper backups` lists what there is.',
    details: { backups: lost },
  })
}

/** Deletes, and resolves to what the store had against it. A permission or a lock that is missing is no failure of the prune. */
export async function deleteOrExplain(
  { store }: Repository,
  keys: readonly string[],
): Promise<LockkeeperError | undefined> {
  try {
    if (keys.length > 0) await store.deleteMany(keys)
    return undefined
  } catch (error) {
    if (error instanceof LockkeeperError && error.code === 'denied') return error
    throw error
  }
}

async function goneOf({ store }: Repository, ids: readonly string[]): Promise<string[]> {
  const gone: string[] = []
  for (const id of ids) if ((await store.head(manifestKey(id))) === undefined) gone.push(id)
  return gone
}
