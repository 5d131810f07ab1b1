/**
 * One batch of migrations, up or down, as one transaction: apply, guard the rows, validate, record, commit. The database
 * ends at the new level, validated, or exactly where it was; that it failed is recorded afterwards by the caller.
 */
import type { Workspace } from '../database/connection.ts'
import type { MigrationRow } from '../migrations/bookkeeping.ts'
import { findUnresolved } from '../validation/resolve.ts'
import { applyChangeAlone } from './alone.ts'
import { Flawed, isSound, noFlaws, type OldFlaws, rememberFlaws } from './flaws.ts'
import type { Change, ChangeContext, Changed } from './model.ts'
import { applySteps, finish, orRollBack, validate } from './steps.ts'

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
  if (!change.transaction) return applyChangeAlone(db, change, adopted, context)
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
  flaws: OldFlaws,
): Promise<Changed> {
  const start = performance.now()
  const startedAt = new Date()
  await db.exec(`PRAGMA foreign_keys = ${change.foreignKeys ? 'ON' : 'OFF'}`)
  await db.exec('BEGIN IMMEDIATE')
  return orRollBack(db, change, context, async () => {
    const unresolved = new Set((await findUnresolved(db)).keys())
    const applied = await applySteps(db, change, context)
    const { drifted, warnings } = await validate(db, change, context, applied, { flaws, unresolved })
    const { durations, own, rows } = applied
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
