/** How many rows each table has, for a manifest: so that whoever looks at a backup sees that they are all there. */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'

/** Beyond these a manifest does not say it: it would become large, and nobody would read it. */
const mostTables = 10_000
const longestNames = 1024 * 1024

const tablesAtOnce = 100
const generalError = 1

/**
 * Rows by table. Ordinary tables only: what virtual ones hold is in their shadow tables, whose rows come and go as SQLite
 * reorganises them. Undefined where there are very many tables, or where a table needs something of the application's
 * (a function in a generated column).
 */
export async function tableRows(connection: Connection): Promise<Readonly<Record<string, number>> | undefined> {
  const tables = await connection.all<{ name: string }>(
    `SELECT name FROM pragma_table_list
     WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`,
  )
  const length = tables.reduce((sum, { name }) => sum + name.length, 0)
  if (tables.length > mostTables || length > longestNames) return undefined
  const counted: [string, number][] = []
  try {
    for (let start = 0; start < tables.length; start += tablesAtOnce) {
      const some = tables.slice(start, start + tablesAtOnce)
      const counts = some.map(({ name }, at) => `SELECT ${at} AS at, count(*) AS n FROM main.${quoteName(name)}`)
      for (const { at, n } of await connection.all<{ at: number; n: number }>(counts.join(' UNION ALL ')))
        counted.push([some[at]!.name, n])
    }
  } catch (error) {
    if (error instanceof SqliteError && error.primary === generalError) return undefined
    throw error
  }
  return Object.fromEntries(counted)
}
