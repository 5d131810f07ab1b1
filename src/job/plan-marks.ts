/**
 * What is worth a second look before a deploy: rows and tables that go, tables that are rebuilt, triggers that fire. Found
 * by running the pending migrations on the database's own schema, without its rows, in memory; SQLite's authorizer says
 * what each statement and the triggers that it fires would do.
 */
import { type Access, type Connection, SqliteError, type Workspace } from '../database/connection.ts'
import { openMemory } from '../database/memory.ts'
import { LockkeeperError } from '../errors.ts'
import { applyScript, upOf } from '../migrations/apply.ts'
import { takeDoubleQuotes } from '../migrations/expected.ts'
import type { Migration } from '../migrations/model.ts'
import { split } from '../migrations/split.ts'
import { fold } from '../schema/model.ts'

/** What a database is made of, as SQL, in an order in which it can be made again. */
export type Definitions = readonly string[]

/** @param own tables of Lockkeeper itself */
export async function readDefinitions(connection: Connection, own: readonly string[]): Promise<Definitions> {
  const rows = await connection.all<{ table: string; sql: string; shadow: number }>(
    `SELECT s.tbl_name AS "table", s.sql, EXISTS (
       SELECT 1 FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.name = s.name AND l.type = 'shadow') AS shadow
     FROM main.sqlite_schema AS s WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     ORDER BY instr('table index view trigger', s.type), s.rowid`,
  )
  return rows.filter(row => row.shadow === 0 && !own.includes(row.table)).map(({ sql }) => sql)
}

/** Sentences by version; a migration about which there is nothing to say is left out. */
export async function markMigrations(
  definitions: Definitions,
  migrations: readonly Migration[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const marks = new Map<string, readonly string[]>()
  const memory = await openMemory({ scripts: false, doubleQuotedStrings: takeDoubleQuotes(migrations) })
  try {
    // What needs something of the application's (a module, say) is left out; what needs that cannot be foreseen.
    for (const sql of definitions) await memory.exec(sql).catch(ifSqlite)
    for (const migration of migrations) {
      const found = await markOne(memory, migration)
      if (found.marks.length > 0) marks.set(migration.version, found.marks)
      if (!found.goesOn) break
    }
  } finally {
    await memory.close()
  }
  return marks
}

async function markOne(memory: Workspace, migration: Migration): Promise<{ marks: string[]; goesOn: boolean }> {
  if (migration.up.kind === 'module')
    return { marks: ['is a module: what it does is seen when it runs, as in run --dry-run'], goesOn: false }
  const before = await namesOf(memory)
  const seen = new Seen(before.tables, before.triggers)
  const watched: Workspace = {
    ...memory,
    run: async (statements, guard) => {
      for (const sql of statements) seen.add(sql, await memory.accesses(sql).catch(() => []))
      return memory.run(statements, guard)
    },
  }
  try {
    if (migration.directives.transaction) await memory.exec('BEGIN')
    await applyScript(watched, upOf(migration))
    if (migration.directives.transaction) await memory.exec('COMMIT')
    return { marks: seen.marks((await namesOf(memory)).tables), goesOn: true }
  } catch (error) {
    if (!(error instanceof LockkeeperError)) throw error
    return {
      marks: [...seen.marks(before.tables), 'cannot be foreseen without rows: see run --dry-run'],
      goesOn: false,
    }
  }
}

/** What the statements of a migration would do to what was there before it. */
class Seen {
  readonly #tables: ReadonlyMap<string, string>
  readonly #triggers: ReadonlyMap<string, string>
  readonly #dropped = new Set<string>()
  readonly #deleted = new Set<string>()
  readonly #columns = new Set<string>()
  readonly #fired = new Set<string>()

  constructor(tables: ReadonlyMap<string, string>, triggers: ReadonlyMap<string, string>) {
    this.#tables = tables
    this.#triggers = triggers
  }

  add(sql: string, accesses: readonly Access[]): void {
    const [statement] = split(sql)
    const [first, ...rest] = statement?.head ?? []
    for (const { action, by, first: name, schema, second } of accesses) {
      const table = fold(name ?? '')
      if (by !== null && this.#triggers.has(fold(by))) this.#fired.add(fold(by))
      if (action === 'ALTER_TABLE' && rest.includes('DROP')) this.#columns.add(fold(second ?? ''))
      if (schema !== 'main' || !this.#tables.has(table)) continue
      if (action === 'DROP_TABLE' || action === 'DROP_VTABLE') this.#dropped.add(table)
      // A drop deletes its rows first, and a rename is no delete.
      else if (action === 'DELETE' && first !== 'DROP' && first !== 'ALTER') this.#deleted.add(table)
    }
    if (first === 'ALTER' && rest.includes('RENAME') && rest.includes('TO'))
      for (const { action, second } of accesses)
        if (action === 'ALTER_TABLE' && this.#tables.has(fold(second ?? ''))) this.#dropped.add(fold(second ?? ''))
  }

  /** @param after the tables that are there when it has run */
  marks(after: ReadonlyMap<string, string>): string[] {
    const named = (folded: Iterable<string>) => [...folded].map(name => this.#tables.get(name) ?? name).join(', ')
    const gone = [...this.#dropped].filter(name => !after.has(name))
    const rebuilt = [...this.#dropped].filter(name => after.has(name))
    return [
      ...(gone.length === 0 ? [] : [`drops or renames ${named(gone)}`]),
      ...(rebuilt.length === 0 ? [] : [`rebuilds ${named(rebuilt)}`]),
      ...(this.#deleted.size === 0 ? [] : [`deletes rows of ${named(this.#deleted)}`]),
      ...(this.#columns.size === 0 ? [] : [`drops columns of ${named(this.#columns)}`]),
      ...(this.#fired.size === 0 ? [] : [`fires ${[...this.#fired].map(name => this.#triggers.get(name)).join(', ')}`]),
    ]
  }
}

async function namesOf(memory: Workspace) {
  const rows = await memory.all<{ type: string; name: string }>(
    `SELECT type, name FROM main.sqlite_schema WHERE type IN ('table', 'trigger')`,
  )
  const of = (wanted: string) =>
    new Map(rows.filter(({ type }) => type === wanted).map(({ name }) => [fold(name), name] as const))
  return { tables: of('table'), triggers: of('trigger') }
}

function ifSqlite(error: unknown): void {
  if (!(error instanceof SqliteError)) throw error
}
