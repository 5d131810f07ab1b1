/**
 * The rows that a migration puts in itself: seeds, defaults. They are noted when it is applied, each by its key and a hash
 * over its values, so that its down may take them away again without a permission as long as nobody has changed them.
 *
 * Only those count that it also puts into an empty database, in the replay: what it moves or copies from other tables is
 * somebody's data. And only those that were not there before. More than fit are not noted, and count as somebody's.
 */
import { createHash } from 'node:crypto'
import { type Connection, quoteName } from '../database/connection.ts'
import type { Replaying } from '../migrations/expected.ts'
import type { Script } from '../migrations/model.ts'
import type { Intact } from '../migrations/progress.ts'
import { countRows, type RowCounts } from '../migrations/rows.ts'
import { split } from '../migrations/split.ts'
import { insertedInto } from '../migrations/table-changes.ts'
import { fold } from '../schema/model.ts'
import { keyColumnsOf, textOf } from '../validation/row-keys.ts'

/** By table: the key of a row (or, without a primary key, its hash) to the hash over its values. */
export type OwnRows = Readonly<Record<string, Readonly<Record<string, string>>>>

const mostRows = 1000

/**
 * @param inserted folded names of tables that were there and that it may insert into; undefined: all
 * @returns what is called once the migration has run, with the rows of then and where tables went
 */
export async function watchOwnRows(
  db: Connection,
  before: RowCounts,
  inserted?: ReadonlySet<string>,
): Promise<(after: RowCounts, renames: ReadonlyMap<string, string>) => Promise<OwnRows>> {
  const earlier = new Map<string, Readonly<Record<string, string>>>()
  for (const [table, rows] of before) {
    if (rows > mostRows || inserted?.has(fold(table)) === false) continue
    earlier.set(table, rows === 0 ? {} : await rowsOf(db, table))
  }
  return async (after, renames) => {
    const moved = new Set(renames.values())
    const own: Record<string, Record<string, string>> = {}
    for (const [table, rows] of after) {
      const known = before.has(table) ? earlier.get(table) : {}
      if (known === undefined || rows === 0 || rows > mostRows || moved.has(fold(table))) continue
      const added = Object.entries(await rowsOf(db, table)).filter(([key]) => known[key] === undefined)
      if (added.length > 0) own[table] = Object.fromEntries(added)
    }
    return own
  }
}

/** The tables that an SQL script inserts into, as far as its text says; of a module nobody knows. */
export function tablesInsertedInto(script: Script): ReadonlySet<string> {
  const tables = new Set<string>()
  if (script.kind === 'module') return tables
  for (const statement of split(script.sql)) {
    const table = insertedInto(statement)
    if (table !== undefined) tables.add(table)
  }
  return tables
}

/** Whether a script may make rows without an INSERT: CREATE TABLE AS, or a trigger that an UPDATE fires. */
function makesRows(script: Script): boolean {
  return script.kind === 'module' || /\b(AS|UPDATE|DELETE|WITH)\b/i.test(script.sql)
}

/** Those of the first that are in the second as well, with the same values. */
export function inBoth(first: OwnRows, second: OwnRows): OwnRows {
  const both: Record<string, Record<string, string>> = {}
  for (const [table, rows] of Object.entries(first)) {
    const same = Object.entries(rows).filter(([key, hash]) => second[table]?.[key] === hash)
    if (same.length > 0) both[table] = Object.fromEntries(same)
  }
  return both
}

/** Watches the replay of migrations. @param versions which of them */
export class ReplayedRows {
  readonly #versions: ReadonlySet<string>
  readonly #own = new Map<string, OwnRows>()

  constructor(versions: Iterable<string>) {
    this.#versions = new Set(versions)
  }

  /** Calls `apply`, which replays a migration. */
  readonly around: Replaying = async (memory, { up, version }, apply) => {
    if (!this.#versions.has(version)) return void (await apply())
    const inserted = up.kind === 'module' ? undefined : tablesInsertedInto(up)
    const there = await tablesOf(memory)
    // Of a migration that inserts nothing, there is nothing to look at.
    if (inserted?.size === 0 && !makesRows(up)) return void (await apply())
    const ownRows = await watchOwnRows(memory, await countRows(memory, [], inserted && [...inserted]), inserted)
    const { renames } = await apply()
    const made = [...(await tablesOf(memory))].filter(table => !there.has(table))
    const counted = inserted === undefined ? undefined : [...inserted, ...made]
    this.#own.set(version, await ownRows(await countRows(memory, [], counted), renames))
  }

  /** What a migration puts into an empty database. */
  of(version: string): OwnRows {
    return this.#own.get(version) ?? {}
  }
}

/** Which of them are still there as they were, by folded name of the table. */
export async function intactOwnRows(db: Connection, own: OwnRows): Promise<ReadonlyMap<string, Intact>> {
  const intact = new Map<string, Intact>()
  for (const [table, rows] of Object.entries(own)) {
    const by = await toldApartBy(db, table)
    if (by === undefined) continue
    const now = await rowsOf(db, table, by.hasKey ? Object.keys(rows) : undefined)
    const keys = Object.keys(rows).filter(key => now[key] === rows[key])
    intact.set(fold(table), { by: by.columns, keys })
  }
  return intact
}

/**
 * How many of those are gone since. One that is there with other values is not, nor is any known to be where the rows are
 * told apart by other columns now: what is taken for gone lets as many others go.
 */
export async function countGone(
  db: Connection,
  intact: ReadonlyMap<string, Intact>,
): Promise<ReadonlyMap<string, number>> {
  const there = await tablesOf(db)
  const gone = new Map<string, number>()
  for (const [table, { by, keys }] of intact) {
    if (!there.has(table)) {
      gone.set(table, keys.length)
      continue
    }
    const now = await toldApartBy(db, table)
    if (now === undefined || JSON.stringify(now.columns) !== JSON.stringify(by)) continue
    const rows = await rowsOf(db, table, now.hasKey ? keys : undefined)
    gone.set(table, keys.filter(key => rows[key] === undefined).length)
  }
  return gone
}

/** Undefined where the table is not there, or has no key and more rows than are looked at. */
async function toldApartBy(db: Connection, table: string) {
  const key = (await keyColumnsOf(db)).get(fold(table))
  if (key === undefined) return undefined
  if (key.length > 0) return { columns: key.map(fold), hasKey: true }
  const [rows] = (await countRows(db, [], [table])).values()
  if (rows === undefined || rows > mostRows) return undefined
  const columns = await db.all<{ name: string }>(
    `SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0 ORDER BY name`,
    table,
  )
  return { columns: columns.map(({ name }) => fold(name)), hasKey: false }
}

async function tablesOf(db: Connection): Promise<ReadonlySet<string>> {
  const tables = await db.all<{ name: string }>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`)
  return new Set(tables.map(({ name }) => fold(name)))
}

/** @param wanted only these keys */
async function rowsOf(
  db: Connection,
  table: string,
  wanted?: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const keys = (await keyColumnsOf(db)).get(fold(table)) ?? []
  const columns = await db.all<{ name: string }>(
    `SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0 ORDER BY name`,
    table,
  )
  const values = columns.map(({ name }, at) => `quote(child.${quoteName(name)}) AS v${at}`)
  const key = keys.length === 0 ? 'NULL' : textOf(keys, 'child')
  const where = wanted === undefined ? `LIMIT ${mostRows + 1}` : `WHERE ${key} IN (SELECT value FROM json_each(?))`
  const rows = await db.all<Record<string, string | null>>(
    `SELECT ${[...values, `${key} AS k`].join(', ')} FROM main.${quoteName(table)} AS child ${where}`,
    ...(wanted === undefined ? [] : [JSON.stringify(wanted)]),
  )
  const names = columns.map(({ name }) => fold(name))
  return Object.fromEntries(
    rows.map(({ k, ...row }) => {
      const hash = hashOf(names, Object.values(row))
      return [k ?? hash, hash]
    }),
  )
}

function hashOf(names: readonly string[], values: readonly (string | null)[]): string {
  return createHash('sha256')
    .update(JSON.stringify([names, values]))
    .digest('hex')
    .slice(0, 16)
}
