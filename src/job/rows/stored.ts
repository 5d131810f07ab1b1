/** Some columns of a table as they are stored, for somebody who knows what they mean. */
import { type Connection, quoteName, type Value } from '../../database/connection.ts'
import { LockkeeperError } from '../../errors.ts'

export interface StoredColumns {
  readonly table: string
  readonly columns: readonly string[]
  /** The columns that tell a person which row it is. */
  readonly label: readonly string[]
}

export interface StoredRow {
  readonly rowid: number
  /** Columns that tell a person which row it is. */
  readonly label: readonly Value[]
  readonly cells: Readonly<Record<string, Value>>
}

/** @throws LockkeeperError `invalid` where the table or a column is not there */
export async function readStored(
  connection: Connection,
  { columns, label, table }: StoredColumns,
): Promise<StoredRow[]> {
  const there = await connection.all<{ name: string }>(`SELECT name FROM pragma_table_info(?, 'main')`, table)
  const missing = [...columns, ...label].filter(name => !there.some(column => column.name === name))
  if (missing.length > 0)
    throw new LockkeeperError('invalid', `the database has no ${missing.map(name => `${table}.${name}`).join(', ')}`, {
      hint: 'Nothing was touched. lockkeeper run brings the database to its level first; is DATABASE_URL right?',
    })
  const names = [...columns, ...label].map(quoteName).join(', ')
  const rows = await connection.all<Record<string, Value> & { lockkeeper_rowid: number }>(
    `SELECT rowid AS lockkeeper_rowid, ${names} FROM main.${quoteName(table)} ORDER BY rowid`,
  )
  return rows.map(row => ({
    rowid: row.lockkeeper_rowid,
    label: label.map(name => row[name] ?? null),
    cells: Object.fromEntries(columns.map(name => [name, row[name] ?? null])),
  }))
}
