/** The row guard: no table that was there ends with fewer rows unless the migration says that this is meant. */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import { fold } from '../schema/model.ts'
import { counted } from '../units.ts'

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
 * indexes are left out: their rows come and go as SQLite reorganises them. So are virtual tables that cannot be counted,
 * as their module is not there or knows no way to read them all.
 * @param only names in any case of letters; it does no harm if more tables are counted than these
 */
export async function countRows(
  connection: Connection,
  exclude: readonly string[],
  only?: readonly string[],
): Promise<Map<string, number>> {
  const left = new Set(exclude.map(fold))
  const wanted = only === undefined ? undefined : new Set(only.map(name => name.toLowerCase()))
  const isWanted = ({ name }: { name: string }) =>
    !left.has(fold(name)) && (wanted === undefined || wanted.has(name.toLowerCase()))
  const all = await connection.all<{ name: string; type: string }>(
    `SELECT name, type FROM pragma_table_list
     WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`,
  )
  const tables = all.filter(isWanted)
  const counts = new Map<string, number>()
  const ordinary = tables.filter(({ type }) => type === 'table').map(({ name }) => name)
  for (let start = 0; start < ordinary.length; start += atOnce)
    for (const [name, rows] of await countTogether(connection, ordinary.slice(start, start + atOnce)))
      counts.set(name, rows)
  for (const { name, type } of tables) {
    if (type !== 'virtual') continue
    const rows = await countVirtual(connection, name)
    if (rows !== undefined) counts.set(name, rows)
  }
  return counts
}

async function countTogether(connection: Connection, names: readonly string[]): Promise<(readonly [string, number])[]> {
  const sql = names.map((name, at) => `SELECT ${at} AS at, count(*) AS n FROM main.${quoteName(name)}`)
  const rows = await connection.all<{ at: number; n: number }>(sql.join(' UNION ALL '))
  return rows.map(({ at, n }) => [names[at]!, n] as const)
}

const generalError = 1

async function countVirtual(connection: Connection, name: string): Promise<number | undefined> {
  try {
    const [row] = await connection.all<{ n: number }>(`SELECT count(*) AS n FROM main.${quoteName(name)}`)
    return row?.n
  } catch (error) {
    if (error instanceof SqliteError && error.primary === generalError) return undefined
    throw error
  }
}

/**
 * Pure. Which table of now is to be compared with each of those before. A table that was renamed is followed. One that
 * was dropped, or renamed and dropped, is the one that has its name now, unless that is another one that was there before.
 * @param renames where tables went, old name to new, folded
 * @returns by the name before, as given: the name now, folded; undefined where there is none
 */
export function placesOf(
  before: Iterable<string>,
  after: Iterable<string>,
  renames: ReadonlyMap<string, string>,
): Map<string, string | undefined> {
  const now = new Set([...after].map(fold))
  const names = [...before]
  /** Names that now belong to a table that had another name before. */
  const taken = new Map(
    names.flatMap(name => (renames.has(fold(name)) ? [[renames.get(fold(name))!, fold(name)]] : [])),
  )
  return new Map(
    names.map(table => {
      const name = fold(table)
      const isIts = (each: string | undefined) =>
        each !== undefined && now.has(each) && (taken.get(each) ?? name) === name
      return [table, [renames.get(name), name].find(isIts)]
    }),
  )
}

/**
 * Pure. Compares counts before and after a migration, of each table with what became of it.
 * @param renames where tables went, old name to new, folded
 * @param allowed tables that may lose rows, by the old name or by the new
 * @param free rows that may go of each table, by its folded name
 */
export function lostRows(
  before: RowCounts,
  after: RowCounts,
  renames: ReadonlyMap<string, string>,
  allowed: readonly string[],
  free: ReadonlyMap<string, number> = new Map(),
): RowLoss[] {
  const now = new Map([...after].map(([name, rows]) => [fold(name), rows]))
  const permitted = new Set(allowed.map(fold))
  const places = placesOf(before.keys(), after.keys(), renames)
  const losses: RowLoss[] = []
  for (const [table, rows] of before) {
    const name = fold(table)
    const went = renames.get(name)
    if (permitted.has(name) || (went !== undefined && permitted.has(went))) continue
    const kept = now.get(places.get(table) ?? '')
    const owed = rows - (free.get(name) ?? 0)
    if (kept === undefined ? owed > 0 : kept < owed) losses.push({ table, before: rows, after: kept })
  }
  return losses
}

export function describeLoss({ table, before, after }: RowLoss): string {
  const had = `${table} had ${counted(before, 'row')}`
  return after === undefined ? `${had} and is gone` : `${had} and would have ${after}`
}
