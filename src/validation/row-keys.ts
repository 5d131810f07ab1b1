/** How rows are told apart, and named in a message: by their primary key. */
import { type Connection, quoteName, type Value } from '../database/connection.ts'
import { fold } from '../schema/model.ts'

const shownAtMost = 5
const longest = 40

/** The columns of the primary key, in its order, by folded name of the table; none where there is no such key. */
export async function keyColumnsOf(connection: Connection): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await connection.all<{ table: string; name: string | null }>(
    `SELECT m.name AS "table", c.name
     FROM main.sqlite_schema AS m LEFT JOIN pragma_table_info(m.name, 'main') AS c ON c.pk > 0
     WHERE m.type = 'table' AND m.rootpage > 0 ORDER BY m.name, c.pk`,
  )
  const groups = Map.groupBy(rows, row => fold(row.table))
  return new Map([...groups].map(([table, list]) => [table, list.flatMap(({ name }) => name ?? [])]))
}

/** One text for the values of these columns: the same for the same values, also where their type has changed. */
export function textOf(columns: readonly string[], alias: string): string {
  return columns.map(column => `coalesce(CAST(${alias}.${quoteName(column)} AS TEXT), '')`).join(' || char(31) || ')
}

/**
 * Up to five rows by their keys, in their order: `id 3, 4 and more`.
 * @param from what follows `SELECT ...`, with `?` for the params; the table is called `child` there
 */
export async function describeRows(
  connection: Connection,
  table: string,
  from: string,
  ...params: readonly Value[]
): Promise<string> {
  const named = (await keyColumnsOf(connection)).get(fold(table)) ?? []
  const columns = named.length === 0 ? ['rowid'] : named
  const list = columns.map((column, at) => `CAST(child.${quoteName(column)} AS TEXT) AS c${at}`).join(', ')
  const order = columns.map(column => `child.${quoteName(column)}`).join(', ')
  const sql = `SELECT ${list} ${from} ORDER BY ${order} LIMIT ${shownAtMost + 1}`
  const rows = await connection.all<Record<string, string | null>>(sql, ...params)
  return describeKeys(
    columns,
    rows.map(row => Object.values(row)),
  )
}

/** @param keys values of the columns, row by row; one more than are shown says that there are more */
export function describeKeys(columns: readonly string[], keys: readonly (readonly (string | null)[])[]): string {
  const shown = keys.slice(0, shownAtMost).map(values => {
    const texts = values.map(value => (value === null ? 'NULL' : shorten(value)))
    return texts.length === 1 ? texts[0] : `(${texts.join(', ')})`
  })
  const name = columns.length === 1 ? columns[0] : `(${columns.join(', ')})`
  return `${name} ${shown.join(', ')}${keys.length > shown.length ? ' and more' : ''}`
}

function shorten(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}
