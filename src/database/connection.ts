/**
 * What every way of talking to a SQLite database has in common, whoever holds it: the child process that owns the live
 * file, the read-only view, a replay in memory, the sandbox. Reading a schema, comparing it and checking data are
 * written once against this and run on all of them.
 */

/** What SQLite returns and takes. Integers beyond 2^53 are an error: read such columns as text, `CAST(x AS TEXT)`. */
export type Value = null | number | string | Uint8Array
export type Row = Readonly<Record<string, Value>>

export interface Connection {
  /** All rows of one statement. Anything that SQLite refuses rejects with a `SqliteError`. */
  all<T extends object = Row>(sql: string, ...params: readonly Value[]): Promise<T[]>
  /** Runs one or several statements and returns nothing. Rejects with a `SqliteError`. */
  exec(sql: string): Promise<void>
  close(): Promise<void>
}

/**
 * What SQLite said. `errcode` is its extended result code (https://www.sqlite.org/rescode.html);
 * `primary` is the lower byte of it.
 */
export class SqliteError extends Error {
  override readonly name = 'SqliteError'
  readonly errcode: number
  /** Position of the failing statement where several were sent, from 0. */
  readonly statement: number | undefined

  constructor(message: string, errcode: number, statement?: number) {
    super(message)
    this.errcode = errcode
    this.statement = statement
  }

  get primary(): number {
    return this.errcode & 0xff
  }
}

/** What a migration may do on a connection. Enforced by SQLite's own authorizer, also for scripts. */
export interface Guard {
  /** False: it runs inside the caller's transaction and can neither end it nor begin another. */
  readonly ownTransactions: boolean
  /** Tables of the main database that it may read and not change: Lockkeeper's own record. Default none. */
  readonly reserved?: readonly string[]
  /** The transaction that it begins is ended by what is run next. Default false: leaving one open is an error. */
  readonly staysOpen?: boolean
}

/** Which function of which migration module to call. */
export interface ScriptCall {
  /** `file:` URL of the module. */
  readonly url: string
  readonly function: 'up' | 'down'
}

/** One thing that a statement does, in the words of SQLite's authorizer (https://www.sqlite.org/c3ref/c_alter_table.html). */
export interface Access {
  /** Without `SQLITE_`: `DELETE`, `DROP_TABLE`, `READ`, `FUNCTION` and so on; what the two names mean depends on it. */
  readonly action: string
  readonly first: string | null
  readonly second: string | null
  /** `main`, `temp` or null. */
  readonly schema: string | null
  /** The trigger or view from within which it is done; null: the statement itself. */
  readonly by: string | null
}

/** A connection that migrations can be applied to. */
export interface Workspace extends Connection {
  /**
   * What a statement, and the triggers that it would fire, would do, as SQLite names it when it compiles it. Nothing is
   * run; some pragmas take effect all the same. Rejects with a `SqliteError`.
   */
  accesses(sql: string): Promise<Access[]>
  /**
   * Runs statements one after the other under a guard.
   * @returns the names of the tables whose rows they (or triggers that they fired) could have changed, as SQLite's
   * authorizer named them when it compiled each statement; `sqlite_sequence` where one of them sets AUTOINCREMENT's counters.
   * Rejects with a `SqliteError` whose `statement` is the position of the failing one.
   */
  run(statements: readonly string[], guard: Guard): Promise<string[]>
  /** Calls `up` or `down` of a migration module. Returns as `run`; rejects with what it threw, or a `SqliteError`. */
  runScript(call: ScriptCall, guard: Guard): Promise<string[]>
}

/** A name as SQL takes it, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
