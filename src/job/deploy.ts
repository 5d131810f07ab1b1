/**
 * The deploy job, the steps of `run` in their order: read, look, lock, back up, migrate, validate, commit.
 *
 * What a kill between any two durable steps leaves: before the commit the database as it was (SQLite rolls back when it
 * is next opened) and perhaps some chunks or a backup more in the repository, which the next run finds and reuses; after
 * the commit the new level, validated and recorded.
 */
import { LockkeeperError } from '../errors.ts'
import type { Migration } from '../migrations/model.ts'
import { locate } from './locate.ts'
import { isDone, lookFirst, unchanged } from './look.ts'
import type { ChangeResult, DeployOptions, RestoredFirst } from './options.ts'
import { readMigrations } from './read.ts'

/** @throws LockkeeperError; the table of exit codes says which code means what. */
export async function deploy(given: DeployOptions): Promise<ChangeResult> {
  refuseContradictions(given)
  const options = { ...given, database: await locate(given) }
  const migrations = await readMigrations(options)
  const asked = await restoreAsked(options, migrations)
  const first = await lookFirst(options, migrations)
  if (first.look !== undefined && isDone(first.look)) return { ...unchanged(options, first.look), restored: asked }
  // A run with nothing to do ends here, and never loads what it does not need.
  const { upgrade } = await import('./upgrade.ts')
  if (!first.empty || options.ifMissing !== 'restore')
    return { ...(await upgrade(options, migrations, first)), restored: asked }
  const { restoreMissing } = await import('./restore/missing.ts')
  const what = first.presence.kind === 'missing' ? 'not there' : 'empty'
  const restored = (await restoreMissing(options, migrations, what)) ?? asked
  // Also where nothing was restored: another job may have done it.
  const second = await lookFirst(options, migrations)
  if (second.look !== undefined && isDone(second.look)) return { ...unchanged(options, second.look), restored }
  return { ...(await upgrade(options, migrations, second)), restored }
}

async function restoreAsked(options: DeployOptions, migrations: readonly Migration[]): Promise<RestoredFirst | null> {
  if (options.restoreOnce === undefined) return null
  const { rememberedRestore, sayDone } = await import('./restore/remembered.ts')
  const row = await rememberedRestore(options, options.restoreOnce.value)
  if (typeof row === 'object' && row.confirmed_at !== null) {
    sayDone(options, row)
    return null
  }
  const { restoreOnce } = await import('./restore/once.ts')
  return (await restoreOnce(options, options.restoreOnce, migrations, row)) ?? null
}

/** @throws LockkeeperError `config` */
function refuseContradictions({ firstInstall, ifMissing, restoreOnce }: DeployOptions): void {
  if (!firstInstall || (restoreOnce === undefined && ifMissing !== 'restore')) return
  const other = restoreOnce === undefined ? 'LOCKKEEPER_IF_MISSING=restore' : 'LOCKKEEPER_RESTORE'
  throw new LockkeeperError('config', `LOCKKEEPER_FIRST_INSTALL begins with nothing, and ${other} with a backup`, {
    hint: 'Take one of the two away.',
  })
}
