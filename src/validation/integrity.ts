/** SQLite's own checks of its file structures. */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import { fold } from '../schema/model.ts'
import { type Finding, isOfTheApplication } from './findings.ts'

const usual = 20

/**
 * `PRAGMA quick_check` of these tables that are there, or of the whole database. Pages, records, NOT NULL, CHECK.
 * @param atMost findings, of each table
 */
export async function quickCheck(
  connection: Connection,
  tables?: readonly string[],
  atMost = usual,
): Promise<Finding[]> {
  if (tables === undefined) return check(connection, `PRAGMA quick_check(${atMost})`)
  const findings: Finding[] = []
  const there = await connection.all<{ name: string }>(
    `SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0`,
  )
  const wanted = new Set(tables.map(fold))
  for (const { name } of there)
    if (wanted.has(fold(name))) findings.push(...(await check(connection, `PRAGMA quick_check(${quoteName(name)})`)))
  return findings
}

/** `PRAGMA integrity_check`: as `quickCheck` of everything, and every index against its table. About 10 s a GB. */
export function integrityCheck(connection: Connection, atMost = usual): Promise<Finding[]> {
  return check(connection, `PRAGMA integrity_check(${atMost})`)
}

/** SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_FORMAT and SQLITE_NOTADB say something about the database; SQLITE_BUSY or SQLITE_IOERR do not. */
const ofTheDatabase = new Set([1, 11, 24, 26])

/** @throws SqliteError when the check cannot run for a reason outside of the database */
async function check(connection: Connection, pragma: string): Promise<Finding[]> {
  let rows: object[]
  try {
    rows = await connection.all(pragma)
  } catch (error) {
    if (!(error instanceof SqliteError) || !ofTheDatabase.has(error.primary)) throw error
    const severity = isOfTheApplication(error.message) ? 'warn' : 'fail'
    return [{ part: 'data', severity, message: `${pragma} could not run: ${error.message}` }]
  }
  const messages = rows.map(row => String(Object.values(row)[0]))
  return messages.filter(message => message !== 'ok').map(message => ({ part: 'data', severity: 'fail', message }))
}
