/**
 * The counters of AUTOINCREMENT. SQLite keeps the highest number that a table ever gave out, and never gives one out
 * twice; a rebuild (make a new table, copy, drop the old one, rename the new one) would lose it: the new table counts
 * from the highest row that is still there, and a number that the application has handed out before comes again.
 */
import type { Connection } from '../database/connection.ts'
import { readCreateTable } from '../schema/create-table.ts'
import { fold } from '../schema/model.ts'
import { placesOf } from './rows.ts'

/** The highest number ever given out, by table; as text, for it may be beyond 2^53. */
export type Counters = ReadonlyMap<string, string>

export interface KeptCounter {
  readonly table: string
  readonly at: string
}

/** Of the tables that have one. */
export async function readCounters(connection: Connection): Promise<Counters> {
  const [sequence] = await connection.all(`SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'`)
  if (sequence === undefined) return new Map()
  const rows = await connection.all<{ name: string; at: string }>(
    'SELECT name, CAST(max(seq) AS TEXT) AS at FROM main.sqlite_sequence WHERE seq IS NOT NULL GROUP BY name',
  )
  return new Map(rows.map(({ name, at }) => [name, at]))
}

/**
 * Sets the counters of tables that are still there, and still have one, to what they were where they are lower now.
 * @param renames where tables went, old name to new, folded
 * @returns which ones
 */
export async function keepCounters(
  connection: Connection,
  before: Counters,
  renames: ReadonlyMap<string, string>,
): Promise<KeptCounter[]> {
  if (before.size === 0) return []
  const tables = await connection.all<{ name: string; sql: string }>(
    `SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'`,
  )
  const there = new Map(tables.map(({ name, sql }) => [fold(name), { name, sql }]))
  const now = await readCounters(connection)
  const places = placesOf(before.keys(), there.keys(), renames)
  const kept: KeptCounter[] = []
  for (const [old, at] of before) {
    const table = there.get(places.get(old) ?? '')
    if (table === undefined || BigInt(now.get(table.name) ?? '0') >= BigInt(at)) continue
    if (!readCreateTable(table.sql).autoincrement) continue
    await connection.all('DELETE FROM main.sqlite_sequence WHERE name = ?', table.name)
    await connection.all('INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, CAST(? AS INTEGER))', table.name, at)
    kept.push({ table: table.name, at })
  }
  return kept
}
