/**
 * Pins: `pins/<backup>.json` says that a backup is never to be removed. That one is there is enough; what it says is for
 * people.
 */

import { LockkeeperError } from '../errors.ts'
import { formatVersion, manifestKey, parseBackupId } from './format.ts'
import type { Origin } from './manifest.ts'
import { putJson } from './objects.ts'
import type { Repository } from './repository.ts'

const folder = 'pins/'
const pinKey = (backup: string): string => `${folder}${backup}.json`

export interface Pin {
  readonly key: string
  /** By the clock of the store. */
  readonly stored: Date
}

/**
 * Pins a backup, by its whole id. `exists`: it was pinned before, and its reason stays what it was. Rejects with `missing`
 * when there is no such backup, or no longer. A prune that removes it at the same time sees the pin and puts it back, or
 * when it is killed before, the next prune does.
 */
export async function pin(
  repository: Repository,
  backup: string,
  { by, reason }: { readonly by: Origin; readonly reason?: string },
): Promise<'stored' | 'exists'> {
  const { store, id } = repository
  const content = {
    format: formatVersion,
    repository: id,
    backup,
    at: new Date().toISOString(),
    reason: reason ?? null,
  }
  const answer = await putJson(store, pinKey(backup), { ...content, by: { ...by } })
  if ((await store.head(manifestKey(backup))) !== undefined) return answer
  if (answer === 'stored') await store.deleteMany([pinKey(backup)])
  throw new LockkeeperError('missing', `there is no backup ${backup} any more`, {
    hint: '`lockkeeper backups` lists those that there are.',
    details: { backup },
  })
}

/** Takes the pin of a backup away, by its whole id; whether there was one. */
export async function unpin({ store }: Repository, backup: string): Promise<boolean> {
  const there = (await store.head(pinKey(backup))) !== undefined
  if (there) await store.deleteMany([pinKey(backup)])
  return there
}

/** All pins by the id of their backup: one listing, nothing is read. */
export async function listPins({ store }: Repository): Promise<Map<string, Pin>> {
  const pins = new Map<string, Pin>()
  for await (const { key, modified } of store.list(folder)) {
    const backup = key.slice(folder.length).replace(/\.json$/, '')
    if (pinKey(backup) === key && parseBackupId(backup) !== undefined) pins.set(backup, { key, stored: modified })
  }
  return pins
}
