/** Runs a migration that is a TypeScript or JavaScript module. */
import type { DatabaseSync } from 'node:sqlite'
import type { ScriptCall, Value } from './connection.ts'

type Cell = Value | bigint
type ScriptRow = Record<string, Cell>
/** Values for `?`, or an object for `:name` before them. */
type Params = Cell[] | [Readonly<Record<string, Cell>>, ...Cell[]]

/** A compiled statement. */
export interface MigrationStatement {
  run(...params: Params): { changes: number | bigint; lastInsertRowid: number | bigint }
  get(...params: Params): ScriptRow | undefined
  all(...params: Params): ScriptRow[]
  iterate(...params: Params): Iterable<ScriptRow>
  /** Integers come as `bigint`. Without it one beyond 2^53 is an error. */
  setReadBigInts(enabled: boolean): void
}

/**
 * What `up(db)` and `down(db)` of a migration module get. Everything is synchronous; the functions themselves may be
 * async, and `db` is of no use any more when they have returned. It is the same in a rehearsal and in reality.
 *
 * It cannot begin, commit or roll back, attach another database or use a pragma that would let go of the lock: SQLite
 * refuses that. If a statement makes SQLite roll back by itself (`INSERT OR ROLLBACK`, `RAISE(ROLLBACK)`), every later
 * one is refused and the migration fails, even if the module caught the error.
 *
 * A module is trusted code that runs in the process that holds the lock, and file locks belong to a process. So it
 * must **never touch the database file, its `-wal` or its `-shm` in any other way than through `db`**: not by `fs`
 * (reading it, copying it or hashing it is enough), not with a connection of its own (`new DatabaseSync(path)`,
 * better-sqlite3): closing either of them lets go of the lock without a word, and what another process then writes is
 * lost. Nor must it end the process or read standard input. Other files, child processes and the network are its own
 * business; the job may run it again after it was stopped half-way.
 */
export interface MigrationDatabase {
  /** Runs one or several statements. */
  exec(sql: string): void
  /** Compiles one statement, to be run many times. */
  prepare(sql: string): MigrationStatement
  /** All rows of one statement. */
  all(sql: string, ...params: Params): ScriptRow[]
  /** The first row, or undefined. */
  get(sql: string, ...params: Params): ScriptRow | undefined
  /** The rows one by one. */
  iterate(sql: string, ...params: Params): Iterable<ScriptRow>
  /** Defines an SQL function for this migration alone, under a name that SQLite has no function of. */
  function(name: string, body: (...args: Cell[]) => Cell): void
}

/**
 * Imports the module and calls its function. Whatever it throws is passed on.
 * @param check called before each use of the database; throws to stop it
 * @param define told of each function that it defines, in lower case
 */
export async function runScript(
  db: DatabaseSync,
  call: ScriptCall,
  check: () => void,
  define: (name: string) => void,
): Promise<void> {
  const module = (await import(call.url)) as Record<string, unknown>
  const body = module[call.function]
  if (typeof body !== 'function') throw new TypeError(`the module exports no function ${call.function}(db)`)
  let ended = false
  const usable = () => {
    // Code that was not awaited would otherwise go on without the guard.
    if (ended) throw new Error('this migration has ended: await everything in it before it returns')
    check()
  }
  try {
    await body(handleOf(db, usable, define))
  } finally {
    ended = true
  }
}

function handleOf(db: DatabaseSync, usable: () => void, define: (name: string) => void): MigrationDatabase {
  const prepare = (sql: string): MigrationStatement => {
    usable()
    const statement = db.prepare(sql)
    const checked =
      <Args extends unknown[], Result>(work: (...args: Args) => Result) =>
      (...args: Args): Result => {
        usable()
        return work(...args)
      }
    return {
      run: checked((...params: Params) => statement.run(...(params as Cell[]))),
      get: checked((...params: Params) => statement.get(...(params as Cell[])) as ScriptRow | undefined),
      all: checked((...params: Params) => statement.all(...(params as Cell[])) as ScriptRow[]),
      *iterate(...params) {
        usable()
        for (const row of statement.iterate(...(params as Cell[]))) {
          yield row as ScriptRow
          usable()
        }
      },
      setReadBigInts: enabled => statement.setReadBigInts(enabled),
    }
  }
  return {
    exec: sql => {
      usable()
      db.exec(sql)
    },
    prepare,
    all: (sql, ...params) => prepare(sql).all(...params),
    get: (sql, ...params) => prepare(sql).get(...params),
    iterate: (sql, ...params) => prepare(sql).iterate(...params),
    function: (name, body) => {
      usable()
      // It could not be given back, and what is checked afterwards may use it.
      if (isBuiltIn(db, name)) throw new Error(`${name} is a function of SQLite itself: give yours another name`)
      db.function(name, body as never)
      define(name.toLowerCase())
    },
  }
}

function isBuiltIn(db: DatabaseSync, name: string): boolean {
  const sql = 'SELECT 1 FROM pragma_function_list WHERE builtin AND name = ? COLLATE NOCASE'
  return db.prepare(sql).get(name) !== undefined
}
