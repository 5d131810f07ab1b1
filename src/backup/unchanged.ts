/**
 * Whether a backup that is there can stand for one that was about to be made: the same bytes, at the same level, as good,
 * and complete. A container that restarts over and over asks this each time.
 */

import { manifestIfReadable } from './catalog.ts'
import { listChecks } from './checks.ts'
import type { FileChunks } from './chunks.ts'
import { levelInName, parseBackupId, parseChunkKey } from './format.ts'
import { linesOf, readList } from './lists.ts'
import type { Manifest } from './manifest.ts'
import { findChunks } from './presence.ts'
import { damagedObject } from './recheck.ts'
import type { Repository } from './repository.ts'

/**
 * Milliseconds. An older one may be about to be removed by retention, which counts by age: a deploy makes its own then,
 * at the price of one manifest a day.
 */
const youngEnough = 24 * 60 * 60 * 1000

export interface Wanted {
  readonly tier: 'pre-migration' | 'pre-restore'
  readonly level: string | null
  /** Whether the database is damaged, and a backup of it marked so. */
  readonly damaged: boolean
  readonly now: Date
}

/**
 * The newest backup of a tier from the 24 hours before `now` that is identical and complete, or undefined. One of another
 * tier does not count: retention would remove it by another rule. Of `pre-restore` ones only the last counts, for it is
 * the last one that an undo brings back.
 */
export async function identicalBackup(
  repository: Repository,
  ids: readonly string[],
  chunks: FileChunks,
  { damaged, level, now, tier }: Wanted,
  signal?: AbortSignal,
): Promise<Manifest | undefined> {
  const ofTier = ids.filter(id => parseBackupId(id)?.tiers.includes(tier))
  const candidates = (tier === 'pre-restore' ? ofTier.slice(-1) : ofTier).filter(id => {
    const name = parseBackupId(id)
    const age = now.getTime() - (name?.time.getTime() ?? Number.NEGATIVE_INFINITY)
    return name?.level === levelInName(level) && Math.abs(age) <= youngEnough
  })
  for (const id of candidates.toReversed()) {
    signal?.throwIfAborted()
    const manifest = await manifestIfReadable(repository, id)
    if (manifest === undefined || manifest.database.sha256 !== chunks.sha256 || manifest.schema.level !== level)
      continue
    if (
      (manifest.damaged !== false) === damaged &&
      (await isNotBad(repository, id)) &&
      (await isComplete(repository, manifest, chunks, signal))
    ) {
      return manifest
    }
  }
  return undefined
}

async function isNotBad(repository: Repository, id: string): Promise<boolean> {
  const { checks } = await listChecks(repository.store, id)
  return checks.get(id)?.at(-1)?.result !== 'bad'
}

async function isComplete(
  repository: Repository,
  manifest: Manifest,
  chunks: FileChunks,
  signal?: AbortSignal,
): Promise<boolean> {
  const names = new Set<string>()
  let position = 0
  for (const [index, list] of manifest.chunks.lists.entries()) {
    signal?.throwIfAborted()
    const lines = linesOf(index, manifest.chunks.count)
    const keys = await readList(repository.store, list, lines).catch(error => {
      damagedObject(list, error)
      return undefined
    })
    if (keys === undefined) return false
    for (const key of keys) {
      if (parseChunkKey(key)?.sha256 !== chunks.at(position++)) return false
      names.add(key)
    }
  }
  for await (const { key, size } of findChunks(repository, chunks.distinct, signal)) {
    if (size > 0) names.delete(key)
  }
  return names.size === 0
}
