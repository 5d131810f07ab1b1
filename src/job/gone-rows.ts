/**
 * Which rows went, for the message of the row guard. What is left is noted while the migration still stands, and looked
 * up in what was there before once everything is rolled back.
 */
import { quoteName, type Workspace } from '../database/connection.ts'
import type { RowLoss } from '../migrations/rows.ts'
import { fold } from '../schema/model.ts'
import { describeRows, keyColumnsOf, textOf } from '../validation/row-keys.ts'

/** Of a table that has lost rows. */
export interface Left {
  readonly loss: RowLoss
  /** Its name in the database as it was. */
  readonly table: string
  /** The columns that tell its rows apart. */
  readonly columns: readonly string[]
  /** A JSON array with the key of each row that is left. */
  readonly keys: string
}

/** So many keys are kept in memory for the comparison, about 10 MB of text; of a larger table none are named. */
const atMost = 500_000

/**
 * Notes the rows that are left.
 * @param was the name that a table had before any of it
 * @param is the folded name that it has now; undefined: it is gone
 */
export async function noteLeft(
  db: Workspace,
  loss: RowLoss,
  was: string,
  is: string | undefined,
): Promise<Left | undefined> {
  if (is === undefined || loss.after === undefined) return { loss, table: was, columns: [], keys: '[]' }
  if (loss.after > atMost) return undefined
  const columns = (await keyColumnsOf(db)).get(is) ?? []
  if (columns.length === 0) return undefined
  const [row] = await db.all<{ keys: string }>(
    `SELECT json_group_array(${textOf(columns, 'child')}) AS keys FROM main.${quoteName(is)} AS child`,
  )
  return row === undefined ? undefined : { loss, table: was, columns, keys: row.keys }
}

/** Names up to five rows that were there and are not left; undefined where they cannot be told apart. */
export async function nameGone(db: Workspace, { columns, keys, loss, table }: Left): Promise<string | undefined> {
  const before = (await keyColumnsOf(db)).get(fold(table))
  if (before === undefined) return undefined
  const from = `FROM main.${quoteName(table)} AS child`
  if (loss.after === undefined) return describeRows(db, table, from)
  if (JSON.stringify(before.map(fold)) !== JSON.stringify(columns.map(fold))) return undefined
  return describeRows(
    db,
    table,
    `${from} WHERE ${textOf(before, 'child')} NOT IN (SELECT value FROM json_each(?))`,
    keys,
  )
}
