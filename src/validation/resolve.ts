/**
 * Whether every name in the schema leads somewhere: after a rename, SQLite notices a view, a trigger or a foreign key
 * that points to nothing only when it is next used, which would be in the application. SQLite is asked to compile what
 * uses them, and runs nothing of it (EXPLAIN QUERY PLAN).
 */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import { fold } from '../schema/model.ts'
import { type Finding, isOfTheApplication } from './findings.ts'
import { updateColumnsOf } from './trigger-text.ts'

/** What does not resolve, by a key that stays the same from one look to the next. */
export async function findUnresolved(connection: Connection): Promise<Map<string, Finding>> {
  const found = new Map<string, Finding>()
  await views(connection, found)
  await triggers(connection, found)
  await foreignKeys(connection, found)
  return found
}

async function views(connection: Connection, found: Map<string, Finding>): Promise<void> {
  for (const { name } of await connection.all<{ name: string }>(
    `SELECT name FROM main.sqlite_schema WHERE type = 'view'`,
  )) {
    const error = await refusal(connection, `EXPLAIN QUERY PLAN SELECT * FROM main.${quoteName(name)}`)
    // One that does not work stays the same one when it has another reason not to: its table may have been renamed.
    const key = `view ${name}${error !== undefined && isOfTheApplication(error) ? ` ${error}` : ''}`
    if (error !== undefined) add(found, key, `the view ${name} does not work: ${error}`, error)
  }
}

/** A statement compiles the triggers that it would fire. */
async function triggers(connection: Connection, found: Map<string, Finding>): Promise<void> {
  const all = await connection.all<{ name: string; table: string; sql: string }>(
    `SELECT name, tbl_name AS "table", sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY name`,
  )
  for (const [table, list] of Map.groupBy(all, trigger => trigger.table)) {
    const which = `${list.length === 1 ? 'the trigger' : 'one of the triggers'} ${list.map(({ name }) => name).join(', ')} on ${table}`
    const columns = await columnsOf(connection, table)
    // A view that does not work has none, and is reported itself.
    if (columns === undefined) continue
    for (const sql of changesOf(table, columns)) {
      const error = await refusal(connection, `EXPLAIN QUERY PLAN ${sql}`)
      // A view takes only those changes for which it has a trigger.
      if (error === undefined || /^cannot modify .* because it is a view$/s.test(error)) continue
      add(found, `trigger ${table} ${error}`, `${which} does not work: ${error}`, error)
    }
    const names = new Set(columns.map(({ name }) => fold(name)))
    for (const { name, sql } of list)
      for (const column of updateColumnsOf(sql))
        if (!names.has(fold(column)))
          add(
            found,
            `trigger ${name}`,
            `the trigger ${name} waits for updates of ${table}.${column}, which is not there`,
          )
  }
}

interface Column {
  readonly name: string
  /** 0: one that takes values; others are generated. */
  readonly hidden: number
}

async function columnsOf(connection: Connection, table: string): Promise<Column[] | undefined> {
  try {
    return await connection.all<Column>(`SELECT name, hidden FROM pragma_table_xinfo(?, 'main')`, table)
  } catch (error) {
    if (error instanceof SqliteError) return undefined
    throw error
  }
}

function changesOf(name: string, columns: readonly Column[]): string[] {
  const table = `main.${quoteName(name)}`
  const names = columns.filter(({ hidden }) => hidden === 0).map(column => quoteName(column.name))
  return [
    `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => 'NULL').join(', ')})`,
    `UPDATE ${table} SET ${names.map(column => `${column} = ${column}`).join(', ')}`,
    `DELETE FROM ${table}`,
  ]
}

/** The parent has to be a table, and its columns a key of it ("foreign key mismatch" otherwise). */
async function foreignKeys(connection: Connection, found: Map<string, Finding>): Promise<void> {
  const keys = await connection.all<{ child: string; parent: string; there: number }>(
    `SELECT DISTINCT m.name AS child, k."table" AS parent, EXISTS (
       SELECT 1 FROM main.sqlite_schema AS p WHERE p.type = 'table' AND p.name = k."table" COLLATE NOCASE) AS there
     FROM main.sqlite_schema AS m, pragma_foreign_key_list(m.name, 'main') AS k
     WHERE m.type = 'table'`,
  )
  for (const { child, parent, there } of keys)
    if (there === 0)
      add(found, `key ${child} ${parent}`, `a foreign key of ${child} refers to ${parent}, which is not there`)
  for (const child of new Set(keys.map(key => key.child))) {
    const error = await refusal(connection, `EXPLAIN QUERY PLAN PRAGMA main.foreign_key_check(${quoteName(child)})`)
    if (error !== undefined)
      add(found, `key ${child} ${error}`, `a foreign key of ${child} does not work: ${error}`, error)
  }
}

function add(found: Map<string, Finding>, key: string, message: string, error = ''): void {
  found.set(key, { part: 'schema', severity: isOfTheApplication(error) ? 'warn' : 'fail', message })
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
