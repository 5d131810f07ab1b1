/**
 * A one-shot restore (`LOCKKEEPER_RESTORE`): done by a deploy, once for each value, however often the deploy is repeated.
 *
 * The durable steps, in this order:
 *   1. the `pre-restore` backup of what is there;
 *   2. the content, and in it, by the same commit, the row that says for which value it was restored;
 *   3. `restores/<hash of the value>.json` in the repository, once the content has been checked in its place;
 *   4. `confirmed_at` in that row. Then the lock goes, and the deploy goes on.
 * A value was done when the row or the object says so. Killed before 2, neither does and the database is what it was: the
 * next run does it. Killed after 2, the row is there: the next run checks the content, does 3 and 4, and does not restore
 * again. No application starts before 4; from then on the row is enough, and a run with nothing to do asks no repository.
 *
 * When they disagree: a row without its object is a run that was killed, and is mended. An object without its row is a
 * database that went back to before the restore: a snapshot of the volume, another volume. What is in it now somebody
 * wanted, or wrote since, so it stays, with a warning. Lockkeeper's own restores carry the rows along (`put.ts`). Of two
 * pods on one volume the second waits for the lock, finds the row and does nothing.
 */
import type { Repository } from '../../backup/repository.ts'
import { readRestore, recordRestore } from '../../backup/restores.ts'
import { type Held, letGo } from '../../database/replace.ts'
import { LockkeeperError } from '../../errors.ts'
import type { Migration } from '../../migrations/model.ts'
import { confirmRestore, type RestoreRow, readRestores } from '../../migrations/restores.ts'
import type { DeployOptions, OneShotRestore, RestoredFirst } from '../options.ts'
import { originOf, withRepository } from '../save.ts'
import { bringBack } from './bring-back.ts'
import { lock, refuseUnsound } from './put.ts'
import { sayDone } from './remembered.ts'

/**
 * @param row what the database says of it, as far as that can be seen without the lock
 * @returns undefined when it was done before
 */
export async function restoreOnce(
  options: DeployOptions,
  { selection, value }: OneShotRestore,
  migrations: readonly Migration[],
  row: RestoreRow | 'unknown' | undefined,
): Promise<RestoredFirst | undefined> {
  const { database, listener, repository: settings } = options
  if (settings === undefined)
    throw new LockkeeperError('config', 'a restore is asked for, but no repository is named', {
      hint: 'Set LOCKKEEPER_REPOSITORY, or take LOCKKEEPER_RESTORE away.',
    })
  if ('at' in selection && selection.at.getTime() > Date.now())
    throw new LockkeeperError('config', `LOCKKEEPER_RESTORE is a time to come: ${value}`, {
      hint: 'Which backup is the newest then, nobody knows yet. Name a moment that has passed, or the id of a backup.',
    })
  return withRepository(settings, database, { create: false }, async repository => {
    const stillWanted = async (held: Held) => {
      const { child, found } = held
      const now =
        found.kind === 'database' ? (await readRestores(child)).find(other => other.value === value) : undefined
      if (now === undefined) return true
      if (now.confirmed_at === null) await confirm(held, repository, now, options)
      sayDone(options, now)
      return false
    }
    if (typeof row === 'object') {
      await underLock(options, stillWanted)
      return undefined
    }
    if (await wasDone(repository, value, row, options)) return undefined
    listener({ kind: 'note', step: 'restore', message: `to be restored once, as told: ${value}` })
    return bringBack(repository, options, migrations, {
      selection,
      value,
      stillWanted,
      afterwards: async (held, { backup, safety }) => {
        const restored_at = new Date().toISOString()
        const news = { value, backup_id: backup, safety_backup_id: safety, restored_at, confirmed_at: null }
        await confirm(held, repository, news, options)
      },
    })
  })
}

/** Whether the repository says so, although the database does not, or cannot be asked. */
async function wasDone(
  repository: Repository,
  value: string,
  row: 'unknown' | undefined,
  { listener }: DeployOptions,
): Promise<boolean> {
  const found = await readRestore(repository, value).catch((error: unknown) => {
    // Something was written there. What it said is not worth a restore over data that came since.
    if (error instanceof LockkeeperError && error.code === 'invalid') return error
    throw error
  })
  if (found === undefined) return false
  const when = found instanceof LockkeeperError ? found.message : `${found.backup} at ${found.at}, by ${found.by.host}`
  const forgotten =
    row === 'unknown' ? '' : ', but the database does not know of it: it went back to an older state, or is another one'
  const message = `${value} was restored before (${when})${forgotten}. It is not again; to restore once more, change the value: ${again(value)}`
  listener({ kind: 'warning', step: 'restore', message })
  return true
}

/** What is behind a `#` only makes it another value. */
function again(value: string): string {
  const [selector = value, mark = '1'] = value.split('#')
  return `${selector}#${Number.isInteger(Number(mark)) ? Number(mark) + 1 : `${mark}-2`}`
}

async function confirm(
  held: Held,
  repository: Repository,
  { backup_id, restored_at, safety_backup_id, value }: RestoreRow,
  { actor }: DeployOptions,
): Promise<void> {
  await refuseUnsound(held)
  await recordRestore(repository, {
    value,
    backup: backup_id,
    safety: safety_backup_id,
    at: restored_at,
    by: originOf(actor),
  })
  await confirmRestore(held.child, value, new Date())
}

async function underLock(options: DeployOptions, work: (held: Held) => Promise<unknown>): Promise<void> {
  const held = await lock({ ...options, target: options.database })
  try {
    await work(held)
  } finally {
    await letGo(held, false)
  }
}
