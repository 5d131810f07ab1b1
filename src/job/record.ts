/** What a job writes into the bookkeeping about itself. */
import type { Workspace } from '../database/connection.ts'
import type { LockkeeperError } from '../errors.ts'
import { type AuditEntry, recordAudit } from '../migrations/audit.ts'
import {
  bookkeepingTables,
  createBookkeeping,
  type EventRow,
  type MigrationRow,
  readEvents,
  recordEvent,
  recordMigration,
  recordProgress,
  recordStop,
} from '../migrations/bookkeeping.ts'
import type { Progress } from '../migrations/progress.ts'
import { schemaFingerprint } from '../schema/fingerprint.ts'
import { type Change, type ChangeContext, type ChangeStep, wayBackOf } from './model.ts'
import type { OwnRows } from './own-rows.ts'

export interface Recorded {
  /** Rows for versions that a database had when it was taken over. */
  readonly adopted: readonly MigrationRow[]
  /** Milliseconds by version. */
  readonly durations: ReadonlyMap<string, number>
  /** What each put in itself, by version. */
  readonly own: ReadonlyMap<string, OwnRows>
  readonly startedAt: Date
  readonly milliseconds: number
  /** The schema differs from what the migrations describe, and that was tolerated. */
  readonly drifted: boolean
}

/** Records a change that went well, inside its own transaction. */
export async function recordChange(
  db: Workspace,
  change: Change,
  context: ChangeContext,
  { adopted, durations, own, startedAt, milliseconds, drifted }: Recorded,
): Promise<void> {
  const { table } = context
  // A schema in which drift was tolerated is looked at anew each time.
  const fingerprint = drifted ? null : await schemaFingerprint(db, { exclude: bookkeepingTables(context) })
  await createBookkeeping(db, table)
  const rows = change.steps.map(step => {
    const { version } = step.runnable
    return step.record(durations.get(version) ?? 0, own.get(version))
  })
  for (const row of [...adopted, ...rows]) await recordMigration(db, table, row)
  const entries: AuditEntry[] = [
    ...adopted.map(({ version }) => ({
      version,
      action: 'adopt' as const,
      table,
      changes: { backup: context.backupId },
    })),
    ...rows.map(({ version, execution_time_ms }) => ({
      version,
      action: change.action,
      table,
      changes: { from: change.fromLevel, to: change.toLevel, execution_time_ms, backup: wayBackOf(change, context) },
    })),
  ]
  const refused = await recordAudit(db, entries)
  if (refused !== undefined)
    context.listener({ kind: 'warning', step: 'commit', message: `nothing was written to audit_trail: ${refused}` })
  await recordEvent(db, {
    ...eventOf(change, adopted, context, startedAt, milliseconds),
    outcome: 'ok',
    to_level: change.toLevel,
    error_message: null,
    schema_fingerprint: fingerprint,
  })
}

/**
 * Records that an attempt failed, in a transaction of its own; the application's tables are as they were. A database
 * that was to be taken over is: at which level it is was found and holds.
 */
export async function recordFailure(
  db: Workspace,
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
  error: LockkeeperError,
  startedAt: Date,
): Promise<void> {
  const { table } = context
  const failed: Omit<EventRow, 'id'> = {
    ...eventOf(change, adopted, context, startedAt, Date.now() - startedAt.getTime()),
    outcome: 'failed',
    to_level: change.fromLevel,
    error_message: context.redact(error.message),
    schema_fingerprint: null,
  }
  const [newest] = await readEvents(db)
  // A container that restarts over and over fails in the same way each time. Recorded again, it would change the
  // database, and so make another backup, each time.
  if (newest !== undefined && isSameFailure(newest, failed)) return
  const culprit = change.steps.find(step => step.runnable.version === error.details['version'])
  await db.exec('BEGIN IMMEDIATE')
  await createBookkeeping(db, table)
  for (const row of adopted) await recordMigration(db, table, row)
  if (culprit !== undefined && change.action === 'migrate')
    if (change.transaction)
      await recordMigration(db, table, {
        ...culprit.record(0),
        status: 'failed',
        error_message: failed.error_message,
        metadata_json: null,
      })
    else await recordStop(db, table, culprit.runnable.version, failed.error_message)
  await recordEvent(db, failed)
  await db.exec('COMMIT')
}

function isSameFailure(a: Omit<EventRow, 'id'>, b: Omit<EventRow, 'id'>): boolean {
  const same = ['action', 'outcome', 'from_level', 'versions_json', 'error_message', 'image'] as const
  return same.every(field => a[field] === b[field])
}

/**
 * Records that a migration begins which commits by itself: killed in the middle, it must not look like one that never ran.
 * One that is to be taken back stays applied until it is.
 */
export async function recordBeginning(
  db: Workspace,
  change: Change,
  step: ChangeStep,
  progress: Progress,
  adopted: readonly MigrationRow[],
  { table }: ChangeContext,
): Promise<void> {
  await db.exec('BEGIN IMMEDIATE')
  await createBookkeeping(db, table)
  for (const row of adopted) await recordMigration(db, table, row)
  if (change.action === 'migrate')
    await recordMigration(db, table, {
      ...step.record(0),
      status: 'failed',
      error_message: `begun at ${progress.begunAt} and not ended; it commits by itself`,
    })
  await recordProgress(db, table, step.runnable.version, progress)
  await db.exec('COMMIT')
}

function eventOf(
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
  startedAt: Date,
  milliseconds: number,
) {
  const { action, fromLevel, steps } = change
  return {
    action,
    started_at: startedAt.toISOString(),
    duration_ms: Math.round(milliseconds),
    from_level: fromLevel,
    versions_json: JSON.stringify([...adopted.map(row => row.version), ...steps.map(step => step.runnable.version)]),
    backup_id: wayBackOf(change, context),
    lockkeeper_version: context.lockkeeperVersion,
    ...context.actor,
  } satisfies Partial<EventRow>
}
