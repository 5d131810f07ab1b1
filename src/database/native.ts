/**
 * node:sqlite behind a few plain operations, in whichever process it runs: the child that owns a live file
 * (`child.ts`), a read-only view, a replay in memory. Every default that matters is set on purpose: foreign keys off
 * (a table rebuild must not cascade; keys are checked before the commit), double-quoted strings off, defensive on.
 */
import { constants, DatabaseSync } from 'node:sqlite'
import { type Guard, type Row, type ScriptCall, SqliteError, type Value, type Workspace } from './connection.ts'
import { runScript } from './script.ts'

export interface OpenOptions {
  /** A `file:` URI (see `fileUri`) or `:memory:`. */
  readonly location: string
  readonly readOnly?: boolean
}

/** Harmless inside a transaction; every other pragma is refused there, since it would do nothing or let go of the lock. */
const allowedPragmas = new Set(
  (
    'application_id case_sensitive_like collation_list compile_options data_version database_list defer_foreign_keys ' +
    'encoding foreign_key_check foreign_key_list freelist_count function_list ignore_check_constraints index_info ' +
    'index_list index_xinfo integrity_check legacy_alter_table optimize page_count quick_check recursive_triggers ' +
    'table_info table_list table_xinfo user_version'
  ).split(' '),
)
const allowedOutsideTransaction = new Set([
  ...allowedPragmas,
  'auto_vacuum',
  'journal_mode',
  'page_size',
  'incremental_vacuum',
])

export class NativeDatabase {
  readonly #db: DatabaseSync

  constructor({ location, readOnly = false }: OpenOptions) {
    this.#db = asSqliteError(
      () =>
        new DatabaseSync(location, {
          readOnly,
          enableForeignKeyConstraints: false,
          enableDoubleQuotedStringLiterals: false,
          defensive: true,
        }),
    )
  }

  all(sql: string, params: readonly Value[]): Row[] {
    return asSqliteError(() => this.#db.prepare(sql).all(...params) as Row[])
  }

  exec(sql: string): void {
    asSqliteError(() => this.#db.exec(sql))
  }

  /** See `Workspace.run`. */
  run(statements: readonly string[], guard: Guard): string[] {
    return this.#guarded(guard, () => {
      for (const [position, sql] of statements.entries()) asSqliteError(() => this.#db.exec(sql), position)
    })
  }

  /** See `Workspace.runScript`. */
  async runScript(call: ScriptCall, guard: Guard): Promise<string[]> {
    const watch = this.#watch(guard)
    try {
      await runScript(this.#db, call)
      return watch.touched()
    } catch (error) {
      throw watch.explain(error)
    } finally {
      this.#db.setAuthorizer(null)
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  #guarded(guard: Guard, work: () => void): string[] {
    const watch = this.#watch(guard)
    try {
      work()
      return watch.touched()
    } catch (error) {
      throw watch.explain(error)
    } finally {
      this.#db.setAuthorizer(null)
    }
  }

  #watch({ ownTransactions }: Guard) {
    const touched = new Set<string>()
    let refused: string | undefined
    const pragmas = ownTransactions ? allowedOutsideTransaction : allowedPragmas
    const refuse = (what: string) => {
      refused = what
      return constants.SQLITE_DENY
    }
    this.#db.setAuthorizer((action, first, second) => {
      switch (action) {
        case constants.SQLITE_DELETE:
        case constants.SQLITE_INSERT:
        case constants.SQLITE_UPDATE:
        case constants.SQLITE_DROP_TABLE:
        case constants.SQLITE_DROP_VTABLE:
          if (first !== null && !/^sqlite_/i.test(first)) touched.add(first)
          break
        case constants.SQLITE_ALTER_TABLE:
          if (second !== null) touched.add(second)
          break
        case constants.SQLITE_TRANSACTION:
          if (!ownTransactions) return refuse(`${first} (Lockkeeper ends the transaction, after the checks)`)
          break
        case constants.SQLITE_ATTACH:
          // VACUUM attaches a temporary database without a name.
          if (!ownTransactions || first !== '') return refuse('ATTACH (a migration changes one database)')
          break
        case constants.SQLITE_PRAGMA:
          if (first !== null && !pragmas.has(first.toLowerCase())) return refuse(`PRAGMA ${first}`)
          break
      }
      return constants.SQLITE_OK
    })
    return {
      touched: () => [...touched],
      explain: (error: unknown) =>
        refused !== undefined && error instanceof SqliteError
          ? new SqliteError(`not allowed in a migration: ${refused}`, error.errcode, error.statement)
          : error,
    }
  }
}

/** The same as promises: a database of this very process. */
export function workspaceOf(database: NativeDatabase): Workspace {
  return {
    all: async <T extends object = Row>(sql: string, ...params: readonly Value[]) => database.all(sql, params) as T[],
    exec: async sql => database.exec(sql),
    run: async (statements, guard) => database.run(statements, guard),
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
  return new SqliteError(error.message, error.errcode, statement)
}
