/** Replaces values of some columns of a table in a managed database, under the lock, after a backup. */
import { type Connection, quoteName, type Workspace } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { changeRows, type RowsJobOptions, type RowsResult } from './rows/change.ts'
import { readStored, type StoredColumns, type StoredRow } from './rows/stored.ts'

/** The columns are those of which values are replaced. */
export interface Rewriting extends StoredColumns {
  /**
   * The new values by column, for the rows that get some. Throws a `LockkeeperError` for what cannot be. Asked again
   * once they are written: then there must be none left.
   */
  readonly decide: (rows: readonly StoredRow[]) => readonly NewCells[]
}

export interface NewCells {
  readonly rowid: number
  readonly cells: Readonly<Record<string, string>>
}

export interface RewritePlan {
  /** How many rows the table has. */
  readonly rows: number
  readonly changes: readonly NewCells[]
}

/** @throws LockkeeperError as `changeRows`, and what `decide` throws; `invalid` where a value is not there afterwards */
export function rewriteCells(options: RowsJobOptions, rewriting: Rewriting): Promise<RowsResult<RewritePlan>> {
  const { decide, table } = rewriting
  const plan = async (connection: Connection): Promise<RewritePlan> => {
    const rows = await readStored(connection, rewriting)
    return { rows: rows.length, changes: decide(rows) }
  }
  return changeRows(options, {
    action: 'encrypt',
    plan,
    amounts: ({ changes }) => new Map(changes.length === 0 ? [] : [[table, changes.length]]),
    describe: ({ changes, rows }) => `${changes.length} of ${rows} rows of ${table}`,
    prepare: async () => {},
    write: async (db, { changes, rows }) => {
      for (const change of changes) await write(db, table, change)
      const after = await readStored(db, rewriting)
      const now = new Map(after.map(row => [row.rowid, row.cells]))
      const isThere = ({ cells, rowid }: NewCells) =>
        Object.entries(cells).every(([name, value]) => now.get(rowid)?.[name] === value)
      if (after.length !== rows || !changes.every(isThere) || decide(after).length > 0)
        throw new LockkeeperError('invalid', `not every value of ${table} is there as it was written`, {
          hint: 'Everything was rolled back. Look at the triggers of that table.',
        })
    },
  })
}

async function write(db: Workspace, table: string, { cells, rowid }: NewCells): Promise<void> {
  const set = Object.keys(cells).map(name => `${quoteName(name)} = ?`)
  await db.all(`UPDATE main.${quoteName(table)} SET ${set.join(', ')} WHERE rowid = ?`, ...Object.values(cells), rowid)
}
