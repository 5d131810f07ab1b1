/**
 * Reads the schema of a database. SQLite's own pragmas say what there is; the stored text is looked at only for what
 * they do not say. A handful of queries for any number of tables, and nothing in the schema is run: no view is read, no
 * trigger fires.
 */
import type { Connection } from '../database/connection.ts'
import { readCreateVirtual } from './create-virtual.ts'
import { fold, type Schema, type Table, type Trigger, type View } from './model.ts'
import { normalise, rulesForBody } from './normalise.ts'
import { readRows, type SchemaObject } from './read-rows.ts'
import { readTable } from './read-table.ts'
import { significantTokens, type Token } from './tokens.ts'

export type { Schema } from './model.ts'

/**
 * Everything in the main schema but SQLite's internal objects (`sqlite_%`) and the shadow tables in which full-text and
 * R-Tree tables keep their content. Attached and temporary objects do not count.
 */
export async function readSchema(connection: Connection): Promise<Schema> {
  const rows = await readRows(connection)
  const tables: Table[] = []
  for (const object of rows.objects) {
    if (object.type !== 'table') continue
    const using = readCreateVirtual(object.sql)
    if (using === undefined) tables.push(readTable(object, rows))
    else tables.push({ ...virtualShape, name: object.name, virtual: normalise(using) })
  }
  const names = namesIn(tables, rows.objects)
  const views: View[] = []
  const triggers: Trigger[] = []
  for (const { type, name, table, sql } of rows.objects) {
    if (type === 'view') views.push({ name, definition: body(sql, names) })
    if (type === 'trigger') triggers.push({ name, table, definition: body(sql, names) })
  }
  return { tables: byName(resolveParents(tables)), views: byName(views), triggers: byName(triggers) }
}

const virtualShape = {
  columns: [],
  primaryKey: null,
  uniques: [],
  checks: [],
  foreignKeys: [],
  indexes: [],
  withoutRowid: false,
  strict: false,
} as const

/** Of a view or trigger everything after its name: SQLite stores `CREATE VIEW name ...`. */
function body(sql: string, names: ReadonlySet<string>): string {
  const tokens: Token[] = significantTokens(sql)
  return normalise(tokens.slice(3), rulesForBody(tokens, names))
}

function namesIn(tables: readonly Table[], objects: readonly SchemaObject[]): ReadonlySet<string> {
  const names = new Set(objects.map(object => fold(object.name)))
  for (const table of tables) for (const column of table.columns) names.add(fold(column.name))
  return names
}

/** `REFERENCES parent` without columns means its primary key. */
function resolveParents(tables: readonly Table[]): Table[] {
  const parents = new Map(tables.map(table => [fold(table.name), table]))
  return tables.map(table => ({
    ...table,
    foreignKeys: table.foreignKeys.map(foreignKey => {
      if (foreignKey.parentColumns !== null) return foreignKey
      const key = parents.get(fold(foreignKey.parent))?.primaryKey?.columns.map(column => column.name ?? '')
      return key?.length === foreignKey.columns.length ? { ...foreignKey, parentColumns: key } : foreignKey
    }),
  }))
}

function byName<T extends { readonly name: string }>(list: readonly T[]): T[] {
  return list.toSorted((a, b) => (fold(a.name) < fold(b.name) ? -1 : 1))
}
