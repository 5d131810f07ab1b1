/** What is in a database, so that two states of it can be compared without keeping both: definitions, and a sum over the rows. */
import type { DatabaseProcess } from '../database/child-process.ts'
import { quoteName, SqliteError } from '../database/connection.ts'
import type { Digest } from '../database/native.ts'
import { ownAuditEntries } from '../migrations/audit.ts'
import { counted } from '../units.ts'

export interface Content {
  /** The definition of each object, by kind and name: `table orders`. */
  readonly objects: ReadonlyMap<string, string>
  /** By table. One that cannot be read (a virtual table whose module is not there) is left out. */
  readonly tables: ReadonlyMap<string, Digest>
}

/** @param own tables of Lockkeeper itself, which do not count */
export async function readContent(db: DatabaseProcess, own: readonly string[]): Promise<Content> {
  const left = new Set(own)
  const rows = await db.all<{ type: string; name: string; table: string; sql: string }>(
    `SELECT type, name, tbl_name AS "table", sql FROM main.sqlite_schema
     WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY instr('table index trigger view', type), name`,
  )
  const shadows = await db.all<{ name: string }>(
    `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'`,
  )
  const hidden = new Set(shadows.map(({ name }) => name))
  const counted = rows.filter(({ table }) => !left.has(table) && !hidden.has(table))
  const tables = new Map<string, Digest>()
  for (const { name, type } of counted) {
    const digest = type === 'table' ? await digestOf(db, name) : undefined
    if (digest !== undefined) tables.set(name, digest)
  }
  return { objects: new Map(counted.map(({ name, sql, type }) => [`${type} ${name}`, sql])), tables }
}

const generalError = 1

async function digestOf(db: DatabaseProcess, table: string): Promise<Digest | undefined> {
  const except = await ownAuditEntries(db, table)
  try {
    return await db.digest(
      `SELECT * FROM main.${quoteName(table)}${except === undefined ? '' : ` WHERE NOT (${except})`}`,
    )
  } catch (error) {
    if (error instanceof SqliteError && error.primary === generalError) return undefined
    throw error
  }
}

/** What is not as it was, a sentence each. */
export function differencesOf(before: Content, after: Content): string[] {
  const differences: string[] = []
  for (const object of new Set([...before.objects.keys(), ...after.objects.keys()])) {
    const [was, is] = [before.objects.get(object), after.objects.get(object)]
    if (was === undefined) differences.push(`${object} is left over`)
    else if (is === undefined) differences.push(`${object} is gone`)
    else if (was !== is) differences.push(`${object} is defined otherwise: ${oneLine(is)}, and was ${oneLine(was)}`)
  }
  for (const [table, was] of before.tables) {
    const is = after.tables.get(table)
    if (is === undefined || is.sum === was.sum) continue
    differences.push(
      is.rows === was.rows
        ? `the rows of ${table} have other values`
        : `${table} has ${counted(is.rows, 'row')}, and had ${was.rows}`,
    )
  }
  return differences
}

function oneLine(sql: string): string {
  const line = sql.replace(/\s+/g, ' ')
  return line.length <= 200 ? line : `${line.slice(0, 199)}…`
}
