/** SQLite's own checks of its file structures. */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import type { Finding } from './findings.ts'

const atMost = 20

/** `PRAGMA quick_check` of these tables that are there, or of the whole database. Pages, records, NOT NULL, CHECK. */
export async function quickCheck(connection: Connection, tables?: readonly string[]): Promise<Finding[]> {
  if (tables === undefined) return check(connection, `PRAGMA quick_check(${atMost})`)
  const findings: Finding[] = []
  const there = await connection.all<{ name: string }>(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0`,
  )
  const wanted = new Set(tables.map(name => name.toLowerCase()))
  for (const { name } of there)
    if (wanted.has(name.toLowerCase()))
      findings.push(...(await check(connection, `PRAGMA quick_check(${quoteName(name)})`)))
  return findings
}

/** `PRAGMA integrity_check`: as `quickCheck` of everything, and every index against its table. About 10 s a GB. */
export function integrityCheck(connection: Connection): Promise<Finding[]> {
  return check(connection, `PRAGMA integrity_check(${atMost})`)
}

async function check(connection: Connection, pragma: string): Promise<Finding[]> {
  let rows: object[]
  try {
    rows = await connection.all(pragma)
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error
    const undefinedByUs = /no such (function|collation sequence|module)/.test(error.message)
    return [
      { part: 'data', severity: undefinedByUs ? 'warn' : 'fail', message: `${pragma} could not run: ${error.message}` },
    ]
  }
  const messages = rows.map(row => String(Object.values(row)[0]))
  return messages.filter(message => message !== 'ok').map(message => ({ part: 'data', severity: 'fail', message }))
}
