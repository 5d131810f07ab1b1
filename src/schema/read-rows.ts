/** The queries behind `readSchema`: five, whatever the number of tables, since the pragmas are joined as tables. */
import type { Connection } from '../database/connection.ts'
import { readCreateVirtual } from './create-virtual.ts'
import { fold } from './model.ts'
import { nameOf } from './tokens.ts'

export interface SchemaObject {
  readonly type: 'table' | 'index' | 'view' | 'trigger'
  readonly name: string
  /** The table that it belongs to; its own name for a table. */
  readonly table: string
  readonly sql: string
}

export interface ColumnRow {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly notnull: number
  readonly default: string | null
  readonly pk: number
  /** 2: generated, virtual; 3: generated, stored. */
  readonly hidden: number
}

export interface IndexRow {
  readonly table: string
  readonly index: string
  readonly unique: number
  /** `c`: CREATE INDEX, `u`: a UNIQUE constraint, `pk`: a primary key. */
  readonly origin: string
  /** Null for an expression. */
  readonly name: string | null
  readonly desc: number
  readonly collation: string
}

export interface ForeignKeyRow {
  readonly table: string
  /** Counts from the last one in the text to the first. */
  readonly id: number
  readonly from: string
  readonly parent: string
  /** Null where the definition names no columns. */
  readonly to: string | null
  readonly onUpdate: string
  readonly onDelete: string
}

/** Rows by folded name of their table (columns, foreign keys), or of the index. */
export interface SchemaRows {
  readonly objects: readonly SchemaObject[]
  readonly options: ReadonlyMap<string, { readonly wr: number; readonly strict: number }>
  readonly columns: ReadonlyMap<string, readonly ColumnRow[]>
  readonly indexes: ReadonlyMap<string, readonly IndexRow[]>
  readonly foreignKeys: ReadonlyMap<string, readonly ForeignKeyRow[]>
  /** The text of CREATE INDEX by folded name. */
  readonly indexSql: ReadonlyMap<string, string>
}

// A virtual table has no root page, and asking about one would need its module.
const ordinaryTables = `main.sqlite_schema AS m`
const isOrdinary = `m.type = 'table' AND m.rootpage > 0`

export async function readRows(connection: Connection): Promise<SchemaRows> {
  const all = await connection.all<SchemaObject & { readonly sql: string | null }>(
    `SELECT type, name, tbl_name AS "table", sql FROM main.sqlite_schema`,
  )
  const list = await connection.all<{ name: string; type: string; wr: number; strict: number }>(
    `SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'`,
  )
  const columns = await connection.all<ColumnRow>(
    `SELECT m.name AS "table", c.name, c.type, c."notnull", c.dflt_value AS "default", c.pk, c.hidden
     FROM ${ordinaryTables}, pragma_table_xinfo(m.name, 'main') AS c WHERE ${isOrdinary} ORDER BY m.rowid, c.cid`,
  )
  const indexes = await connection.all<IndexRow>(
    `SELECT m.name AS "table", l.name AS "index", l."unique", l.origin, x.name, x."desc", x.coll AS collation
     FROM ${ordinaryTables}, pragma_index_list(m.name, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x
     WHERE ${isOrdinary} AND x.key ORDER BY m.rowid, l.seq DESC, x.seqno`,
  )
  const foreignKeys = await connection.all<ForeignKeyRow>(
    `SELECT m.name AS "table", f.id, f."from", f."table" AS parent, f."to", f.on_update AS onUpdate, f.on_delete AS onDelete
     FROM ${ordinaryTables}, pragma_foreign_key_list(m.name, 'main') AS f
     WHERE ${isOrdinary} ORDER BY m.rowid, f.id DESC, f.seq`,
  )
  const shadows = shadowTables(all, list)
  const objects = all.filter(
    ({ name, table, sql }) => sql !== null && !fold(name).startsWith('sqlite_') && !shadows.has(fold(table)),
  )
  return {
    objects,
    options: new Map(list.map(row => [fold(row.name), row])),
    columns: grouped(columns, row => row.table),
    indexes: grouped(indexes, row => row.table),
    foreignKeys: grouped(foreignKeys, row => row.table),
    indexSql: new Map(objects.filter(({ type }) => type === 'index').map(({ name, sql }) => [fold(name), sql])),
  }
}

/** What SQLite's modules call their shadow tables: `<table>_<suffix>`. */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  fts3: ['content', 'segments', 'segdir', 'docsize', 'stat'],
  fts4: ['content', 'segments', 'segdir', 'docsize', 'stat'],
  fts5: ['data', 'idx', 'content', 'docsize', 'config'],
  rtree: ['node', 'parent', 'rowid'],
  rtree_i32: ['node', 'parent', 'rowid'],
  geopoly: ['node', 'parent', 'rowid'],
}

/** SQLite knows a shadow table only where the module is there; the sandbox lacks some. */
function shadowTables(
  objects: readonly SchemaObject[],
  list: readonly { readonly name: string; readonly type: string }[],
): ReadonlySet<string> {
  const shadows = new Set(list.filter(({ type }) => type === 'shadow').map(({ name }) => fold(name)))
  for (const { name, sql } of objects) {
    const module = nameOf(readCreateVirtual(sql ?? '')?.[0]?.text ?? '')
    for (const suffix of suffixes[fold(module)] ?? []) shadows.add(`${fold(name)}_${suffix}`)
  }
  return shadows
}

function grouped<T>(rows: readonly T[], key: (row: T) => string): Map<string, T[]> {
  return Map.groupBy(rows, row => fold(key(row)))
}
