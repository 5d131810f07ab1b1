/** What changes have in common, in one transaction or without: apply and guard the rows, validate, record and commit. */
import type { Workspace } from '../database/connection.ts'
import { explainSqliteError, isBusy } from '../database/explain.ts'
import { LockkeeperError } from '../errors.ts'
import { type Applied, applyScript, type Runnable } from '../migrations/apply.ts'
import { bookkeepingTables } from '../migrations/bookkeeping.ts'
import type { ApplicationCheck } from '../migrations/checks.ts'
import { type Counters, keepCounters, readCounters } from '../migrations/counters.ts'
import type { FreeRows } from '../migrations/progress.ts'
import { countRows, lostRows, type RowCounts } from '../migrations/rows.ts'
import { composeRenames } from '../migrations/table-changes.ts'
import { readSchema } from '../schema/read.ts'
import { counted } from '../units.ts'
import { runChecks } from '../validation/application-checks.ts'
import { checkDrift } from '../validation/drift.ts'
import { type Finding, failures, listFindings } from '../validation/findings.ts'
import { findUnresolved } from '../validation/resolve.ts'
import { Flawed, findFlaws, type OldFlaws } from './flaws.ts'
import { countFreed, findFreeRows } from './free-rows.ts'
import { aftermath, type Change, type ChangeContext } from './model.ts'
import { type OwnRows, tablesInsertedInto, watchOwnRows } from './own-rows.ts'
import { type Recorded, recordChange } from './record.ts'
import { countAgain, Unpermitted } from './row-guard.ts'

/** How a change that was begun earlier goes on. */
export interface GoingOn {
  /** What was there before it began. */
  readonly before: RowCounts
  readonly counters: Counters
  /** Undefined where that was not written down. */
  readonly free: FreeRows | undefined
  apply(runnable: Runnable): Promise<Applied>
}

export interface Stepped {
  /** Tables whose rows could have changed. */
  readonly touched: readonly string[]
  /** Where tables went, old name to new, folded. */
  readonly renames: ReadonlyMap<string, string>
  /** Milliseconds by version. */
  readonly durations: ReadonlyMap<string, number>
  /** What each put in itself, by version. */
  readonly own: ReadonlyMap<string, OwnRows>
  readonly rows: { readonly before: RowCounts; readonly after: RowCounts }
}

/** @throws LockkeeperError of the migration that fails; `Unpermitted` where rows are lost */
export async function applySteps(
  db: Workspace,
  change: Change,
  context: ChangeContext,
  goingOn?: GoingOn,
): Promise<Stepped> {
  const { listener } = context
  const exclude = bookkeepingTables(context)
  const onProgress = (done: number, total: number) =>
    listener({ kind: 'progress', step: 'migrate', done, total, unit: 'statements' })
  const apply = goingOn?.apply ?? (runnable => applyScript(db, runnable, { reserved: exclude, onProgress }))
  const touched = new Set<string>()
  const durations = new Map<string, number>()
  const own = new Map<string, OwnRows>()
  const before = goingOn?.before ?? (await countRows(db, exclude))
  let counts: RowCounts = before
  let renames: ReadonlyMap<string, string> = new Map()
  for (const { allowRowLoss, own: itsOwn = {}, runnable } of change.steps) {
    const start = performance.now()
    const note = (message: string) => listener({ kind: 'note', step: 'migrate', message })
    const counters = goingOn?.counters ?? (await readCounters(db))
    const ownRows =
      change.action === 'migrate' ? await watchOwnRows(db, counts, tablesInsertedInto(runnable.script)) : undefined
    const free = change.action === 'rollback' ? (goingOn?.free ?? (await findFreeRows(db, itsOwn))) : undefined
    const applied = await apply(runnable)
    for (const { line, why } of applied.leftOut) note(`${runnable.file}:${line} left out: ${why}`)
    if (!applied.setsCounters)
      for (const { at, table } of await keepCounters(db, counters, applied.renames))
        note(
          `${runnable.version}: the AUTOINCREMENT counter of ${table} stays at ${at}, so that no number is given out twice`,
        )
    for (const name of applied.touched) if (!exclude.includes(name)) touched.add(name)
    const after = goingOn === undefined ? await countAgain(db, applied, counts, exclude) : await countRows(db, exclude)
    const freed = free === undefined ? undefined : await countFreed(db, free)
    const losses = allowRowLoss === 'any' ? [] : lostRows(counts, after, applied.renames, allowRowLoss, freed)
    if (ownRows !== undefined) own.set(runnable.version, await ownRows(after, applied.renames))
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
  return { touched: [...touched], renames, durations, own, rows: { before, after: new Map([...counts, ...created]) } }
}

/** What was wrong before. */
export interface Known {
  readonly flaws: OldFlaws
  /** Keys as `findUnresolved` returns them. */
  readonly unresolved: ReadonlySet<string>
}

/** @throws LockkeeperError `invalid` for what is wrong now and was not before; `Flawed` for what is wrong with content */
export async function validate(
  db: Workspace,
  change: Change,
  context: ChangeContext,
  { touched, renames }: Pick<Stepped, 'touched' | 'renames'>,
  known: Known,
): Promise<{ warnings: readonly Finding[]; drifted: boolean }> {
  const start = performance.now()
  const flaws = await findFlaws(db, touched, known.flaws, renames)
  const flawed = failures(flaws)
  if (flawed.length > 0) {
    const cascades =
      change.foreignKeys || !flawed.some(({ part }) => part === 'constraints') ? '' : ` ${countsOnCascade}`
    throw new Flawed(touched, flawed, `${aftermath(change, context)} Mend the migration and deploy again.${cascades}`)
  }
  const unresolved = [...(await findUnresolved(db))]
    .filter(([key]) => !known.unresolved.has(key))
    .map(([, found]) => found)
  const expected = await change.expected()
  const drift =
    expected === undefined
      ? { findings: [], drifted: true }
      : checkDrift(await readSchema(db), expected, bookkeepingTables(context), context.drift)
  const checked = await runChecksReadOnly(db, change.checks ?? [])
  const wrong = failures([...unresolved, ...drift.findings, ...checked])
  if (wrong.length > 0)
    throw new LockkeeperError('invalid', `the database would not be valid after the change:\n${listFindings(wrong)}`, {
      hint: `${aftermath(change, context)} Mend the migration and deploy again.`,
      details: { findings: wrong.map(finding => finding.message) },
    })
  context.listener({
    kind: 'step',
    step: 'validate',
    message: `${expected === undefined ? 'schema not known to this image' : 'schema as the migrations describe it'}; ${counted(touched.length, 'touched table')} sound`,
    milliseconds: performance.now() - start,
  })
  return { warnings: [...flaws, ...unresolved, ...drift.findings, ...checked], drifted: drift.drifted }
}

const countsOnCascade =
  'Foreign keys are off while a migration runs; one that counts on ON DELETE CASCADE says "foreign_keys: on".'

async function runChecksReadOnly(db: Workspace, checks: readonly ApplicationCheck[]): Promise<readonly Finding[]> {
  if (checks.length === 0) return []
  await db.exec('PRAGMA query_only = ON')
  // It rejects only where the process of the connection is gone.
  const findings = await runChecks(db, checks)
  await db.exec('PRAGMA query_only = OFF')
  return findings
}

/** Records it and commits the transaction that is open. */
export async function finish(db: Workspace, change: Change, context: ChangeContext, recorded: Recorded): Promise<void> {
  await recordChange(db, change, context, recorded)
  const start = performance.now()
  await context.confirm()
  await db.exec('COMMIT')
  context.listener({
    kind: 'step',
    step: 'commit',
    message: `at ${change.toLevel ?? 'the empty schema'}`,
    milliseconds: performance.now() - start,
  })
}

/** Whatever goes wrong: rolls back what is open, and says what it was. */
export async function orRollBack<T>(
  db: Workspace,
  change: Change,
  context: ChangeContext,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
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
