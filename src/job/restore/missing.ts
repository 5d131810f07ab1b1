/** A database that is missing although there are backups of it, brought back as told (`LOCKKEEPER_IF_MISSING=restore`). */
import type { Held } from '../../database/replace.ts'
import { LockkeeperError } from '../../errors.ts'
import { assess } from '../../migrations/assess.ts'
import type { Migration } from '../../migrations/model.ts'
import type { DeployOptions, RestoredFirst } from '../options.ts'
import { hasBackups, withRepository } from '../save.ts'
import { bringBack } from './bring-back.ts'

/**
 * @param what what is there instead: `not there`, `empty`
 * @returns undefined when there is no backup, which is a first install, or when another job has brought it back meanwhile
 */
export async function restoreMissing(
  options: DeployOptions,
  migrations: readonly Migration[],
  what: string,
): Promise<RestoredFirst | undefined> {
  const { database, listener, repository: settings } = options
  if (settings === undefined)
    throw new LockkeeperError('config', 'a missing database is to be restored, but no repository is named', {
      hint: 'Set LOCKKEEPER_REPOSITORY, or leave LOCKKEEPER_IF_MISSING at fail.',
    })
  return withRepository(settings, database, { create: true }, async repository => {
    const backups = await hasBackups(repository)
    if (backups === undefined) return undefined
    const message = `the database ${database} is ${what}; the newest good one of ${backups.count} backups is restored, as told`
    listener({ kind: 'warning', step: 'restore', message })
    const stillWanted = (held: Held) => isEmpty(held, migrations)
    return bringBack(repository, options, migrations, { selection: { latest: true }, stillWanted })
  })
}

/** Another job may have restored it while this one fetched. */
async function isEmpty({ child, found }: Held, migrations: readonly Migration[]): Promise<boolean> {
  if (found.kind === 'nothing') return true
  return found.kind === 'database' && (await assess(child, migrations)).kind === 'empty'
}
