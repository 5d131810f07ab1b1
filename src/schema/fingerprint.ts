/** Whether a schema is still exactly what it was, found with one query. */
import { createHash } from 'node:crypto'
import type { Connection } from '../database/connection.ts'
import { fold } from './model.ts'

export interface FingerprintOptions {
  /** Tables that do not count, nor what hangs on them (indexes, triggers). Names, no patterns; default none. */
  readonly exclude?: readonly string[]
}

/**
 * SHA-256, in hex, of the definitions in the main schema as they are stored. Any change of one changes it, also one that
 * `compareSchemas` would call equal. SQLite's internal objects do not count: ANALYZE, for one, makes tables of its own.
 */
export async function schemaFingerprint(
  connection: Connection,
  { exclude = [] }: FingerprintOptions = {},
): Promise<string> {
  const excluded = new Set(exclude.map(fold))
  const rows = await connection.all<{ type: string; name: string; tbl_name: string; sql: string | null }>(
    'SELECT type, name, tbl_name, sql FROM main.sqlite_schema',
  )
  const lines = rows
    .filter(row => !fold(row.name).startsWith('sqlite_') && !excluded.has(fold(row.tbl_name)))
    .map(row => JSON.stringify([row.type, row.name, row.tbl_name, row.sql]))
    // Sorted here: the order of SQLite's BINARY depends on the encoding of the database.
    .sort()
  return hashOf(lines)
}

function hashOf(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

/** Of a schema with nothing in it. */
export const emptyFingerprint = hashOf([])
