/**
 * Whether every name in the schema leads somewhere: after a rename, SQLite notices a view, a trigger or a foreign key
 * that points to nothing only when it is next used, which would be in the application.
 */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import type { Finding } from './findings.ts'

/** What does not resolve, by a key that stays the same from one look to the next. */
export async function findUnresolved(connection: Connection): Promise<Map<string, Finding>> {
  const found = new Map<string, Finding>()
  await views(connection, found)
  await triggers(connection, found)
  await parents(connection, found)
  return found
}

async function views(connection: Connection, found: Map<string, Finding>): Promise<void> {
  for (const { name } of await connection.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'view'`)) {
    const error = await refusal(connection, `EXPLAIN SELECT * FROM main.${quoteName(name)}`)
    if (error !== undefined) found.set(`view ${name}`, finding(`the view ${name} does not work: ${error}`, error))
  }
}

/** A statement compiles the triggers that it would fire; EXPLAIN does not run it. */
async function triggers(connection: Connection, found: Map<string, Finding>): Promise<void> {
  const tables = await connection.all<{ name: string }>(
    `SELECT DISTINCT tbl_name AS name FROM sqlite_schema WHERE type = 'trigger'`,
  )
  for (const { name } of tables) {
    const columns = await connection.all<{ name: string }>(
      'SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0',
      name,
    )
    const all = columns.map(column => quoteName(column.name))
    const table = `main.${quoteName(name)}`
    const statements = [
      `EXPLAIN INSERT INTO ${table} (${all.join(', ')}) VALUES (${all.map(() => 'NULL').join(', ')})`,
      `EXPLAIN UPDATE ${table} SET ${all.map(column => `${column} = ${column}`).join(', ')}`,
      `EXPLAIN DELETE FROM ${table}`,
    ]
    for (const sql of statements) {
      const error = await refusal(connection, sql)
      // A view takes only those changes for which it has a trigger.
      if (error === undefined || /^cannot modify .* because it is a view$/.test(error)) continue
      found.set(`trigger ${name} ${error}`, finding(`a trigger on ${name} does not work: ${error}`, error))
    }
  }
}

async function parents(connection: Connection, found: Map<string, Finding>): Promise<void> {
  const missing = await connection.all<{ child: string; parent: string }>(
    `SELECT DISTINCT m.name AS child, k."table" AS parent
     FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS k
     WHERE m.type = 'table' AND NOT EXISTS (
       SELECT 1 FROM sqlite_schema AS p WHERE p.type = 'table' AND p.name = k."table" COLLATE NOCASE)`,
  )
  for (const { child, parent } of missing)
    found.set(
      `key ${child} ${parent}`,
      finding(`a foreign key of ${child} refers to ${parent}, which is not there`, ''),
    )
}

async function refusal(connection: Connection, sql: string): Promise<string | undefined> {
  try {
    await connection.all(sql)
    return undefined
  } catch (error) {
    if (error instanceof SqliteError) return error.message
    throw error
  }
}

/** A function or collation that only the application defines is no fault of the schema: nobody but it can tell. */
function finding(message: string, error: string): Finding {
  const severity = /no such (function|collation sequence|module)/.test(error) ? 'warn' : 'fail'
  return { part: 'schema', severity, message }
}
