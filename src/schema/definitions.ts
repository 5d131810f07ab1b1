/** A schema together with the text of its definitions, as SQLite has stored them. */
import type { Connection } from '../database/connection.ts'
import { fold, type Schema } from './model.ts'
import { readSchema } from './read.ts'

export interface Definition {
  readonly type: 'table' | 'index' | 'view' | 'trigger'
  readonly name: string
  /** The table that it belongs to; its own name for a table or a view. */
  readonly table: string
  readonly sql: string
}

export interface Described {
  readonly schema: Schema
  /** Of the objects in the schema: no internal ones, no shadow tables. */
  readonly definitions: readonly Definition[]
}

export async function readDescribed(connection: Connection): Promise<Described> {
  const schema = await readSchema(connection)
  const rows = await connection.all<Definition & { readonly sql: string | null }>(
    'SELECT type, name, tbl_name AS "table", sql FROM main.sqlite_schema ORDER BY rowid',
  )
  const known = new Set([...schema.tables, ...schema.views].map(({ name }) => fold(name)))
  return { schema, definitions: rows.filter(({ sql, table }) => sql !== null && known.has(fold(table))) }
}

/** Without some tables, and what is on them. */
export function without({ definitions, schema }: Described, tables: readonly string[]): Described {
  const left = new Set(tables.map(fold))
  const stays = (name: string) => !left.has(fold(name))
  return {
    schema: {
      tables: schema.tables.filter(({ name }) => stays(name)),
      views: schema.views,
      triggers: schema.triggers.filter(({ table }) => stays(table)),
    },
    definitions: definitions.filter(({ table }) => stays(table)),
  }
}

/** As a script that makes it: tables with their indexes, then views, then triggers. */
export function scriptOf({ definitions }: Described): string {
  const order = ['table', 'index', 'view', 'trigger']
  const sorted = definitions.toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
  return sorted.map(({ sql }) => `${sql};`).join('\n')
}

/** @param name in any case of letters */
export function definitionOf(
  { definitions }: Described,
  type: Definition['type'],
  name: string,
): Definition | undefined {
  return definitions.find(each => each.type === type && fold(each.name) === fold(name))
}

/** The texts of what is on a table or a view. */
export function definitionsOn({ definitions }: Described, table: string, type: 'index' | 'trigger'): string[] {
  return definitions.filter(each => each.type === type && fold(each.table) === fold(table)).map(({ sql }) => sql)
}
