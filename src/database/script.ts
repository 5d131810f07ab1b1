/** Runs a migration that is a TypeScript or JavaScript module. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { ScriptCall, Value } from './connection.ts'

/**
 * What `up(db)` and `down(db)` of a migration module get. Everything is synchronous; the functions themselves may be
 * async. It is the same in a rehearsal and in reality. It cannot begin, commit or roll back, nor attach another database:
 * SQLite refuses that.
 */
export interface MigrationDatabase {
  /** Runs one or several statements. */
  exec(sql: string): void
  /** Compiles one statement, to be run many times with `run`, `get`, `all` or `iterate`. */
  prepare(sql: string): StatementSync
  /** All rows of one statement. */
  all(sql: string, ...params: Value[]): Record<string, unknown>[]
  /** The first row, or undefined. */
  get(sql: string, ...params: Value[]): Record<string, unknown> | undefined
  /** The rows one by one. */
  iterate(sql: string, ...params: Value[]): Iterable<Record<string, unknown>>
  /** Defines an SQL function for the rest of this migration. */
  function(name: string, body: (...args: Value[]) => Value): void
}

/** Imports the module and calls its function. Whatever it throws is passed on. */
export async function runScript(db: DatabaseSync, call: ScriptCall): Promise<void> {
  const module = (await import(call.url)) as Record<string, unknown>
  const body = module[call.function]
  if (typeof body !== 'function') throw new TypeError(`the module exports no function ${call.function}(db)`)
  const handle: MigrationDatabase = {
    exec: sql => db.exec(sql),
    prepare: sql => db.prepare(sql),
    all: (sql, ...params) => db.prepare(sql).all(...params),
    get: (sql, ...params) => db.prepare(sql).get(...params),
    iterate: (sql, ...params) => db.prepare(sql).iterate(...params),
    function: (name, implementation) => db.function(name, implementation as never),
  }
  await body(handle)
}
