/**
 * node:sqlite behind a few plain operations, in whichever process it runs: the child that owns a live file
 * (`child.ts`), a read-only view, a replay in memory. Every default that matters is set on purpose: foreign keys off
 * (a table rebuild must not cascade; keys are checked before the commit), double-quoted strings off (but for other tools'
 * migrations), defensive on.
 */
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { accessesOf } from './accesses.ts'
import {
  type Access,
  type Guard,
  type Row,
  type ScriptCall,
  SqliteError,
  type Value,
  type Workspace,
} from './connection.ts'
import { type Watch, watch, withhold } from './guard.ts'
import { runScript } from './script.ts'

export interface OpenOptions {
  /** A `file:` URI (see `fileUri`) or `:memory:`. */
  readonly location: string
  readonly readOnly?: boolean
  /** Whether `"x"` may be a string, where there is no such name. It cannot be changed later. Default false. */
  readonly doubleQuotedStrings?: boolean
  /** Statements to run at once. If SQLite refuses them the database is closed again, with every lock that it got. */
  readonly first?: string
}

/** What is left to do of a migration whose statements come in pieces. */
export interface Piece {
  /** False for the last piece. */
  readonly more: boolean
}

const generalError = 1

export class NativeDatabase {
  readonly #db: DatabaseSync
  /** What migration modules have defined, each for itself: SQLite cannot take it back. In lower case. */
  readonly #withheld = new Set<string>()

  constructor({ location, readOnly = false, doubleQuotedStrings = false, first }: OpenOptions) {
    this.#db = asSqliteError(
      () =>
        new DatabaseSync(location, {
          readOnly,
          enableForeignKeyConstraints: false,
          enableDoubleQuotedStringLiterals: doubleQuotedStrings,
          defensive: true,
        }),
    )
    if (first === undefined) return
    try {
      this.exec(first)
    } catch (error) {
      this.close()
      throw error
    }
  }

  all(sql: string, params: readonly Value[]): Row[] {
    return asSqliteError(() => this.#db.prepare(sql).all(...params) as Row[])
  }

  exec(sql: string): void {
    asSqliteError(() => this.#db.exec(sql))
  }

  /** See `Workspace.accesses`. */
  accesses(sql: string): Access[] {
    try {
      return asSqliteError(() => accessesOf(this.#db, sql))
    } finally {
      withhold(this.#db, this.#withheld)
    }
  }

  /** Reads the rows of a query one by one, so that it takes no memory, and adds up a hash of each. */
  digest(sql: string): Digest {
    return asSqliteError(() => {
      const statement = this.#db.prepare(sql)
      statement.setReadBigInts(true)
      statement.setReturnArrays(true)
      let [rows, high, low] = [0, 0n, 0n]
      for (const row of statement.iterate() as Iterable<unknown>) {
        const hash = createHash('sha256')
          .update(textOf(row as readonly Cell[]))
          .digest()
        high = BigInt.asUintN(64, high + hash.readBigUInt64BE(0))
        low = BigInt.asUintN(64, low + hash.readBigUInt64BE(8))
        rows++
      }
      return { rows, sum: `${high.toString(16)}-${low.toString(16)}` }
    })
  }

  /** See `Workspace.run`. */
  run(statements: readonly string[], guard: Guard, { more }: Piece = { more: false }): Promise<string[]> {
    return this.#guarded(guard, { more }, ({ check }) => {
      for (const [position, sql] of statements.entries()) {
        asSqliteError(() => this.#db.exec(sql), position)
        check()
      }
    })
  }

  /** See `Workspace.runScript`. */
  runScript(call: ScriptCall, guard: Guard): Promise<string[]> {
    return this.#guarded(guard, { more: false }, async ({ check }) => {
      const defined = new Set<string>()
      const define = (name: string) => {
        this.#withheld.delete(name)
        defined.add(name)
      }
      try {
        await runScript(this.#db, call, check, define)
      } finally {
        for (const name of defined) this.#withheld.add(name)
      }
    })
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  async #guarded(guard: Guard, { more }: Piece, work: (guarded: Watch) => void | Promise<void>): Promise<string[]> {
    const guarded = watch(this.#db, guard, this.#withheld)
    try {
      await work(guarded)
      guarded.check()
      if (guard.ownTransactions && !guard.staysOpen && !more && this.#db.isTransaction)
        throw new SqliteError('the migration has left a transaction open: its COMMIT is missing', generalError)
      return guarded.touched()
    } catch (error) {
      throw guarded.explain(toSqliteError(error))
    } finally {
      guarded.end()
    }
  }
}

/** What a query returns, whatever the order of its rows. */
export interface Digest {
  readonly rows: number
  /** The sum of a hash over each row, in hex: the same for the same rows. */
  readonly sum: string
}

type Cell = null | bigint | number | string | Uint8Array

/** A text that tells 1 from 1.0, '1' and x'31'. */
function textOf(row: readonly Cell[]): string {
  return JSON.stringify(
    row.map(value => {
      if (value instanceof Uint8Array) return { blob: Buffer.from(value).toString('hex') }
      return typeof value === 'bigint' ? { integer: String(value) } : value
    }),
  )
}

/** The same as promises: a database of this very process. */
export function workspaceOf(database: NativeDatabase): Workspace {
  return {
    all: async <T extends object = Row>(sql: string, ...params: readonly Value[]) => database.all(sql, params) as T[],
    exec: async sql => database.exec(sql),
    accesses: async sql => database.accesses(sql),
    run: (statements, guard) => database.run(statements, guard),
    runScript: (call, guard) => database.runScript(call, guard),
    close: async () => database.close(),
  }
}

/** node:sqlite's errors as `SqliteError`; a mistake in a caller's own code stays what it is. */
function asSqliteError<T>(work: () => T, statement?: number): T {
  try {
    return work()
  } catch (error) {
    throw toSqliteError(error, statement)
  }
}

export function toSqliteError(error: unknown, statement?: number): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return error
  if (error instanceof SqliteError) return error
  return new SqliteError(error.message.replace(withheldFunction, 'no such function: '), error.errcode, statement)
}

/** What the authorizer's refusal of a function sounds like; see `withhold` in guard.ts. */
const withheldFunction = /^not authorized to use function: /
