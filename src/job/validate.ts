/** The checks of `validate`, all of them or some parts, on a database that others may be using. */
import type { Connection } from '../database/connection.ts'
import { realDatabasePath } from '../database/location.ts'
import { viewDatabase } from '../database/view.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import { assess, pendingOf } from '../migrations/assess.ts'
import { bookkeepingTables } from '../migrations/bookkeeping.ts'
import { type ApplicationCheck, loadChecks } from '../migrations/checks.ts'
import { takeDoubleQuotes } from '../migrations/expected.ts'
import { loadMigrations } from '../migrations/load.ts'
import type { Migration } from '../migrations/model.ts'
import { readDescribed, without } from '../schema/definitions.ts'
import { runChecks } from '../validation/application-checks.ts'
import { isOfValues } from '../validation/damage.ts'
import { mendableDrift } from '../validation/drift.ts'
import { fileAccess } from '../validation/file-access.ts'
import { type Finding, failures, type Part } from '../validation/findings.ts'
import { concernedTables, findViolations, violationFinding } from '../validation/foreign-keys.ts'
import { integrityCheck } from '../validation/integrity.ts'
import { keysWithoutIndex } from '../validation/key-indexes.ts'
import { findUnresolved } from '../validation/resolve.ts'
import { checkValues } from '../validation/values.ts'
import { expectedNow } from './drift.ts'
import type { DeployOptions } from './options.ts'

export type ValidateOptions = Pick<DeployOptions, 'database' | 'migrations' | 'drift' | 'outOfOrder' | 'signal'> & {
  readonly parts: readonly Part[]
}

export interface ValidationReport {
  readonly database: string
  readonly level: string | null
  readonly parts: readonly Part[]
  readonly valid: boolean
  readonly findings: readonly Finding[]
}

/** In a child process, so that a long check can be stopped. @throws LockkeeperError `missing` when there is no database */
export async function validate(options: ValidateOptions): Promise<ValidationReport> {
  const database = await realDatabasePath(options.database)
  const migrations = await loadMigrations(options.migrations, options.signal)
  const checks = loadChecks(options.migrations)
  const doubleQuotedStrings = takeDoubleQuotes(migrations)
  const reading = { doubleQuotedStrings, ...(options.signal === undefined ? {} : { signal: options.signal }) }
  const viewed = await viewDatabase(
    database,
    connection => check(connection, { ...options, database }, migrations, checks),
    reading,
  )
  if (!('value' in viewed))
    throw new LockkeeperError('missing', `there is no database at ${database}`, {
      hint: 'Is DATABASE_URL right, and the volume mounted?',
    })
  const { level, findings } = viewed.value
  return { database, level, parts: options.parts, valid: failures(findings).length === 0, findings }
}

async function check(
  connection: Connection,
  options: ValidateOptions,
  migrations: readonly Migration[],
  checks: readonly ApplicationCheck[],
) {
  const assessment = await assess(connection, migrations)
  const wanted = new Set(options.parts)
  const described = without(await readDescribed(connection), bookkeepingTables(assessment.bookkeeping))
  const findings: Finding[] = []
  if (wanted.has('migrations')) findings.push(...historyFindings(() => pendingOf(assessment, migrations, options)))
  if (wanted.has('schema') || wanted.has('indexes')) {
    const expected = await expectedNow(assessment, readDescribed, options.signal)
    const drift = expected === undefined ? [] : await mendableDrift(expected, described, options.drift)
    findings.push(...drift.filter(({ part }) => wanted.has(part)))
    if (wanted.has('indexes')) findings.push(...keysWithoutIndex(described.schema, expected?.schema))
  }
  if (wanted.has('schema')) findings.push(...(await findUnresolved(connection)).values())
  if (wanted.has('constraints')) findings.push(...(await foreignKeyFindings(connection)))
  if (wanted.has('constraints') || wanted.has('data'))
    findings.push(...(await checkValues(connection, described.schema, wanted)))
  if (wanted.has('data')) {
    // Values are looked at above, by row.
    findings.push(
      ...(await integrityCheck(connection, atMost)).filter(finding => !isOfValues(finding)).slice(0, shownAtMost),
    )
    findings.push(...(await runChecks(connection, checks)))
  }
  if (wanted.has('security')) findings.push(...(await fileAccess(options.database)))
  return { level: assessment.level, findings }
}

/** Large enough that wrong values of one table do not keep damage from being seen. */
const atMost = 10_000
const shownAtMost = 20

function historyFindings(judge: () => unknown): Finding[] {
  try {
    judge()
    return []
  } catch (error) {
    return [{ part: 'migrations', severity: 'fail', message: messageOf(error) }]
  }
}

/** Rows without a parent, in all tables. */
export async function foreignKeyFindings(connection: Connection): Promise<Finding[]> {
  const tables = await connection.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
  const children = await concernedTables(
    connection,
    tables.map(({ name }) => name),
  )
  const violations = await findViolations(connection, children)
  return violations.map(violation => violationFinding(violation, 'fail'))
}
