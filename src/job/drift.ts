/** Whether a managed database still has the schema that its applied migrations describe. Loaded when that is in doubt. */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import type { Assessment } from '../migrations/assess.ts'
import { bookkeepingTables } from '../migrations/bookkeeping.ts'
import { replayed } from '../migrations/expected.ts'
import type { Migration } from '../migrations/model.ts'
import { donePart, haltedOne } from '../migrations/resume.ts'
import { readSchema, type Schema } from '../schema/read.ts'
import { checkDrift, type DriftOptions } from '../validation/drift.ts'
import { type Finding, failures, listFindings } from '../validation/findings.ts'

/** @returns what is only worth a warning. @throws LockkeeperError `invalid` that names what is missing or differs */
export async function tolerableDrift(
  actual: Schema,
  assessment: Assessment,
  drift: DriftOptions,
  signal?: AbortSignal,
): Promise<readonly Finding[]> {
  const expected = await expectedNow(assessment, readSchema, signal)
  if (expected === undefined) return []
  const { findings } = checkDrift(actual, expected, bookkeepingTables(assessment.bookkeeping), drift)
  const wrong = failures(findings)
  if (wrong.length > 0)
    throw new LockkeeperError(
      'invalid',
      `the schema is not what the applied migrations describe (level ${assessment.level}):\n${listFindings(wrong)}`,
      {
        hint: 'Nothing was touched. Write a migration for what was changed by hand, or undo it; --drift warn deploys all the same, --ignore NAME leaves an object out.',
        details: { level: assessment.level, findings: wrong.map(finding => finding.message) },
      },
    )
  return findings
}

/**
 * What is read of a replay of the applied migrations, with the part of one that was stopped in the middle. Undefined for a
 * module that was: what it has done is written nowhere, and what is wrong at its end is found then.
 */
export async function expectedNow<T>(
  assessment: Assessment,
  read: (memory: Connection) => Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const halted = haltedOne(assessment)
  if (halted?.migration.up.kind === 'module') return undefined
  return replayed(assessment.applied, read, { signal, halted: halted === undefined ? undefined : partOf(halted) })
}

/** A migration that was stopped, as the part of it that has run. */
function partOf({ migration, progress }: NonNullable<ReturnType<typeof haltedOne>>): Migration {
  return migration.up.kind === 'module' ? migration : { ...migration, up: donePart(migration.up, progress.done) }
}
