/** The checks of `validate`, all of them or some parts, on a database that others may be using. */
import { stat } from 'node:fs/promises'
import type { Connection } from '../database/connection.ts'
import { realDatabasePath } from '../database/location.ts'
import { viewDatabase } from '../database/view.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import { assess, pendingOf } from '../migrations/assess.ts'
import { bookkeepingTables } from '../migrations/bookkeeping.ts'
import { expectedSchema } from '../migrations/expected.ts'
import { loadMigrations } from '../migrations/load.ts'
import type { Migration } from '../migrations/model.ts'
import { checkDrift } from '../validation/drift.ts'
import { type Finding, failures, type Part } from '../validation/findings.ts'
import { concernedTables, findViolations, violationFinding } from '../validation/foreign-keys.ts'
import { integrityCheck } from '../validation/integrity.ts'
import { findUnresolved } from '../validation/resolve.ts'
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
  const migrations = await loadMigrations(options.migrations)
  const reading = options.signal === undefined ? {} : { signal: options.signal }
  const viewed = await viewDatabase(database, connection => check(connection, database, migrations, options), reading)
  if (!('value' in viewed))
    throw new LockkeeperError('missing', `there is no database at ${database}`, {
      hint: 'Is DATABASE_URL right, and the volume mounted?',
    })
  const { level, findings } = viewed.value
  return { database, level, parts: options.parts, valid: failures(findings).length === 0, findings }
}

async function check(
  connection: Connection,
  database: string,
  migrations: readonly Migration[],
  options: ValidateOptions,
) {
  const assessment = await assess(connection, migrations)
  const wanted = new Set(options.parts)
  const findings: Finding[] = []
  if (wanted.has('migrations')) findings.push(...historyFindings(() => pendingOf(assessment, migrations, options)))
  if (wanted.has('schema') || wanted.has('indexes')) {
    const expected = await expectedSchema(assessment.applied, { signal: options.signal })
    const drift = await checkDrift(connection, expected, bookkeepingTables(assessment.bookkeeping), options.drift)
    findings.push(...drift.findings.filter(({ part }) => wanted.has(part)))
  }
  if (wanted.has('schema')) findings.push(...(await findUnresolved(connection)).values())
  if (wanted.has('constraints')) findings.push(...(await foreignKeyFindings(connection)))
  if (wanted.has('data')) findings.push(...(await integrityCheck(connection)))
  if (wanted.has('security')) findings.push(...(await fileMode(database)))
  return { level: assessment.level, findings }
}

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

const writableByOthers = 0o002
const readableByOthers = 0o004

async function fileMode(database: string): Promise<Finding[]> {
  const { mode } = await stat(database)
  const octal = (mode & 0o777).toString(8)
  if (mode & writableByOthers)
    return [
      {
        part: 'security',
        severity: 'fail',
        message: `${database} can be written by every user (mode ${octal}): chmod o-w`,
      },
    ]
  if (mode & readableByOthers)
    return [{ part: 'security', severity: 'warn', message: `${database} can be read by every user (mode ${octal})` }]
  return []
}
