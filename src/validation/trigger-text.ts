/** What only the text of a CREATE TRIGGER says: SQLite does not look whether the columns of an UPDATE OF are there. */
import { Cursor } from '../schema/cursor.ts'
import { significantTokens } from '../schema/tokens.ts'

/** The columns in `UPDATE OF a, b`, or none. */
export function updateColumnsOf(sql: string): string[] {
  // SQLite stores `CREATE TRIGGER name ...`, without TEMP, schema or IF NOT EXISTS.
  const cursor = new Cursor(significantTokens(sql), 3)
  if (!cursor.takes('BEFORE') && !cursor.takes('AFTER')) cursor.takes('INSTEAD', 'OF')
  if (!cursor.takes('UPDATE', 'OF')) return []
  const columns = [cursor.name()]
  while (cursor.takes(',')) columns.push(cursor.name())
  return columns
}
