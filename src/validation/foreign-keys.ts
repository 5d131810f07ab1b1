/**
 * Foreign keys, checked for the tables that were touched and for those that refer to them.
 *
 * Rows without a parent are found by a join along the key, which reads an index of the child where there is one: several
 * times faster than `PRAGMA foreign_key_check`, and with the same result. A value is compared as SQLite compares it
 * here, by the parent's affinity and collation: the parent's column stands on the left, and the `+` takes away the
 * affinity of the child's.
 */
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import { fold } from '../schema/model.ts'
import { counted } from '../units.ts'
import type { Finding } from './findings.ts'
import { describeRows, keyColumnsOf } from './row-keys.ts'

/** A foreign key of which rows have no parent, or which could not be checked. */
export interface Violation {
  readonly key: ForeignKey
  readonly rows: number
  /** Some of these rows by their keys, for a message. */
  readonly sample: string
  /** Why the key could not be checked; then `rows` says nothing. */
  readonly unchecked?: string
}

/** A foreign key as it is defined. */
export interface ForeignKey {
  readonly child: string
  /** As it is written in the definition. */
  readonly parent: string
  readonly from: readonly string[]
  readonly to: readonly (string | null)[]
}

interface KeyColumn {
  readonly child: string
  readonly id: number
  readonly parent: string
  readonly from: string
  /** Null where the definition names no columns: then it is the parent's primary key. */
  readonly to: string | null
}

/**
 * The tables whose foreign keys a change of these tables could break: themselves, and those that refer to them.
 * Of the tables that are there; in any case of letters.
 */
export async function concernedTables(connection: Connection, touched: readonly string[]): Promise<string[]> {
  const names = new Set(touched.map(fold))
  const keys = await foreignKeysOf(connection)
  const concerned = keys.filter(({ child, parent }) => names.has(fold(child)) || names.has(fold(parent)))
  return [...new Set(concerned.map(({ child }) => child))]
}

/** Counts the rows that break a foreign key of these tables, of those that are there. A missing parent table counts. */
export async function findViolations(connection: Connection, tables: readonly string[]): Promise<Violation[]> {
  const violations: Violation[] = []
  for (const { key, rows } of await orphansOf(connection, tables)) {
    const found = 'unchecked' in rows ? rows : await countOrphans(connection, rows)
    if ('unchecked' in found) violations.push({ key, rows: 0, sample: '', unchecked: found.unchecked })
    else if (found.count > 0 && 'from' in rows)
      violations.push({ key, rows: found.count, sample: await describeRows(connection, key.child, rows.from) })
  }
  return violations
}

/** What is broken, each a failure. @param severity of rows without a parent; a key that cannot be checked is a warning */
export function violationFinding({ key, rows, sample, unchecked }: Violation, severity: Finding['severity']): Finding {
  const { child, from, parent } = key
  const columns = from.join(', ')
  if (unchecked !== undefined)
    return {
      part: 'constraints',
      severity: 'warn',
      message: `the foreign key of ${child} by ${columns} to ${parent} could not be checked: ${unchecked}`,
    }
  const which = sample === '' ? '' : `: ${sample}`
  const message = `${counted(rows, 'row')} of ${child} refer by ${columns} to a row of ${parent} that is not there${which}`
  return { part: 'constraints', severity, message }
}

/** Rows without a parent as SQL goes on after `SELECT ...`: the table is called `child`, and `AND ...` may follow. */
export interface OrphanRows {
  readonly from: string
}

/** For each foreign key of these tables where its orphans are, or why nobody can tell. */
export async function orphansOf(
  connection: Connection,
  tables: readonly string[],
): Promise<{ readonly key: ForeignKey; readonly rows: OrphanRows | { readonly unchecked: string } }[]> {
  const wanted = new Set(tables.map(fold))
  const keys = (await foreignKeysOf(connection)).filter(({ child }) => wanted.has(fold(child)))
  if (keys.length === 0) return []
  const primaryKeys = await keyColumnsOf(connection)
  return keys.map(key => ({ key, rows: orphanRows(key, primaryKeys.get(fold(key.parent))) }))
}

/** All foreign keys of the main schema. */
export async function foreignKeysOf(connection: Connection): Promise<ForeignKey[]> {
  const columns = await connection.all<KeyColumn>(
    `SELECT m.name AS child, k.id, k."table" AS parent, k."from", k."to"
     FROM main.sqlite_schema AS m, pragma_foreign_key_list(m.name, 'main') AS k
     WHERE m.type = 'table' ORDER BY m.name, k.id, k.seq`,
  )
  return [...Map.groupBy(columns, ({ child, id }) => JSON.stringify([child, id])).values()].map(list => ({
    child: list[0]!.child,
    parent: list[0]!.parent,
    from: list.map(column => column.from),
    to: list.map(column => column.to),
  }))
}

function orphanRows(
  { child, parent, from, to }: ForeignKey,
  primaryKey: readonly string[] | undefined,
): OrphanRows | { readonly unchecked: string } {
  const table = `main.${quoteName(child)} AS child`
  const given = from.map(column => `child.${quoteName(column)} IS NOT NULL`).join(' AND ')
  if (primaryKey === undefined) return { from: `FROM ${table} WHERE ${given}` }
  const target = to.map((column, at) => column ?? primaryKey[at])
  if (target.includes(undefined) || (to.includes(null) && primaryKey.length !== from.length))
    return {
      unchecked: `${parent} has no primary key of ${from.length === 1 ? 'one column' : `${from.length} columns`}`,
    }
  const parts = target.map((column, at) => `parent.${quoteName(column!)} = +child.${quoteName(from[at]!)}`)
  return {
    from: `FROM ${table} LEFT JOIN main.${quoteName(parent)} AS parent ON ${parts.join(' AND ')}
      WHERE ${given} AND parent.${quoteName(target[0]!)} IS NULL`,
  }
}

const generalError = 1

/** How many there are; or why nobody can tell. */
export async function countOrphans(
  connection: Connection,
  { from }: OrphanRows,
): Promise<{ readonly count: number } | { readonly unchecked: string }> {
  try {
    const [row] = await connection.all<{ n: number }>(`SELECT count(*) AS n ${from}`)
    return { count: row?.n ?? 0 }
  } catch (error) {
    if (error instanceof SqliteError && error.primary === generalError) return { unchecked: error.message }
    throw error
  }
}
