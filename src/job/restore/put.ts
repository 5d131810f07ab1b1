/**
 * The second half of a restore, under the lock from its first line to its last: what is there is kept, then the checked
 * copy takes its place, then it is looked at once more. Killed anywhere, the database is the old one or the new one.
 */
import type { Manifest } from '../../backup/manifest.ts'
import type { Repository } from '../../backup/repository.ts'
import { type Held, letGo, openForReplacement, replaceContent } from '../../database/replace.ts'
import { LockkeeperError } from '../../errors.ts'
import { type RestoreRow, readRestores } from '../../migrations/restores.ts'
import { findDamage } from '../../validation/damage.ts'
import { lockkeeperVersion } from '../../version.ts'
import { step } from '../events.ts'
import type { JobOptions } from '../options.ts'
import { type Kept, keepBefore } from './keep.ts'
import { recordInCopy } from './record.ts'

export interface PutOptions
  extends Pick<JobOptions, 'actor' | 'listener' | 'lockTimeout' | 'signal' | 'viewInProcess'> {
  /** Path of the database. */
  readonly target: string
  /** What is to be put there: checked, private, without a log. */
  readonly copy: string
  readonly manifest: Manifest
  /** For a one-shot restore: what was asked for. */
  readonly value?: string
  /** Whether it is still to be done, now that nobody else can change anything. Default: it is. */
  readonly stillWanted?: (held: Held) => Promise<boolean>
  /** The last step before the lock goes. */
  readonly afterwards?: (held: Held, kept: Kept) => Promise<void>
}

/** @returns what was there before; undefined when it was not wanted any more, and nothing was touched */
export async function putInPlace(repository: Repository, options: PutOptions): Promise<Kept | undefined> {
  const { copy, listener, manifest, target } = options
  const started = new Date()
  const held = await lock(options)
  let replaced = false
  try {
    if ((await options.stillWanted?.(held)) === false) return undefined
    const kept = await keepBefore(held, repository, options)
    await recordInCopy(copy, eventOf(options, started, kept), await restoresOf(held, options, kept), options.signal)
    await step(listener, 'commit', async () => {
      await replaceContent(held, copy, manifest.database.journalMode === 'wal' ? 'wal' : 'rollback')
      replaced = true
      await refuseUnsound(held)
      return { message: `${target} is ${manifest.id} now`, value: undefined }
    })
    await options.afterwards?.(held, kept)
    return kept
  } finally {
    await letGo(held, replaced)
  }
}

export function lock({
  listener,
  lockTimeout,
  signal,
  target,
}: Pick<PutOptions, 'listener' | 'lockTimeout' | 'signal' | 'target'>): Promise<Held> {
  return step(listener, 'lock', async () => {
    const value = await openForReplacement(target, {
      lockTimeout,
      damageOf: findDamage,
      ...(signal === undefined ? {} : { signal }),
      onWaiting: (waited, holders) =>
        listener({
          kind: 'note',
          step: 'lock',
          message: `in use by another process; waiting, ${Math.round(waited / 1000)} of ${Math.round(lockTimeout / 1000)} s: ${holders}`,
        }),
    })
    if (value.found.kind === 'damaged')
      listener({ kind: 'warning', step: 'lock', message: `${target} is damaged: ${value.found.reason}` })
    return { message: `${target} is locked for everybody else`, value }
  })
}

/** @throws LockkeeperError `invalid` when what is in place now is damaged */
export async function refuseUnsound({ child, file }: Held): Promise<void> {
  const damage = await findDamage(child)
  if (damage !== undefined)
    throw new LockkeeperError('invalid', `${file} is not sound after the restore: ${damage}`, {
      hint: 'The backup is; the disk may not be. Restore again, on another volume if it stays like this.',
    })
}

function eventOf({ actor, manifest }: PutOptions, started: Date, { level }: Kept) {
  return {
    started_at: started.toISOString(),
    from_level: level,
    to_level: manifest.schema.level,
    backup_id: manifest.id,
    lockkeeper_version: lockkeeperVersion,
    ...actor,
  }
}

/** What the database knew of goes along, so that no value is restored twice because an older content came back. */
async function restoresOf({ child, found }: Held, { manifest, value }: PutOptions, kept: Kept): Promise<RestoreRow[]> {
  const known = found.kind === 'database' ? await readRestores(child).catch(() => []) : []
  if (value === undefined) return known
  const row = {
    value,
    backup_id: manifest.id,
    safety_backup_id: kept.safety,
    restored_at: new Date().toISOString(),
    confirmed_at: null,
  }
  return [row, ...known.filter(other => other.value !== value)]
}
