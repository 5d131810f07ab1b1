/**
 * One-shot restores as the database remembers them: `lockkeeper_restores`, one row a value. The row goes into the content
 * that is restored, so it is there exactly when that is; and no restore leaves it behind, so it outlives going back to
 * an older backup. The table is there only where such a restore was done.
 */
import type { Connection } from '../database/connection.ts'
import { occupied, restoresTable } from './bookkeeping.ts'

export interface RestoreRow {
  /** What was asked for. */
  readonly value: string
  readonly backup_id: string
  /** Of what was there before; null: nothing was. */
  readonly safety_backup_id: string | null
  /** ISO 8601, UTC. */
  readonly restored_at: string
  /** When the content had been checked in its place and the repository knew of it; null: killed before. */
  readonly confirmed_at: string | null
}

const columns = ['value', 'backup_id', 'safety_backup_id', 'restored_at', 'confirmed_at'] as const

/** All of them. @throws LockkeeperError `invalid` where that name belongs to something else */
export async function readRestores(connection: Connection): Promise<RestoreRow[]> {
  const found = await connection.all<{ name: string }>(
    `SELECT lower(c.name) AS name FROM main.sqlite_schema AS s, pragma_table_info(s.name, 'main') AS c
     WHERE lower(s.name) = '${restoresTable}'`,
  )
  if (found.length === 0) return []
  const names = new Set(found.map(({ name }) => name))
  if (!columns.every(name => names.has(name))) throw occupied(restoresTable)
  return connection.all<RestoreRow>(`SELECT ${columns.join(', ')} FROM main.${restoresTable} ORDER BY restored_at`)
}

/** Adds those that are not there yet. */
export async function keepRestores(connection: Connection, rows: readonly RestoreRow[]): Promise<void> {
  if (rows.length === 0) return
  await connection.exec(`CREATE TABLE IF NOT EXISTS ${restoresTable} (
    value TEXT NOT NULL PRIMARY KEY,
    backup_id TEXT NOT NULL,
    safety_backup_id TEXT,
    restored_at TEXT NOT NULL,
    confirmed_at TEXT
  )`)
  for (const row of rows)
    await connection.all(
      `INSERT OR IGNORE INTO main.${restoresTable} (${columns.join(', ')}) VALUES (?, ?, ?, ?, ?)`,
      ...columns.map(name => row[name]),
    )
}

export async function confirmRestore(connection: Connection, value: string, at: Date): Promise<void> {
  await connection.all(
    `UPDATE main.${restoresTable} SET confirmed_at = ? WHERE value = ? AND confirmed_at IS NULL`,
    at.toISOString(),
    value,
  )
}
