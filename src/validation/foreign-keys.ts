/** Foreign keys, checked for the tables that were touched and for those that refer to them. */
import type { Connection } from '../database/connection.ts'
import type { Finding } from './findings.ts'

/** Rows whose parent is not there, by foreign key. */
export type Violations = ReadonlyMap<string, Violation>

export interface Violation {
  readonly table: string
  readonly parent: string
  readonly columns: string
  readonly rows: number
}

/**
 * The tables whose foreign keys a change of these tables could break: themselves, and those that refer to them.
 * Of the tables that are there; in any case of letters.
 */
export async function concernedTables(connection: Connection, touched: readonly string[]): Promise<string[]> {
  const names = new Set(touched.map(name => name.toLowerCase()))
  const keys = await connection.all<{ child: string; parent: string }>(
    `SELECT m.name AS child, k."table" AS parent FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS k WHERE m.type = 'table'`,
  )
  const concerned = keys.filter(
    ({ child, parent }) => names.has(child.toLowerCase()) || names.has(parent.toLowerCase()),
  )
  return [...new Set(concerned.map(({ child }) => child))]
}

/** Counts the rows that break a foreign key of these tables (`PRAGMA foreign_key_check`). A missing parent table counts. */
export async function findViolations(connection: Connection, tables: readonly string[]): Promise<Violations> {
  const violations = new Map<string, Violation>()
  for (const table of tables) {
    const found = await connection.all<{ parent: string; columns: string; n: number }>(
      `SELECT v.parent, count(*) AS n,
         (SELECT group_concat(k."from", ', ') FROM pragma_foreign_key_list(?1) AS k WHERE k.id = v.fkid) AS columns
       FROM pragma_foreign_key_check(?1) AS v GROUP BY v.fkid, v.parent`,
      table,
    )
    for (const { parent, columns, n } of found)
      violations.set(`${table}(${columns})>${parent}`.toLowerCase(), { table, parent, columns, rows: n })
  }
  return violations
}

/** Pure. What is broken now and was not before; what was broken before is only worth a warning. */
export function newViolations(before: Violations, after: Violations): Finding[] {
  return [...after].map(([key, { table, parent, columns, rows }]) => {
    const already = before.get(key)?.rows ?? 0
    const what = `${rows} ${rows === 1 ? 'row' : 'rows'} of ${table} refer by ${columns} to a row of ${parent} that is not there`
    return rows > already
      ? { part: 'constraints', severity: 'fail', message: already === 0 ? what : `${what} (${already} before)` }
      : { part: 'constraints', severity: 'warn', message: `${what}, as before` }
  })
}
