/**
 * The deploy job, the steps of `run` in their order: read, look, lock, back up, migrate, validate, commit.
 *
 * What a kill between any two durable steps leaves: before the commit the database as it was (SQLite rolls back when it
 * is next opened) and perhaps some chunks or a backup more in the repository, which the next run finds and reuses; after
 * the commit the new level, validated and recorded.
 */
import type { DatabaseProcess } from '../database/child-process.ts'
import { findLevel } from '../migrations/adoption.ts'
import { upOf } from '../migrations/apply.ts'
import { levelOf } from '../migrations/assess.ts'
import { batchesOf } from '../migrations/batches.ts'
import { appliedRow } from '../migrations/bookkeeping.ts'
import { expectedSchema } from '../migrations/expected.ts'
import { loadMigrations } from '../migrations/load.ts'
import type { Migration } from '../migrations/model.ts'
import { readSchema } from '../schema/read.ts'
import type { Change } from './change.ts'
import { step } from './events.ts'
import { isDone, type Look, look, lookFirst } from './look.ts'
import type { ChangeResult, DeployOptions } from './options.ts'
import { carryOut, unchanged } from './outcome.ts'
import { repositoryOf, wayBack } from './save.ts'
import { realDatabasePath, refuseEmptyVolume, refuseUnadopted, take } from './take.ts'

/** @throws LockkeeperError; the table of exit codes says which code means what. */
export async function deploy(given: DeployOptions): Promise<ChangeResult> {
  const options = { ...given, database: await realDatabasePath(given.database) }
  const migrations = await readMigrations(options)
  const first = await lookFirst(options, migrations)
  if (first.look !== undefined && isDone(first.look)) return unchanged(options, first.look)
  repositoryOf(options)
  if (first.empty) await refuseEmptyVolume(options, first.presence)
  if (isUnadopted(first.look, options)) await refuseUnadopted(options, migrations)

  const db = await take(options, true)
  try {
    const now = await look(db, migrations, options, options.signal)
    if (isDone(now)) return unchanged(options, now)
    if (now.assessment.kind === 'empty' && !first.empty) await refuseEmptyVolume(options, first.presence)
    if (isUnadopted(now, options)) await refuseUnadopted(options, migrations)
    return await upgrade(db, options, migrations, now)
  } finally {
    await db.close()
  }
}

export function readMigrations({ listener, migrations }: Pick<DeployOptions, 'listener' | 'migrations'>) {
  return step(listener, 'read', async () => {
    const value = await loadMigrations(migrations)
    return { message: `${value.length} migrations in ${migrations}, up to ${value.at(-1)?.version}`, value }
  })
}

function isUnadopted(seen: Look | undefined, { adopt }: DeployOptions): boolean {
  return seen?.assessment.kind === 'unmanaged' && !adopt
}

/** Under the lock, with something to do. */
async function upgrade(
  db: DatabaseProcess,
  options: DeployOptions,
  migrations: readonly Migration[],
  { assessment, pending, warnings }: Look,
): Promise<ChangeResult> {
  const adopted = assessment.kind === 'unmanaged' ? await adoptable(db, options, migrations) : []
  const toRun = pending.filter(migration => !adopted.includes(migration))
  // Of an empty database there is nothing to keep; recording a failed first install must not make it look like a loss.
  const backup = assessment.kind === 'empty' ? null : await wayBack(db, options, 'pre-migration')
  const changes = plan(migrations, [...assessment.applied, ...adopted], toRun, options.signal)
  const rows = adopted.map(migration => appliedRow(migration, new Date(), 0, { adopted: true }))
  return carryOut(db, options, {
    table: assessment.bookkeeping.table,
    from: assessment.level,
    backup,
    warnings,
    adopted: rows,
    changes,
  })
}

async function adoptable(db: DatabaseProcess, options: DeployOptions, migrations: readonly Migration[]) {
  const { drift, listener, signal } = options
  const { applied, extra } = await findLevel(await readSchema(db), migrations, drift.ignore, signal)
  listener({ kind: 'note', step: 'look', message: `taken over at ${applied.at(-1)?.version}` })
  for (const { message } of extra) listener({ kind: 'warning', step: 'look', message })
  return applied
}

/** The batches, each with the schema that it has to end at. One that runs nothing where only the taking over is to be recorded. */
async function* plan(
  migrations: readonly Migration[],
  applied: readonly Migration[],
  pending: readonly Migration[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Change> {
  const batches = batchesOf(pending)
  if (batches.length === 0) batches.push({ migrations: [], transaction: true, foreignKeys: false })
  const done = new Set(applied)
  for (const batch of batches) {
    const fromLevel = levelOf([...done].map(({ version }) => version))
    for (const migration of batch.migrations) done.add(migration)
    yield {
      action: 'migrate',
      steps: batch.migrations.map(migration => ({
        runnable: upOf(migration),
        allowRowLoss: migration.directives.allowRowLoss,
        record: milliseconds => appliedRow(migration, new Date(), milliseconds),
      })),
      transaction: batch.transaction,
      foreignKeys: batch.foreignKeys,
      expected: await expectedSchema(
        migrations.filter(migration => done.has(migration)),
        signal,
      ),
      fromLevel,
      toLevel: levelOf([...done].map(({ version }) => version)),
    }
  }
}
