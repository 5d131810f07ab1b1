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
