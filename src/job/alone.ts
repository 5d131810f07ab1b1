/**
 * A migration that commits by itself (`transaction: off`): no rollback undoes it, so what was there before it is written
 * down first, and how far it has come with each statement. Stopped anywhere, the next run goes on there and checks at the
 * end against what was there before the first statement.
 */
import type { Workspace } from '../database/connection.ts'
import { applyAlone } from '../migrations/alone.ts'
import { bookkeepingTables, type MigrationRow, recordProgress } from '../migrations/bookkeeping.ts'
import { readCounters } from '../migrations/counters.ts'
import type { Progress } from '../migrations/progress.ts'
import { prefixesOf } from '../migrations/resume.ts'
import { countRows } from '../migrations/rows.ts'
import { findUnresolved } from '../validation/resolve.ts'
import { isSound, noFlaws, rememberFlaws, tableNames } from './flaws.ts'
import { findFreeRows } from './free-rows.ts'
import type { Change, ChangeContext, Changed, ChangeStep } from './model.ts'
import { recordBeginning } from './record.ts'
import { applySteps, finish, type Known, orRollBack, validate } from './steps.ts'

/** Applies the only step of a change, and records that it is done. @param adopted as for `applyChange` */
export async function applyChangeAlone(
  db: Workspace,
  change: Change,
  adopted: readonly MigrationRow[],
  context: ChangeContext,
): Promise<Changed> {
  const start = performance.now()
  const startedAt = new Date()
  const [step] = change.steps as readonly [ChangeStep]
  const { progress: begun, runnable } = step
  return orRollBack(db, change, context, async () => {
    await db.exec(`PRAGMA foreign_keys = ${change.foreignKeys ? 'ON' : 'OFF'}`)
    // Where something was wrong before, and it was stopped in the middle, it is not known any more which of the two did it.
    const known: Known = begun?.sound === true ? { flaws: noFlaws, unresolved: new Set() } : await lookForFlaws(db)
    const progress = begun ?? (await beginning(db, change, step, context, known))
    if (begun === undefined) await recordBeginning(db, change, step, progress, adopted, context)
    else sayWhere(begun, step, context)
    const prefixAt = prefixesOf(runnable.script)
    const goingOn = {
      before: new Map(Object.entries(progress.rows)),
      counters: new Map(Object.entries(progress.counters)),
      free: progress.free,
      apply: () =>
        applyAlone(db, runnable, {
          reserved: bookkeepingTables(context),
          done: progress.done,
          record: done => note(db, step, { ...progress, done, prefix: prefixAt(done) }, context),
          confirm: context.confirm,
        }),
    }
    const applied = await applySteps(db, change, context, goingOn)
    // What an earlier run touched is not known.
    const touched = begun === undefined ? applied.touched : await tableNames(db)
    const { drifted, warnings } = await validate(db, change, context, { ...applied, touched }, known)
    const { durations, own, rows } = applied
    await db.exec('BEGIN IMMEDIATE')
    await finish(db, change, context, {
      adopted,
      durations,
      own,
      startedAt,
      milliseconds: performance.now() - start,
      drifted,
    })
    return { durations, warnings, rows }
  })
}

async function lookForFlaws(db: Workspace): Promise<Known> {
  const flaws = await rememberFlaws(db, await tableNames(db))
  return { flaws, unresolved: new Set((await findUnresolved(db)).keys()) }
}

async function beginning(
  db: Workspace,
  { action }: Change,
  { own = {} }: ChangeStep,
  context: ChangeContext,
  { flaws, unresolved }: Known,
): Promise<Progress> {
  return {
    direction: action === 'migrate' ? 'up' : 'down',
    begunAt: new Date().toISOString(),
    backup: context.backupId,
    done: 0,
    prefix: '',
    rows: Object.fromEntries(await countRows(db, bookkeepingTables(context))),
    counters: Object.fromEntries(await readCounters(db)),
    sound: isSound(flaws) && unresolved.size === 0,
    ...(action === 'rollback' ? { free: await findFreeRows(db, own) } : {}),
  }
}

function note(db: Workspace, { runnable }: ChangeStep, progress: Progress, { table }: ChangeContext): Promise<void> {
  return recordProgress(db, table, runnable.version, progress)
}

function sayWhere({ begunAt, done }: Progress, { runnable }: ChangeStep, { listener }: ChangeContext): void {
  const where =
    done === 0 ? 'begins again' : `goes on after its first ${done === 1 ? 'statement' : `${done} statements`}`
  listener({ kind: 'note', step: 'migrate', message: `${runnable.version}, begun at ${begunAt}, ${where}` })
}
