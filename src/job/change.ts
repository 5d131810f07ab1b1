/**
 * One batch of migrations, up or down, as one transaction: apply, guard the rows, validate, record, commit. The database
 * ends at the new level, validated, or exactly where it was; that it failed is recorded afterwards by the caller.
 */
import type { Workspace } from '../database/connection.ts'
import { isBusy } from '../database/explain.ts'
import { LockkeeperError } from '../errors.ts'
import { type Applied, applyScript, type Runnable } from '../migrations/apply.ts'
import { bookkeepingTables, type MigrationRow } from '../migrations/bookkeeping.ts'
import { countRows, describeLoss, lostRows, type RowCounts } from '../migrations/rows.ts'
import { checkDrift } from '../validation/drift.ts'
import { type Finding, failures, listFindings } from '../validation/findings.ts'
import { concernedTables, findViolations, newViolations, type Violations } from '../validation/foreign-keys.ts'
import { quickCheck } from '../validation/integrity.ts'
import { findUnresolved } from '../validation/resolve.ts'
import type { Change, ChangeContext, Changed } from './model.ts'
import { recordChange } from './record.ts'

/**
 * Applies and commits.
 * @param adopted rows to be written with it, for a database that is taken over
 * @throws LockkeeperError `failed` or `invalid`, after everything was rolled back
 */
export async function applyChange(
  db: Workspace,
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
): Promise<Changed> {
  try {
    return await attempt(db, change, adopted, context, new Map())
  } catch (error) {
    if (!(error instanceof BrokenKeys) || !change.transaction) throw error
    // Only now is it worth the time to see which of them were broken before: the batch was rolled back.
    const before = await findViolations(db, error.tables)
    const broken = failures(newViolations(before, error.violations))
    if (broken.length > 0) throw new BrokenKeys(error.tables, error.violations, broken)
    return attempt(db, change, adopted, context, before)
  }
}

/** Foreign keys that are broken after the change; perhaps they were before. */
class BrokenKeys extends LockkeeperError {
  readonly tables: readonly string[]
  readonly violations: Violations

  constructor(tables: readonly string[], violations: Violations, findings: readonly Finding[]) {
    super('invalid', `foreign keys are broken after the change:\n${listFindings(findings)}`, {
      hint: 'Everything was rolled back. Mend the migration (move or delete these rows first) and deploy again.',
      details: { findings: findings.map(finding => finding.message) },
    })
    this.tables = tables
    this.violations = violations
  }
}

async function attempt(
  db: Workspace,
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
  knownViolations: Violations,
): Promise<Changed> {
  const start = performance.now()
  const startedAt = new Date()
  await db.exec(`PRAGMA foreign_keys = ${change.foreignKeys ? 'ON' : 'OFF'}`)
  if (change.transaction) await db.exec('BEGIN IMMEDIATE')
  try {
    const unresolved = await findUnresolved(db)
    const applied = await applySteps(db, change, context)
    const validation = performance.now()
    const validated = await validate(db, change, context, applied.touched, new Set(unresolved.keys()), knownViolations)
    context.listener({
      kind: 'step',
      step: 'validate',
      message: `schema as the migrations describe it; ${applied.touched.length} touched tables sound`,
      milliseconds: performance.now() - validation,
    })
    if (!change.transaction) await db.exec('BEGIN IMMEDIATE')
    await recordChange(db, change, context, {
      adopted,
      durations: applied.durations,
      startedAt,
      milliseconds: performance.now() - start,
      drifted: validated.drifted,
    })
    const commit = performance.now()
    await db.exec('COMMIT')
    context.listener({
      kind: 'step',
      step: 'commit',
      message: `at ${change.toLevel ?? 'the empty schema'}`,
      milliseconds: performance.now() - commit,
    })
    return { durations: applied.durations, warnings: validated.warnings, rows: applied.rows }
  } catch (error) {
    // Busy cannot be under the lock; anything else leaves the transaction open, unless SQLite has ended it already.
    await db.exec('ROLLBACK').catch(() => {})
    if (isBusy(error))
      throw new LockkeeperError('internal', 'the database was busy under the exclusive lock', {
        cause: error,
        hint: 'Please report it. Everything was rolled back; running again is safe.',
      })
    throw error
  }
}

async function applySteps(db: Workspace, change: Change, { table, listener }: ChangeContext) {
  const exclude = bookkeepingTables({ table })
  const touched = new Set<string>()
  const durations = new Map<string, number>()
  const before = await countRows(db, exclude)
  let counts: RowCounts = before
  for (const { runnable, allowRowLoss } of change.steps) {
    const start = performance.now()
    const applied = await applyScript(db, runnable)
    for (const { line, why } of applied.leftOut)
      listener({ kind: 'note', step: 'migrate', message: `${runnable.file}:${line} left out: ${why}` })
    for (const name of applied.touched) if (!exclude.includes(name)) touched.add(name)
    counts = await guardRows(db, change.action, runnable, applied, counts, allowRowLoss, exclude)
    const milliseconds = performance.now() - start
    durations.set(runnable.version, milliseconds)
    listener({ kind: 'step', step: 'migrate', message: runnable.version, milliseconds })
  }
  const created = await countRows(db, [...exclude, ...counts.keys()])
  return { touched: [...touched], durations, rows: { before, after: new Map([...counts, ...created]) } }
}

/** How to say that the rows of these tables may go. */
const permission = {
  migrate: 'say so in the migration: -- allow-row-loss: ',
  rollback: 'roll back with --allow-row-loss. Concerned are: ',
}

/** Counts again where rows could have changed, and refuses a loss that nobody allowed. */
async function guardRows(
  db: Workspace,
  action: Change['action'],
  runnable: Runnable,
  applied: Applied,
  before: RowCounts,
  allowed: readonly string[] | 'any',
  exclude: readonly string[],
): Promise<RowCounts> {
  const stale = new Set(
    [...applied.touched, ...applied.renames.keys(), ...applied.renames.values()].map(name => name.toLowerCase()),
  )
  const after = new Map([...before].filter(([name]) => !stale.has(name.toLowerCase())))
  for (const [name, rows] of await countRows(db, exclude, [...stale])) after.set(name, rows)
  const losses = allowed === 'any' ? [] : lostRows(before, after, applied.renames, allowed)
  if (losses.length > 0)
    throw new LockkeeperError(
      'invalid',
      `${runnable.version} would lose rows that nobody allowed it to lose:\n${losses.map(loss => `  ${describeLoss(loss)}`).join('\n')}`,
      {
        hint: `Everything was rolled back. If it is meant, ${permission[action]}${losses.map(loss => loss.table).join(', ')}`,
        details: { version: runnable.version, losses },
      },
    )
  return after
}

async function validate(
  db: Workspace,
  change: Change,
  context: ChangeContext,
  touched: readonly string[],
  unresolvedBefore: ReadonlySet<string>,
  knownViolations: Violations,
): Promise<{ warnings: readonly Finding[]; drifted: boolean }> {
  const concerned = await concernedTables(db, touched)
  const violations = await findViolations(db, concerned)
  const keys = newViolations(knownViolations, violations)
  if (failures(keys).length > 0) throw new BrokenKeys(concerned, violations, failures(keys))
  const unresolved = [...(await findUnresolved(db))]
    .filter(([key]) => !unresolvedBefore.has(key))
    .map(([, found]) => found)
  const drift = await checkDrift(db, await change.expected(), bookkeepingTables(context), context.drift)
  const structures = await quickCheck(db, touched)
  const findings = [...keys, ...unresolved, ...drift.findings, ...structures]
  const wrong = failures(findings)
  if (wrong.length > 0)
    throw new LockkeeperError('invalid', `the database would not be valid after the change:\n${listFindings(wrong)}`, {
      hint: 'Everything was rolled back. Mend the migration and deploy again.',
      details: { findings: wrong.map(finding => finding.message) },
    })
  return { warnings: findings, drifted: drift.drifted }
}
