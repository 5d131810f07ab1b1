/**
 * What prunes have left that were killed while they removed backups: copies of manifests (`removed.ts`). A prune begins
 * with this, and nothing else does: whoever restores or pins knows no policy, and until then nothing of it is deleted.
 *   1. Announce what is named by copies without a manifest, and see which of them are there still.
 *   2. Judge, as the prune would have that was killed.
 *   3. Put back what has to stay.
 *   4. Delete the copies of the rest, and those that lie beside their manifests: only when the intent of the prune that
 *      stored them is gone, for until then that may be alive, and may be about to delete a manifest.
 * A kill in the middle leaves all as it was, for the next prune; so do two at once, which put back the same bytes.
 */

import type { LockkeeperError } from '../errors.ts'
import { listIds } from './catalog.ts'
import { announce, intentsThere } from './intents.ts'
import type { Origin } from './manifest.ts'
import { type Copied, deleteOrExplain, type MayGo, putBack } from './remove.ts'
import { listRemoved, type RemovedCopy, readCopy } from './removed.ts'
import type { Repository } from './repository.ts'

export interface Settled {
  /** Ids of backups that are there again. */
  readonly putBack: readonly string[]
  /** Whether there is anything else than before. */
  readonly changed: boolean
  readonly refused: LockkeeperError | undefined
}

/**
 * @param known whether a backup that is gone was surveyed
 * @param chunks hashes of all that those name
 */
export async function settle(
  repository: Repository,
  known: (id: string) => boolean,
  chunks: ReadonlySet<string>,
  by: Origin,
  mayGo: MayGo,
): Promise<Settled> {
  const { copies } = await listRemoved(repository)
  if (copies.length === 0) return { putBack: [], changed: false, refused: undefined }
  const alive = await intentsThere(repository)
  const there = new Set(await listIds(repository))
  const abandoned = ({ owner }: RemovedCopy) => !alive.has(owner)
  const beside = copies.filter(({ id }) => there.has(id))
  const leaving = copies.filter(({ id }) => !there.has(id) && known(id))
  const { going, staying } = await judgeCopies(repository, leaving, chunks, by, mayGo)
  const spent = [...beside, ...going].filter(abandoned).map(({ key }) => key)
  const refused = await deleteOrExplain(repository, spent)
  return { putBack: staying, changed: staying.length > 0 || spent.length > 0, refused }
}

async function judgeCopies(
  repository: Repository,
  leaving: readonly RemovedCopy[],
  chunks: ReadonlySet<string>,
  by: Origin,
  mayGo: MayGo,
): Promise<{ going: RemovedCopy[]; staying: string[] }> {
  if (leaving.length === 0) return { going: [], staying: [] }
  const intent = await announce(repository, chunks, by)
  try {
    const copied = new Map<string, Copied>()
    for (const copy of leaving) {
      const read = await readCopy(repository, copy)
      if (read !== undefined) copied.set(copy.id, { id: copy.id, key: copy.key, bytes: read.bytes })
    }
    const allowed = await mayGo(new Set(copied.keys()))
    const staying = [...copied.values()].filter(({ id }) => !allowed.has(id))
    await putBack(repository, intent, staying)
    return { going: leaving.filter(({ id }) => allowed.has(id)), staying: staying.map(({ id }) => id) }
  } finally {
    await intent.withdraw()
  }
}
