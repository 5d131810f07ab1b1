/** The row guard: no table that was there ends with fewer rows unless the migration says that this is meant. */
import { type Connection, quoteName } from '../database/connection.ts'

/** Rows by table name. */
export type RowCounts = ReadonlyMap<string, number>

export interface RowLoss {
  readonly table: string
  readonly before: number
  /** Undefined: the table is gone. */
  readonly after: number | undefined
}

const atOnce = 100

/**
 * Counts the rows of tables; of all tables of the application without `only`. Shadow tables of full-text and R-Tree
 * indexes are left out: their rows come and go as SQLite reorganises them.
 */
export async function countRows(
  connection: Connection,
  exclude: readonly string[],
  only?: readonly string[],
): Promise<Map<string, number>> {
  const wanted = only === undefined ? undefined : new Set(only.map(lower))
  const left = new Set(exclude.map(lower))
  const all = await connection.all<{ name: string }>(
    `SELECT name FROM pragma_table_list
     WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`,
  )
  const names = all.map(row => row.name).filter(name => !left.has(lower(name)) && (wanted?.has(lower(name)) ?? true))
  const counts = new Map<string, number>()
  for (let start = 0; start < names.length; start += atOnce) {
    const some = names.slice(start, start + atOnce)
    const sql = some.map(
      (name, position) => `SELECT ${position} AS position, count(*) AS n FROM main.${quoteName(name)}`,
    )
    for (const { position, n } of await connection.all<{ position: number; n: number }>(sql.join(' UNION ALL ')))
      counts.set(some[position] ?? '', n)
  }
  return counts
}

/**
 * Pure. Compares counts before and after a migration.
 * @param renames old name to new, in lower case: a renamed table is followed
 * @param allowed tables that may lose rows
 */
export function lostRows(
  before: RowCounts,
  after: RowCounts,
  renames: ReadonlyMap<string, string>,
  allowed: readonly string[],
): RowLoss[] {
  const now = new Map([...after].map(([name, rows]) => [lower(name), rows]))
  const permitted = new Set(allowed.map(lower))
  const losses: RowLoss[] = []
  for (const [table, rows] of before) {
    if (permitted.has(lower(table))) continue
    const kept = now.get(lower(table)) ?? now.get(renames.get(lower(table)) ?? '')
    if (kept === undefined ? rows > 0 : kept < rows) losses.push({ table, before: rows, after: kept })
  }
  return losses
}

export function describeLoss({ table, before, after }: RowLoss): string {
  return after === undefined
    ? `${table} had ${before} rows and is gone`
    : `${table} had ${before} rows and would have ${after}`
}

function lower(name: string): string {
  return name.toLowerCase()
}
