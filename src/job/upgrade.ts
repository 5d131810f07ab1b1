/** The deploy job once there is something to do: lock, look again, back up, migrate. Loaded only then. */
import type { Connection } from '../database/connection.ts'
import { viewDatabase } from '../database/view.ts'
import { LockkeeperError } from '../errors.ts'
import { readUnmanaged } from '../migrations/adoption.ts'
import { upOf } from '../migrations/apply.ts'
import { type Assessment, levelOf } from '../migrations/assess.ts'
import { batchesOf } from '../migrations/batches.ts'
import { appliedRow, appliedVersions } from '../migrations/bookkeeping.ts'
import { loadChecks } from '../migrations/checks.ts'
import { expectedSchema, takeDoubleQuotes } from '../migrations/expected.ts'
import type { Migration } from '../migrations/model.ts'
import { progressOf } from '../migrations/progress.ts'
import { recordTable } from '../migrations/record-table.ts'
import { adoptable, noteAdoption, refuseUnadopted } from './adopt.ts'
import { type FirstLook, isDone, type Look, look, lookBriefly, unchanged } from './look.ts'
import type { Change } from './model.ts'
import type { ChangeResult, DeployOptions, MigrationOptions } from './options.ts'
import { carryOut } from './outcome.ts'
import { inBoth, type OwnRows, ReplayedRows } from './own-rows.ts'
import { planBack } from './rollback.ts'
import { explainingFull } from './room.ts'
import { refuseDamaged, repositoryOf, wayBack } from './save.ts'
import { refuseLostVolume, type Taken, take, withoutHistory } from './take.ts'

export async function upgrade(
  options: DeployOptions,
  migrations: readonly Migration[],
  first: FirstLook,
): Promise<ChangeResult> {
  await refuseEarly(options, migrations, first, { create: true })
  const create = first.presence.kind !== 'database'
  let doubleQuotedStrings = takeDoubleQuotes([...(first.look?.pending ?? []), ...(first.look?.takeBack ?? [])])
  for (;;) {
    const how = { create, doubleQuotedStrings }
    const taken = await unlessDone(whileWaiting => take(options, { ...how, whileWaiting }), options, migrations)
    if ('done' in taken) return unchanged(options, taken.done)
    const { db } = taken
    try {
      const now = await look(db, migrations, options, options.signal)
      if (isDone(now)) return unchanged(options, now)
      await refuseLoss(options, first, now)
      if (isUnadopted(now, options)) await refuseUnadopted(await readUnmanaged(db, migrations), options, migrations)
      const found = now.assessment.kind === 'unmanaged' ? await adoptable(db, options, migrations) : undefined
      const adopted = found?.applied ?? []
      const toRun = now.pending.filter(migration => !adopted.includes(migration))
      const asked = takeDoubleQuotes([...toRun, ...now.takeBack])
      if (asked === doubleQuotedStrings) {
        if (found !== undefined) noteAdoption(options.listener, found)
        return await explainingFull(options, () => takeOver(taken, options, migrations, now, adopted, toRun))
      }
      // It can only be said when a database is opened. Nothing has been done yet, so it is let go of and taken once more.
      doubleQuotedStrings = asked
    } finally {
      await db.close()
    }
  }
}

/** What can be refused without the lock. @param repository whether one may be made where there is none */
export async function refuseEarly(
  options: DeployOptions,
  migrations: readonly Migration[],
  { empty, look: seen, presence }: FirstLook,
  repository: { readonly create: boolean },
): Promise<void> {
  // One that cannot be read is refused before anything is locked.
  loadChecks(options.migrations)
  if (isUnadopted(seen, options)) {
    const { database, viewInProcess = false } = options
    const read = (connection: Connection) => readUnmanaged(connection, migrations)
    const viewed = await viewDatabase(database, read, { inProcess: viewInProcess })
    if ('value' in viewed) await refuseUnadopted(viewed.value, options, migrations)
  }
  // Where only the lock lets us look (after a crash) there may be nothing to change.
  if (seen !== undefined || empty) repositoryOf(options)
  if (empty) await refuseLostVolume(options, presence.kind === 'missing' ? 'not there' : 'empty', repository)
}

/** Ends the wait for the lock. */
class DoneMeanwhile extends Error {
  readonly look: Look

  constructor(look: Look) {
    super('another job has done everything that there was to do')
    this.look = look
  }
}

/**
 * While it waits for the lock the job looks again: once another one has done everything there is nothing to wait for,
 * although the application may already hold the database.
 */
async function unlessDone(
  taking: (lookAgain: () => Promise<void>) => Promise<Taken>,
  { listener, ...options }: DeployOptions,
  migrations: readonly Migration[],
): Promise<Taken | { readonly done: Look }> {
  const { database, signal, viewInProcess = false } = options
  const view = { inProcess: viewInProcess, patience: 0, ...(signal === undefined ? {} : { signal }) }
  const lookAgain = async () => {
    const reading = viewDatabase(database, db => lookBriefly(db, migrations, options, signal), view)
    const judging = reading.then(viewed => ('value' in viewed ? viewed.value.judge() : undefined))
    // What cannot be read now, or is not as it ought to be, is judged under the lock.
    const seen = await judging.catch(() => undefined)
    if (seen !== undefined && isDone(seen)) throw new DoneMeanwhile(seen)
  }
  try {
    return await taking(lookAgain)
  } catch (error) {
    if (!(error instanceof DoneMeanwhile)) throw error
    listener({ kind: 'note', step: 'lock', message: `not needed any more: ${error.message}` })
    return { done: error.look }
  }
}

/** What was there a moment ago is gone, or what backups know of. */
async function refuseLoss(options: DeployOptions, first: FirstLook, { assessment: { kind } }: Look): Promise<void> {
  if (kind === 'unmanaged' && options.adopt) await refuseLostVolume(options, withoutHistory)
  if (kind !== 'empty' || first.empty) return
  if (first.look === undefined) return refuseLostVolume(options, 'empty')
  throw new LockkeeperError('missing', `${options.database} had tables a moment ago, and is empty now`, {
    hint: 'Something replaced or emptied it meanwhile. Find out what, then run again.',
  })
}

function isUnadopted(seen: Look | undefined, { adopt }: DeployOptions): boolean {
  return seen?.assessment.kind === 'unmanaged' && !adopt
}

/**
 * Backs up, records what is taken over, and runs the rest.
 * @param adopted what the database has already, and no bookkeeping says
 */
export async function takeOver(
  { db, confirm }: Taken,
  options: MigrationOptions,
  migrations: readonly Migration[],
  { assessment, takeBack, warnings }: Look,
  adopted: readonly Migration[],
  toRun: readonly Migration[],
): Promise<ChangeResult> {
  // Of an empty database there is nothing to keep; recording a failed first install must not make it look like a loss.
  const empty = assessment.kind === 'empty'
  if (empty) await refuseDamaged(db, options.database)
  const backup = empty ? null : await wayBack(db, options, 'pre-migration')
  await confirm()
  const applied = [...assessment.applied, ...adopted]
  const changes = inOrder(
    planBack(migrations, appliedVersions(assessment.bookkeeping.rows), takeBack, { ...options, allowRowLoss: false }),
    // Where something is taken back there may be nothing to run.
    takeBack.length > 0 && toRun.length === 0 ? [] : plan(migrations, applied, toRun, assessment, options),
  )
  const rows = adopted.map(migration => appliedRow(migration, new Date(), 0, { adopted: true }))
  return carryOut(db, options, {
    confirm,
    table: recordTable(assessment.bookkeeping, toRun),
    from: assessment.level,
    backup,
    warnings,
    adopted: rows,
    changes,
  })
}

function metadataOf(own: OwnRows = {}, replayed: OwnRows = {}): object | undefined {
  const seeds = inBoth(own, replayed)
  return Object.keys(seeds).length === 0 ? undefined : { own: seeds }
}

async function* inOrder<T>(...parts: readonly (AsyncIterable<T> | readonly T[])[]): AsyncGenerator<T> {
  for (const part of parts) yield* part
}

/** The batches, each with the schema that it has to end at. One that runs nothing where only the taking over is to be recorded. */
async function* plan(
  migrations: readonly Migration[],
  applied: readonly Migration[],
  pending: readonly Migration[],
  { bookkeeping }: Assessment,
  { migrations: folder, signal }: MigrationOptions,
): AsyncGenerator<Change> {
  const checks = loadChecks(folder)
  const rows = new Map(bookkeeping.rows.map(row => [row.version, row]))
  const progress = ({ directives, version }: Migration) =>
    directives.transaction ? undefined : progressOf(rows.get(version))
  const batches = batchesOf(pending)
  if (batches.length === 0) batches.push({ migrations: [], transaction: true, foreignKeys: false })
  const done = new Set(applied)
  for (const batch of batches) {
    const fromLevel = levelOf([...done].map(({ version }) => version))
    for (const migration of batch.migrations) done.add(migration)
    const described = migrations.filter(migration => done.has(migration))
    const replayed = new ReplayedRows(batch.migrations.map(({ version }) => version))
    yield {
      action: 'migrate',
      steps: batch.migrations.map(migration => ({
        runnable: upOf(migration),
        allowRowLoss: migration.directives.allowRowLoss,
        record: (milliseconds, own) =>
          appliedRow(migration, new Date(), milliseconds, metadataOf(own, replayed.of(migration.version))),
        progress: progress(migration),
      })),
      transaction: batch.transaction,
      foreignKeys: batch.foreignKeys,
      expected: () => expectedSchema(described, { signal, around: replayed.around }),
      // Earlier, what they ask for may not be there yet.
      checks: done.size === migrations.length ? checks : [],
      fromLevel,
      toLevel: levelOf([...done].map(({ version }) => version)),
    }
  }
}
