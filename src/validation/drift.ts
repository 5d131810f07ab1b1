/** Whether the schema is what the migrations describe. */
import { compareSchemas, type Difference } from '../schema/compare.ts'
import type { Described } from '../schema/definitions.ts'
import { leadFrom, scriptOfStatements } from '../schema/lead.ts'
import type { Schema } from '../schema/read.ts'
import type { Finding } from './findings.ts'

export interface DriftOptions {
  /** What a missing or different object is: a failure, or a warning. Default fail. */
  readonly policy: 'fail' | 'warn'
  /** Names (globs) of objects that are not looked at. Default none. */
  readonly ignore: readonly string[]
}

export interface Drift {
  readonly findings: readonly Finding[]
  /** Something is missing or differs, ignored or not; what is merely extra does not count. */
  readonly drifted: boolean
}

/** @param own tables of Lockkeeper itself, which no migration describes */
export function checkDrift(
  actual: Schema,
  expected: Schema,
  own: readonly string[],
  { policy, ignore }: DriftOptions,
): Drift {
  const all = compareSchemas(expected, actual, { ignore: own })
  const differences = ignore.length === 0 ? all : compareSchemas(expected, actual, { ignore: [...own, ...ignore] })
  return {
    findings: differences.map(difference => findingOf(difference, policy)),
    drifted: all.some(({ kind }) => kind !== 'extra'),
  }
}

/** The findings of `checkDrift`, with the SQL that mends each: of a table that is made anew it stands with the first. */
export async function mendableDrift(
  expected: Described,
  actual: Described,
  { policy, ignore }: DriftOptions,
): Promise<Finding[]> {
  const differences = compareSchemas(expected.schema, actual.schema, { ignore })
  if (differences.every(({ kind }) => kind === 'extra'))
    return differences.map(difference => findingOf(difference, policy))
  const { leads } = await leadFrom(actual, expected, { extras: 'keep', ignore })
  const mends = Map.groupBy(leads, ({ difference }) => difference.message)
  return differences.map(difference => {
    const statements = mends.get(difference.message)?.flatMap(lead => lead.statements) ?? []
    const finding = findingOf(difference, policy)
    return statements.length === 0 ? finding : { ...finding, mend: scriptOfStatements(statements) }
  })
}

function findingOf({ kind, message, object }: Difference, policy: DriftOptions['policy']): Finding {
  return {
    part: object === 'index' ? 'indexes' : 'schema',
    severity: kind === 'extra' || policy === 'warn' ? 'warn' : 'fail',
    message,
  }
}
