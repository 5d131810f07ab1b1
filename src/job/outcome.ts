/** Carries out changes one after the other, and adds up what came of them. */
import type { DatabaseProcess } from '../database/child-process.ts'
import { LockkeeperError } from '../errors.ts'
import type { MigrationRow } from '../migrations/bookkeeping.ts'
import type { RowCounts } from '../migrations/rows.ts'
import type { Finding } from '../validation/findings.ts'
import { lockkeeperVersion } from '../version.ts'
import { applyChange } from './change.ts'
import { warn } from './events.ts'
import type { Change, ChangeContext } from './model.ts'
import { type ChangeResult, type MigrationOptions, type RanMigration, type RowChange, urlOf } from './options.ts'
import { recordFailure } from './record.ts'

export interface Undertaking {
  /** See `ChangeContext.confirm`. */
  readonly confirm: () => Promise<void>
  /** The table of versions. */
  readonly table: string
  readonly from: string | null
  readonly backup: string | null
  /** What was noticed before. */
  readonly warnings: readonly Finding[]
  /** Rows to be written with the first change, for a database that is taken over. */
  readonly adopted: readonly MigrationRow[]
  readonly changes: AsyncIterable<Change>
}

/** @throws LockkeeperError of the change that failed; its `details.committed` are the versions that stay applied. */
export async function carryOut(
  db: DatabaseProcess,
  options: MigrationOptions,
  undertaking: Undertaking,
): Promise<ChangeResult> {
  const { listener } = options
  // Said once, however many batches find the same.
  const warnings = new Set<string>()
  const notice = (found: readonly Finding[]) => {
    const news = found.filter(({ message }) => !warnings.has(message))
    warn(listener, news)
    for (const { message } of news) warnings.add(message)
  }
  notice(undertaking.warnings)
  const context: ChangeContext = {
    table: undertaking.table,
    drift: options.drift,
    actor: options.actor,
    lockkeeperVersion,
    backupId: undertaking.backup,
    confirm: undertaking.confirm,
    listener,
    redact: options.redact ?? (text => text),
  }
  const versions: RanMigration[] = []
  let first: RowCounts | undefined
  let last: RowCounts = new Map()
  let level = undertaking.from
  let { adopted } = undertaking
  for await (const change of undertaking.changes) {
    const changed = await orRecordFailure(db, change, context, adopted, versions)
    const direction = change.action === 'migrate' ? 'up' : 'down'
    for (const [version, milliseconds] of changed.durations) versions.push({ version, direction, milliseconds })
    notice(changed.warnings)
    first ??= changed.rows.before
    last = changed.rows.after
    level = change.toLevel
    adopted = []
  }
  return {
    outcome: 'changed',
    database: options.database,
    restored: null,
    from: undertaking.from,
    level,
    adopted: undertaking.adopted.map(row => row.version),
    versions,
    backup: undertaking.backup,
    repository: urlOf(options.repository),
    warnings: [...warnings],
    rows: rowChanges(first ?? last, last),
  }
}

async function orRecordFailure(
  db: DatabaseProcess,
  change: Change,
  context: ChangeContext,
  adopted: readonly MigrationRow[],
  before: readonly RanMigration[],
) {
  const startedAt = new Date()
  try {
    return await applyChange(db, change, adopted, context)
  } catch (error) {
    if (!(error instanceof LockkeeperError) || !['failed', 'invalid'].includes(error.code)) throw error
    try {
      await recordFailure(db, change, adopted, context, error, startedAt)
    } catch {
      context.listener({
        kind: 'warning',
        step: 'migrate',
        message: 'that it failed could not be recorded in the database',
      })
    }
    if (before.length === 0) throw error
    const committed = before.map(({ version }) => version)
    throw new LockkeeperError(error.code, `${error.message}\n${committedBefore(before)}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
      details: { ...error.details, committed },
    })
  }
}

function committedBefore(before: readonly RanMigration[]): string {
  const of = (direction: RanMigration['direction']) =>
    before.filter(ran => ran.direction === direction).map(({ version }) => version)
  const [back, applied] = [of('down'), of('up')]
  return [
    ...(back.length === 0 ? [] : [`Taken back before, and committed: ${back.join(', ')}`]),
    ...(applied.length === 0 ? [] : [`Committed before and still applied: ${applied.join(', ')}`]),
  ].join('\n')
}

function rowChanges(before: RowCounts, after: RowCounts): Record<string, RowChange> {
  const changes: Record<string, RowChange> = {}
  for (const table of new Set([...before.keys(), ...after.keys()])) {
    const change = { before: before.get(table) ?? null, after: after.get(table) ?? null }
    if (change.before !== change.after) changes[table] = change
  }
  return changes
}
