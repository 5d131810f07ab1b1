/**
 * Where the application keeps an `audit_trail` of its own (FossaWork's v005 has one), what Lockkeeper changes is recorded
 * there too. A table of that name with other columns is somebody else's and is left alone.
 */
import { randomUUID } from 'node:crypto'
import { type Connection, SqliteError } from '../database/connection.ts'

const idPrefix = 'lockkeeper-'
const reasons = { schema: 'schema migration by Lockkeeper', rows: 'rows written by Lockkeeper' }
const needed = ['audit_id', 'table_name', 'record_id', 'action', 'changes_json', 'reason']

export interface AuditEntry {
  /** Null: it is about many rows of the table, and not about a migration. */
  readonly version: string | null
  readonly action: 'migrate' | 'rollback' | 'adopt' | 'import' | 'encrypt'
  readonly table: string
  readonly changes: Readonly<Record<string, unknown>>
}

/**
 * Inside the caller's transaction. The application's own rules for its table (a CHECK, a trigger, a column that has to be
 * filled) must not stop a deploy: what they refuse is not recorded, and nothing of it stays.
 * @returns what refused it, for a warning; undefined when it is recorded or there is no such table
 */
export async function recordAudit(connection: Connection, entries: readonly AuditEntry[]): Promise<string | undefined> {
  if (!(await isThere(connection))) return undefined
  await connection.exec('SAVEPOINT lockkeeper_audit')
  try {
    for (const { version, action, table, changes } of entries)
      await connection.all(
        `INSERT INTO main.audit_trail (${needed.join(', ')}) VALUES (?, ?, ?, ?, ?, ?)`,
        `${idPrefix}${randomUUID()}`,
        table,
        version,
        action,
        JSON.stringify(changes),
        version === null ? reasons.rows : reasons.schema,
      )
    await connection.exec('RELEASE lockkeeper_audit')
    return undefined
  } catch (error) {
    if (!(error instanceof SqliteError) || !refusals.has(error.primary)) throw error
    await connection.exec('ROLLBACK TO lockkeeper_audit; RELEASE lockkeeper_audit')
    return error.message
  }
}

/** How many entries there are that Lockkeeper has made: nobody's data. */
export async function countAuditEntries(connection: Connection): Promise<number> {
  const own = await ownAuditEntries(connection, 'audit_trail')
  if (own === undefined) return 0
  const [row] = await connection.all<{ n: number }>(`SELECT count(*) AS n FROM main.audit_trail WHERE ${own}`)
  return row?.n ?? 0
}

/** The condition, as SQL, for the entries that Lockkeeper has made; undefined for any other table. */
export async function ownAuditEntries(connection: Connection, table: string): Promise<string | undefined> {
  if (table.toLowerCase() !== 'audit_trail' || !(await isThere(connection))) return undefined
  return `reason IN ('${reasons.schema}', '${reasons.rows}') AND audit_id LIKE '${idPrefix}%'`
}

/** SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH. */
const refusals = new Set([1, 19, 20])

async function isThere(connection: Connection): Promise<boolean> {
  const columns = await connection.all<{ name: string }>(
    `SELECT lower(c.name) AS name FROM main.sqlite_schema AS s, pragma_table_info(s.name, 'main') AS c
     WHERE s.type = 'table' AND lower(s.name) = 'audit_trail'`,
  )
  const names = new Set(columns.map(({ name }) => name))
  return needed.every(name => names.has(name))
}
