/**
 * One batch of migrations, up or down, as one transaction: apply, guard the rows, validate, record, commit. The database
 * ends at the new level, validated, or exactly where it was; that it failed is recorded afterwards by the caller.
 */
import type { Workspace } from '../database/connection.ts'
import { explainSqliteError, isBusy } from '../database/explain.ts'
import { LockkeeperError } from '../errors.ts'
import { applyScript } from '../migrations/apply.ts'
import { bookkeepingTables, type MigrationRow } from '../migrations/bookkeeping.ts'
import { keepCounters, readCounters } from '../migrations/counters.ts'
import { countRows, lostRows, type RowCounts } from '../migrations/rows.ts'
import { composeRenames } from '../migrations/table-changes.ts'
import { checkDrift } from '../validation/drift.ts'
import { type Finding, failures, listFindings } from '../validation/findings.ts'
import { findUnresolved } from '../validation/resolve.ts'
import { Flawed, findFlaws, isSound, noFlaws, type OldFlaws, rememberFlaws, tableNames } from './flaws.ts'
import { aftermath, type Change, type ChangeContext, type Changed } from './model.ts'
import { recordBeginning, recordChange } from './record.ts'
import { countAgain, Unpermitted } from './row-guard.ts'

/**
 * Applies and commits.
 * @param adopted rows to be written with it, for a database that is taken over
 * @throws LockkeeperError `failed` or `invalid`; everything was rolled back, but for what commits by itself
 */
export async function applyChange(
  db: Workspace,
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
): Promise<Changed> {
  // What commits by itself cannot be tried again: what was wrong before has to be known before.
  if (!change.transaction) return attempt(db, change, adopted, context, await rememberFlaws(db, await tableNames(db)))
  try {
    return await attempt(db, change, adopted, context, noFlaws)
  } catch (error) {
    if (!(error instanceof Flawed)) throw error
    // Only now is it worth the time to see what was wrong before: the batch was rolled back.
    const before = await rememberFlaws(db, error.tables)
    if (isSound(before)) throw error
    return attempt(db, change, adopted, context, before)
  }
}

async function attempt(
  db: Workspace,
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
  known: OldFlaws,
): Promise<Changed> {
  const start = performance.now()
  const startedAt = new Date()
  await db.exec(`PRAGMA foreign_keys = ${change.foreignKeys ? 'ON' : 'OFF'}`)
  if (change.transaction) await db.exec('BEGIN IMMEDIATE')
  try {
    const unresolved = await findUnresolved(db)
    if (!change.transaction) await recordBeginning(db, change, adopted, context)
    const applied = await applySteps(db, change, context)
    const validation = performance.now()
    const validated = await validate(db, change, context, applied, new Set(unresolved.keys()), known)
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
    await context.confirm()
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
    if (error instanceof Unpermitted) throw await error.explain(db, change, context)
    if (isBusy(error))
      throw new LockkeeperError('internal', 'the database was busy under the exclusive lock', {
        cause: error,
        hint: `Please report it. ${aftermath(change, context)}`,
      })
    throw explainSqliteError(error, 'the change could not be carried out')
  }
}

async function applySteps(db: Workspace, change: Change, context: ChangeContext) {
  const { listener, table } = context
  const exclude = bookkeepingTables({ table })
  const touched = new Set<string>()
  const durations = new Map<string, number>()
  const before = await countRows(db, exclude)
  let counts: RowCounts = before
  let renames: ReadonlyMap<string, string> = new Map()
  for (const { runnable, allowRowLoss } of change.steps) {
    const start = performance.now()
    const note = (message: string) => listener({ kind: 'note', step: 'migrate', message })
    const counters = await readCounters(db)
    const applied = await applyScript(db, runnable, { reserved: exclude })
    for (const { line, why } of applied.leftOut) note(`${runnable.file}:${line} left out: ${why}`)
    if (!applied.setsCounters)
      for (const { at, table: name } of await keepCounters(db, counters, applied.renames))
        note(
          `${runnable.version}: the AUTOINCREMENT counter of ${name} stays at ${at}, so that no number is given out twice`,
        )
    for (const name of applied.touched) if (!exclude.includes(name)) touched.add(name)
    const after = await countAgain(db, applied, counts, exclude)
    const losses = allowRowLoss === 'any' ? [] : lostRows(counts, after, applied.renames, allowRowLoss)
    if (losses.length > 0) {
      const standing = { original: before, earlier: renames, before: counts, after, renames: applied.renames }
      throw await Unpermitted.note(db, runnable.version, losses, standing)
    }
    counts = after
    renames = composeRenames(renames, applied.renames)
    const milliseconds = performance.now() - start
    durations.set(runnable.version, milliseconds)
    listener({ kind: 'step', step: 'migrate', message: runnable.version, milliseconds })
  }
  const created = await countRows(db, [...exclude, ...counts.keys()])
  return { touched: [...touched], renames, durations, rows: { before, after: new Map([...counts, ...created]) } }
}

async function validate(
  db: Workspace,
  change: Change,
  context: ChangeContext,
  { touched, renames }: { readonly touched: readonly string[]; readonly renames: ReadonlyMap<string, string> },
  unresolvedBefore: ReadonlySet<string>,
  known: OldFlaws,
): Promise<{ warnings: readonly Finding[]; drifted: boolean }> {
  const flaws = await findFlaws(db, touched, known, renames)
  if (failures(flaws).length > 0)
    throw new Flawed(touched, failures(flaws), `${aftermath(change, context)} Mend the migration and deploy again.`)
  const unresolved = [...(await findUnresolved(db))]
    .filter(([key]) => !unresolvedBefore.has(key))
    .map(([, found]) => found)
  const drift = await checkDrift(db, await change.expected(), bookkeepingTables(context), context.drift)
  const wrong = failures([...unresolved, ...drift.findings])
  if (wrong.length > 0)
    throw new LockkeeperError('invalid', `the database would not be valid after the change:\n${listFindings(wrong)}`, {
      hint: `${aftermath(change, context)} Mend the migration and deploy again.`,
      details: { findings: wrong.map(finding => finding.message) },
    })
  return { warnings: [...flaws, ...unresolved, ...drift.findings], drifted: drift.drifted }
}
