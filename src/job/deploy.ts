/**
 * The deploy job, the steps of `run` in their order: read, look, lock, back up, migrate, validate, commit.
 *
 * What a kill between any two durable steps leaves: before the commit the database as it was (SQLite rolls back when it
 * is next opened) and perhaps some chunks or a backup more in the repository, which the next run finds and reuses; after
 * the commit the new level, validated and recorded.
 */
import { locate } from './locate.ts'
import { isDone, lookFirst, unchanged } from './look.ts'
import type { ChangeResult, DeployOptions } from './options.ts'
import { readMigrations } from './read.ts'

/** @throws LockkeeperError; the table of exit codes says which code means what. */
export async function deploy(given: DeployOptions): Promise<ChangeResult> {
  const options = { ...given, database: await locate(given) }
  const migrations = await readMigrations(options)
  const first = await lookFirst(options, migrations)
  if (first.look !== undefined && isDone(first.look)) return unchanged(options, first.look)
  // A run with nothing to do ends here, and never loads what it does not need.
  const { upgrade } = await import('./upgrade.ts')
  return upgrade(options, migrations, first)
}
