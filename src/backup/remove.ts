/**
 * Removing backups, in an order that a pin, a verification or another prune at the same time cannot break:
 *   1. Announce what they name, so that none of it is deleted before the last step.
 *   2. Judge again, by what is there now; between this and the next step nothing is waited for.
 *   3. Delete the manifests.
 *   4. Judge once more. What would have to stay now, because somebody pinned it or found a newer one bad meanwhile, is
 *      put back as it was.
 * A kill leaves behind, after the first step, an intent; after the third, chunks that nothing names, and the results of
 * checks of backups that are gone. A later prune finds both.
 */

import { LockkeeperError } from '../errors.ts'
import { forEach } from './concurrency.ts'
import { largest, manifestKey } from './format.ts'
import { announce } from './intents.ts'
import type { Origin } from './manifest.ts'
import { readObject } from './objects.ts'
import type { Repository } from './repository.ts'

const manifestsAtOnce = 16

export interface Removal {
  readonly removed: readonly string[]
  readonly putBack: readonly string[]
  /** Why the store kept some that it was to delete. */
  readonly refused: LockkeeperError | undefined
}

/**
 * Removes the manifests of backups.
 * @param chunks hashes of all that they name
 * @param mayGo judges again: ids that may go, among them those in its argument, which are no longer there
 */
export async function removeBackups(
  repository: Repository,
  ids: readonly string[],
  chunks: ReadonlySet<string>,
  by: Origin,
  mayGo: (removed: ReadonlySet<string>) => Promise<ReadonlySet<string>>,
): Promise<Removal> {
  const { store } = repository
  const intent = await announce(repository, chunks, by)
  try {
    const manifests = new Map<string, Uint8Array>()
    await forEach(ids, manifestsAtOnce, async id => {
      const bytes = await readObject(store, manifestKey(id), largest.manifest)
      if (bytes !== undefined) manifests.set(id, bytes)
    })
    const allowed = await mayGo(new Set())
    const going = ids.filter(id => manifests.has(id) && allowed.has(id))
    const refused = await deleteOrExplain(repository, going.map(manifestKey))
    const removed = refused === undefined ? going : await goneOf(repository, going)
    const still = await mayGo(new Set(removed))
    const putBack = removed.filter(id => !still.has(id))
    for (const id of putBack) await store.putIfAbsent(manifestKey(id), manifests.get(id) as Uint8Array)
    // Held up for days: what they name may have been deleted, and a backup that is not whole is worse than none.
    if (putBack.length > 0 && !(await intent.holds())) throw await lost(repository, putBack)
    return { removed: removed.filter(id => still.has(id)), putBack, refused }
  } finally {
    await intent.withdraw()
  }
}

async function lost({ store }: Repository, ids: readonly string[]): Promise<LockkeeperError> {
  await store.deleteMany(ids.map(manifestKey))
  return new LockkeeperError('storage', `a prune that was held up for days removed ${ids.join(', ')}`, {
    hint: 'Meanwhile somebody pinned them, or found newer ones bad. `lockkeeper backups` lists what there is.',
    details: { backups: ids },
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
