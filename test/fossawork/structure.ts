/**
 * The structure of a database in the words of `test/fixtures/fossawork/schema.json`, read with SQLite's pragmas, and
 * what the fixture expects at each level.
 */
import { readFileSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { versions } from './migration-files.ts'

/** One sentence a column, constraint or index; all but columns and foreign keys in order of their names. */
export interface TableStructure {
  columns: string[]
  uniques: string[]
  foreignKeys: string[]
  indexes: string[]
}

type Structure = Record<string, TableStructure>

const fixture: Record<string, Record<string, Partial<TableStructure>>> = JSON.parse(
  readFileSync(new URL('../fixtures/fossawork/schema.json', import.meta.url), 'utf8'),
)

/** The tables that this version brings (not those to which it only adds indexes), sorted. */
export function tablesOf(version: string): string[] {
  const brought = Object.entries(fixture[version] ?? {}).filter(([, table]) => table.columns !== undefined)
  return brought.map(([name]) => name).sort()
}

/** What a database has to look like once this version and all before it are applied. */
export function expectedAt(version: string): Structure {
  const expected: Structure = {}
  for (const each of versions.slice(0, versions.indexOf(version) + 1)) {
    for (const [name, table] of Object.entries(fixture[each] ?? {})) {
      const known = expected[name] ?? { columns: [], uniques: [], foreignKeys: [], indexes: [] }
      expected[name] = {
        columns: [...known.columns, ...(table.columns ?? [])],
        uniques: [...known.uniques, ...(table.uniques ?? [])].sort(),
        foreignKeys: [...known.foreignKeys, ...(table.foreignKeys ?? [])],
        indexes: [...known.indexes, ...(table.indexes ?? [])].sort(),
      }
    }
  }
  return expected
}

/** Every object of the schema, `sqlite_sequence` excepted, which SQLite keeps once it was needed. */
export function schemaOf(db: DatabaseSync): unknown[] {
  const sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name <> 'sqlite_sequence' ORDER BY type, name"
  return db.prepare(sql).all()
}

/** Every row of every table (of the search too), and the counters of AUTOINCREMENT. */
export function contentsOf(db: DatabaseSync): Record<string, unknown[]> {
  const extra = db.prepare("SELECT name FROM sqlite_schema WHERE name IN ('sqlite_sequence', 'work_orders_fts')").all()
  const tables = [...tablesIn(db), ...extra.map(row => String(row['name']))]
  return Object.fromEntries(tables.map(table => [table, db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all()]))
}

/** Rowid tables, without SQLite's own, virtual ones and what full-text search keeps for itself. */
export function tablesIn(db: DatabaseSync): string[] {
  const sql = `SELECT name FROM pragma_table_list
    WHERE schema = 'main' AND type = 'table' AND wr = 0 AND strict = 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY name`
  return db
    .prepare(sql)
    .all()
    .map(row => String(row['name']))
}

/** @param ignored tables that are not the migrations' */
export function structureOf(db: DatabaseSync, ignored: readonly string[] = []): Structure {
  const tables = tablesIn(db).filter(table => !ignored.includes(table))
  return Object.fromEntries(tables.map(table => [table, tableStructure(db, table)]))
}

function tableStructure(db: DatabaseSync, table: string): TableStructure {
  const sql = sqlOf(db, table)
  const indexes = read(db, 'index_list', table)
  return {
    columns: read(db, 'table_xinfo', table).map(column => {
      const key = column['pk'] === 0 ? '' : /\bAUTOINCREMENT\b/.test(sql) ? ' PK AUTOINCREMENT' : ' PK'
      const fallback = column['dflt_value'] === null ? '' : ` DEFAULT ${column['dflt_value']}`
      const odd = column['hidden'] === 0 && Number(column['pk']) <= 1 ? '' : ' HIDDEN, OR ONE OF SEVERAL KEYS'
      return `${column['name']} ${column['type']}${key}${column['notnull'] === 1 ? ' NOT NULL' : ''}${fallback}${odd}`
    }),
    uniques: indexes
      .filter(index => index['origin'] === 'u')
      .map(index => {
        const columns = columnsOf(db, String(index['name'])).join(', ')
        const name = sql.includes(`UNIQUE (${columns})`) && sql.match(/CONSTRAINT (\w+) UNIQUE \(([^)]+)\)/)
        return `${name && name[2] === columns ? name[1] : 'unnamed'} (${columns})`
      })
      .sort(),
    foreignKeys: read(db, 'foreign_key_list', table).map(key => {
      const actions = `${key['on_update']} ${key['on_delete']} ${key['match']}`
      const said = actions === 'NO ACTION NO ACTION NONE' ? '' : ` ${actions}`
      return `${key['from']} -> ${key['table']}.${key['to']}${said}`
    }),
    indexes: indexes
      .filter(index => index['origin'] === 'c')
      .map(index => {
        const columns = columnsOf(db, String(index['name'])).join(', ')
        const where = index['partial'] === 0 ? '' : ' WHERE'
        return `${index['unique'] === 1 ? 'unique ' : ''}${index['name']} (${columns})${where}`
      })
      .sort(),
  }
}

function columnsOf(db: DatabaseSync, index: string): string[] {
  return read(db, 'index_xinfo', index)
    .filter(column => column['key'] === 1)
    .map((column, position) => {
      const collation = column['coll'] === 'BINARY' ? '' : ` COLLATE ${column['coll']}`
      const name = column['name'] ?? expression(sqlOf(db, index), position)
      return `${name}${collation}${column['desc'] === 1 ? ' DESC' : ''}`
    })
}

/** An indexed expression, which no pragma reports: what stands at this position between the index's parentheses. */
function expression(sql: string, position: number): string {
  const inside = sql.slice(sql.indexOf('(') + 1, sql.lastIndexOf(')'))
  return inside.split(/,(?![^(]*\))/)[position]!.trim()
}

function sqlOf(db: DatabaseSync, name: string): string {
  return String(db.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').get(name)?.['sql'])
}

function read(db: DatabaseSync, pragma: string, of: string) {
  return db.prepare(`SELECT * FROM pragma_${pragma}(?)`).all(of)
}
