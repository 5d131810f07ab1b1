/** Runs the application's own checks: queries that must return no rows. */
import { type Connection, type Row, SqliteError } from '../database/connection.ts'
import { type Finding, isOfTheApplication } from './findings.ts'

export interface Check {
  readonly name: string
  readonly description: string
  /** One statement, without a `;`. */
  readonly sql: string
}

const shownAtMost = 3
const longest = 60

/** On a connection that only reads. No more rows are read than are shown, and one. */
export async function runChecks(connection: Connection, checks: readonly Check[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { description, name, sql } of checks) {
    const what = `the check ${name}${description === '' ? '' : ` (${description})`}`
    try {
      const rows = await connection.all(`SELECT * FROM (${sql}\n) LIMIT ${shownAtMost + 1}`)
      if (rows.length > 0) findings.push(finding('fail', `${what} finds ${shown(rows)}`))
    } catch (error) {
      if (!(error instanceof SqliteError)) throw error
      // What the application defines, only it can run.
      const severity = isOfTheApplication(error.message) ? 'warn' : 'fail'
      findings.push(finding(severity, `${what} could not run: ${error.message}`))
    }
  }
  return findings
}

function finding(severity: Finding['severity'], message: string): Finding {
  return { part: 'data', severity, message }
}

function shown(rows: readonly Row[]): string {
  const list = rows.slice(0, shownAtMost).map(
    row =>
      `(${Object.entries(row)
        .map(([name, value]) => `${name} ${text(value)}`)
        .join(', ')})`,
  )
  return `${list.join(', ')}${rows.length > list.length ? ' and more' : ''}`
}

function text(value: Row[string]): string {
  if (value === null) return 'NULL'
  if (value instanceof Uint8Array) return `${value.length} bytes`
  const whole = String(value)
  return whole.length <= longest ? whole : `${whole.slice(0, longest - 1)}…`
}
