/** One ordinary table: the pragmas' rows and the table's text, put together. */
import { readCreateIndex } from './create-index.ts'
import { type KeyText, readCreateTable, type TableText } from './create-table.ts'
import {
  type Column,
  type ForeignKey,
  fold,
  type Index,
  type IndexedColumn,
  type PrimaryKey,
  type Table,
  type Unique,
} from './model.ts'
import { type NameRules, normalise } from './normalise.ts'
import type { ColumnRow, ForeignKeyRow, IndexRow, SchemaObject, SchemaRows } from './read-rows.ts'

export function readTable({ name, sql }: SchemaObject, rows: SchemaRows): Table {
  const key = fold(name)
  const text = readCreateTable(sql)
  const columnRows = rows.columns.get(key) ?? []
  const rules = rulesForTable(columnRows)
  const indexRows = [...Map.groupBy(rows.indexes.get(key) ?? [], row => row.index).values()]
  const withOrigin = (origin: string) => indexRows.filter(([row]) => row!.origin === origin)
  const options = rows.options.get(key)
  return {
    name,
    virtual: null,
    columns: columnRows.map(row => readColumn(row, text, rules)),
    primaryKey: readPrimaryKey(columnRows, withOrigin('pk')[0], text),
    uniques: withOrigin('u').map(list => readUnique(list, text.uniques)),
    checks: text.checks.map(check => ({ name: check.name, expression: normalise(check.expression, rules) })),
    foreignKeys: readForeignKeys(rows.foreignKeys.get(key) ?? [], text),
    indexes: withOrigin('c')
      .map(list => readIndex(list, rows.indexSql.get(fold(list[0]!.index)) ?? '', rules))
      .sort((a, b) => (fold(a.name) < fold(b.name) ? -1 : 1)),
    withoutRowid: options?.wr === 1,
    strict: options?.strict === 1,
  }
}

/** In a table's own expressions `"x"` is a column, or a string if there is none of that name. */
function rulesForTable(columns: readonly ColumnRow[]): NameRules {
  const names = new Set(['rowid', '_rowid_', 'oid', ...columns.map(column => fold(column.name))])
  return { isName: name => names.has(name) }
}

function readColumn(row: ColumnRow, text: TableText, rules: NameRules): Column {
  const written = text.columns.get(fold(row.name))
  const generated = row.hidden === 2 || row.hidden === 3 ? (written?.generated ?? []) : null
  return {
    name: row.name,
    type: row.type,
    notNull: row.notnull !== 0,
    notNullConflict: written?.notNullConflict ?? null,
    default: row.default,
    primaryKey: row.pk,
    collation: written?.collation ?? 'BINARY',
    generated:
      generated === null
        ? null
        : { kind: row.hidden === 3 ? 'stored' : 'virtual', expression: normalise(generated, rules) },
  }
}

/** Only a key that is the rowid itself has no index. */
function readPrimaryKey(
  columns: readonly ColumnRow[],
  index: readonly IndexRow[] | undefined,
  text: TableText,
): PrimaryKey | null {
  const key = columns.filter(column => column.pk > 0).sort((a, b) => a.pk - b.pk)
  if (key.length === 0) return null
  const written = text.primaryKey === undefined ? [] : [text.primaryKey]
  const { autoincrement } = text
  if (index !== undefined) return { ...readUnique(index, [...written, ...text.uniques]), rowid: false, autoincrement }
  const rowid = key.map(({ name }) => ({ name, expression: null, descending: false, collation: 'BINARY' }))
  return { ...withText(rowid, written), rowid: true, autoincrement }
}

function readUnique(rows: readonly IndexRow[], written: readonly KeyText[]): Unique {
  return withText(rows.map(readIndexedColumn), written)
}

/** SQLite merges constraints of the same columns into one; what any of them says about conflicts holds. */
function withText(columns: readonly IndexedColumn[], written: readonly KeyText[]): Unique {
  const names = columns.map(({ name }) => fold(name ?? '')).join('\0')
  const same = written.filter(key => key.columns.join('\0') === names)
  return {
    name: same.find(key => key.name !== null)?.name ?? null,
    columns,
    onConflict: same.find(key => key.onConflict !== null)?.onConflict ?? null,
  }
}

function readForeignKeys(rows: readonly ForeignKeyRow[], text: TableText): ForeignKey[] {
  const keys = [...Map.groupBy(rows, row => row.id).values()]
  return keys.map((list, at) => {
    const { parent, onUpdate, onDelete } = list[0]!
    const named = list.every(row => row.to !== null)
    return {
      name: text.foreignKeys[at]?.name ?? null,
      columns: list.map(row => row.from),
      parent,
      parentColumns: named ? list.map(row => row.to!) : null,
      onUpdate,
      onDelete,
      match: text.foreignKeys[at]?.match ?? 'NONE',
      deferred: text.foreignKeys[at]?.deferred ?? false,
    }
  })
}

function readIndex(rows: readonly IndexRow[], sql: string, rules: NameRules): Index {
  const text = readCreateIndex(sql)
  const { index, unique } = rows[0]!
  return {
    name: index,
    unique: unique !== 0,
    columns: rows.map((row, at) => {
      const column = readIndexedColumn(row)
      return row.name === null ? { ...column, expression: normalise(text.columns[at] ?? [], rules) } : column
    }),
    where: text.where === null ? null : normalise(text.where, rules),
  }
}

function readIndexedColumn({ name, desc, collation }: IndexRow): IndexedColumn {
  return { name, expression: null, descending: desc !== 0, collation: collation.toUpperCase() }
}
