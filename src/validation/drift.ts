/** Whether the schema is what the migrations describe. */
import type { Connection } from '../database/connection.ts'
import { compareSchemas, type Difference } from '../schema/compare.ts'
import { readSchema, type Schema } from '../schema/read.ts'
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
export async function checkDrift(
  connection: Connection,
  expected: Schema,
  own: readonly string[],
  { policy, ignore }: DriftOptions,
): Promise<Drift> {
  const actual = await readSchema(connection)
  const all = compareSchemas(expected, actual, { ignore: own })
  const differences = ignore.length === 0 ? all : compareSchemas(expected, actual, { ignore: [...own, ...ignore] })
  const finding = ({ kind, message, object }: Difference): Finding => ({
    part: object === 'index' ? 'indexes' : 'schema',
    severity: kind === 'extra' || policy === 'warn' ? 'warn' : 'fail',
    message,
  })
  return { findings: differences.map(finding), drifted: all.some(({ kind }) => kind !== 'extra') }
}
