/**
 * Changes rows, and nothing else, of a database that is managed: looked at without the lock; then lock, back up, and in
 * one transaction write, check, record and commit. A kill at any instant leaves all of it or nothing.
 */
import type { DatabaseProcess } from '../../database/child-process.ts'
import type { Connection, Workspace } from '../../database/connection.ts'
import { explainSqliteError } from '../../database/explain.ts'
import { needsRecovery, viewDatabase } from '../../database/view.ts'
import { LockkeeperError, messageOf } from '../../errors.ts'
import { levelOf } from '../../migrations/assess.ts'
import { appliedVersions, type Bookkeeping, readBookkeeping } from '../../migrations/bookkeeping.ts'
import { progressOf } from '../../migrations/progress.ts'
import { failures, listFindings } from '../../validation/findings.ts'
import { step } from '../events.ts'
import { findFlaws, rememberFlaws } from '../flaws.ts'
import { locate } from '../locate.ts'
import { type JobOptions, urlOf } from '../options.ts'
import { explainingFull } from '../room.ts'
import { repositoryOf, wayBack } from '../save.ts'
import { take } from '../take.ts'
import { recordRows } from './record.ts'

export interface RowsJobOptions extends JobOptions {
  /** Only look. Default false. */
  readonly dryRun?: boolean
}

/** What is to be done, as functions over a connection. */
export interface RowsChange<Plan> {
  readonly action: 'import' | 'encrypt'
  /** Reads what is to be done; called without the lock and again under it. Rejects for what cannot be. */
  plan(connection: Connection): Promise<Plan>
  /** How many rows of which table are to be written; none: there is nothing to do. */
  amounts(plan: Plan): ReadonlyMap<string, number>
  /** One line. */
  describe(plan: Plan): string
  /** What takes long and needs no database. */
  prepare(plan: Plan): Promise<void>
  /** Writes, and sees that it is there. Inside the transaction. */
  write(db: Workspace, plan: Plan): Promise<void>
}

export interface RowsResult<Plan> {
  /** `planned`: it was a dry run, and there is something to do. */
  readonly outcome: 'unchanged' | 'changed' | 'planned'
  readonly database: string
  readonly level: string | null
  readonly backup: string | null
  readonly repository: string | null
  readonly plan: Plan
}

interface Seen<Plan> {
  readonly bookkeeping: Bookkeeping
  readonly plan: Plan
}

/** @throws LockkeeperError as `deploy`; `missing` without a database, `invalid` where it is not managed */
export async function changeRows<Plan>(given: RowsJobOptions, change: RowsChange<Plan>): Promise<RowsResult<Plan>> {
  const options = { ...given, database: await locate(given) }
  const first = await lookWithoutLock(options, change)
  const nothing = (seen: Seen<Plan>) => change.amounts(seen.plan).size === 0
  if (first !== undefined && (options.dryRun || nothing(first)))
    return resultOf(options, first, nothing(first) ? 'unchanged' : 'planned', null)
  repositoryOf(options)
  if (first !== undefined) await change.prepare(first.plan)
  const { confirm, db } = await take(options, { create: false })
  try {
    const seen = await look(db, change, options.database)
    // Another job may have done it while this one waited.
    if (nothing(seen)) return resultOf(options, seen, 'unchanged', null)
    await change.prepare(seen.plan)
    const backup = await wayBack(db, options, 'pre-migration')
    await confirm()
    await explainingFull(options, () => inTransaction(db, options, change, seen, backup, confirm))
    return resultOf(options, seen, 'changed', backup)
  } finally {
    await db.close()
  }
}

/** Undefined where only who holds the lock can look. In a dry run that is an error. */
async function lookWithoutLock<Plan>(
  { database, dryRun = false, listener, signal, viewInProcess = false }: RowsJobOptions,
  change: RowsChange<Plan>,
): Promise<Seen<Plan> | undefined> {
  return step<Seen<Plan> | undefined>(listener, 'look', async () => {
    try {
      const viewed = await viewDatabase(database, connection => look(connection, change, database), {
        inProcess: viewInProcess,
        ...(signal === undefined ? {} : { signal }),
      })
      if (!('value' in viewed))
        throw new LockkeeperError('missing', `there is no database at ${database}`, {
          hint: 'Is DATABASE_URL right, and the volume mounted? A new database is made by: lockkeeper run',
        })
      return { message: change.describe(viewed.value.plan), value: viewed.value }
    } catch (error) {
      const busy = needsRecovery(error) || (error instanceof LockkeeperError && error.code === 'busy')
      if (!busy || dryRun) throw error
      return { message: `not without the lock: ${messageOf(error)}`, value: undefined }
    }
  })
}

async function look<Plan>(connection: Connection, change: RowsChange<Plan>, database: string): Promise<Seen<Plan>> {
  const bookkeeping = await readBookkeeping(connection)
  const halted = bookkeeping.rows.find(row => progressOf(row) !== undefined)
  if (halted !== undefined)
    throw new LockkeeperError('invalid', `the migration ${halted.version} was begun in ${database} and has not ended`, {
      hint: 'Nothing was touched. Let it end first: lockkeeper run',
    })
  if (appliedVersions(bookkeeping.rows).size === 0)
    throw new LockkeeperError('invalid', `no migration is applied to ${database}: it is not managed`, {
      hint: 'Nothing was touched. First: lockkeeper run, with --adopt for a database that the application made.',
    })
  return { bookkeeping, plan: await change.plan(connection) }
}

async function inTransaction<Plan>(
  db: DatabaseProcess,
  options: JobOptions,
  change: RowsChange<Plan>,
  { bookkeeping, plan }: Seen<Plan>,
  backup: string | null,
  confirm: () => Promise<void>,
): Promise<void> {
  const startedAt = new Date()
  const tables = [...change.amounts(plan).keys()]
  const before = await rememberFlaws(db, tables)
  // What is overwritten is overwritten with zeros: some of it may be what nobody is to read.
  await db.exec('PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; BEGIN IMMEDIATE')
  try {
    await step(options.listener, change.action, async () => {
      await change.write(db, plan)
      return { message: change.describe(plan), value: undefined }
    })
    await step(options.listener, 'validate', async () => {
      const wrong = failures(await findFlaws(db, tables, before, new Map()))
      if (wrong.length > 0)
        throw new LockkeeperError('invalid', `the database would not be sound afterwards:\n${listFindings(wrong)}`, {
          hint: 'Everything was rolled back.',
          details: { findings: wrong.map(({ message }) => message) },
        })
      return { message: `${tables.length} touched tables sound`, value: undefined }
    })
    await recordRows(db, options, bookkeeping, {
      action: change.action,
      amounts: change.amounts(plan),
      backup,
      startedAt,
    })
    await step(options.listener, 'commit', async () => {
      await confirm()
      await db.exec('COMMIT')
      return { message: 'committed', value: undefined }
    })
  } catch (error) {
    // SQLite may have ended the transaction already.
    await db.exec('ROLLBACK').catch(() => {})
    throw explainSqliteError(error, 'the rows could not be written')
  }
}

function resultOf<Plan>(
  { database, repository }: JobOptions,
  { bookkeeping, plan }: Seen<Plan>,
  outcome: RowsResult<Plan>['outcome'],
  backup: string | null,
): RowsResult<Plan> {
  const level = levelOf(appliedVersions(bookkeeping.rows))
  return { outcome, database, level, backup, repository: urlOf(repository), plan }
}
