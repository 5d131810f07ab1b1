/**
 * What keeps a migration inside its bounds and notes what it touched: SQLite's own authorizer, which sees every statement
 * when it is compiled, whoever sends it: a file, a module, a trigger, a table-valued `pragma_` function.
 */
import { constants, type DatabaseSync } from 'node:sqlite'
import { type Guard, SqliteError } from './connection.ts'

/** Harmless inside a transaction; every other pragma is refused there: it would do nothing, or let go of the lock. */
const pragmas = new Set(
  (
    'application_id case_sensitive_like collation_list compile_options data_version database_list defer_foreign_keys ' +
    'encoding foreign_key_check foreign_key_list freelist_count function_list ignore_check_constraints index_info ' +
    'index_list index_xinfo integrity_check legacy_alter_table optimize page_count quick_check recursive_triggers ' +
    'table_info table_list table_xinfo user_version'
  ).split(' '),
)
const outsideTransaction = new Set('auto_vacuum foreign_keys incremental_vacuum journal_mode page_size'.split(' '))
/** The modes that survive a kill. Written out in full, for SQLite understands the beginnings of the others' names as well. */
const journalModes = new Set(['delete', 'truncate', 'persist', 'wal'])

/** SQLITE_ERROR and SQLITE_AUTH. */
const generalError = 1
const notAuthorized = 23

export interface Watch {
  /** Throws when a transaction that had to last is over: SQLite ends it itself for `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` or a full disk. */
  check(): void
  /** The tables whose rows could have changed. */
  touched(): string[]
  /** What was refused, in words; any other error unchanged. */
  explain(error: unknown): unknown
  /** Takes the guard away. */
  end(): void
}

/** Sets a guard on a connection until `end`. */
export function watch(db: DatabaseSync, { ownTransactions }: Guard): Watch {
  const inside = !ownTransactions && db.isTransaction
  const touched = new Set<string>()
  let refused: string | undefined
  const refuse = (what: string) => {
    refused = what
    return constants.SQLITE_DENY
  }
  db.setAuthorizer((action, first, second) => {
    switch (action) {
      case constants.SQLITE_DELETE:
      case constants.SQLITE_INSERT:
      case constants.SQLITE_UPDATE:
      // CREATE TABLE ... AS fills it without an INSERT.
      case constants.SQLITE_CREATE_TABLE:
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
        if (!ownTransactions || first !== '') return refuse('ATTACH or VACUUM INTO (a migration changes one database)')
        break
      case constants.SQLITE_DETACH:
        return refuse('DETACH')
      case constants.SQLITE_PRAGMA:
        if (!mayUse(first ?? '', second, ownTransactions))
          return refuse(`PRAGMA ${first}${second === null ? '' : ` = ${second}`}`)
        break
    }
    return constants.SQLITE_OK
  })
  return {
    check: () => {
      if (inside && !db.isTransaction)
        throw new SqliteError('the migration has rolled back the transaction that it runs in', generalError)
    },
    touched: () => [...touched],
    explain: error =>
      refused !== undefined && isRefusal(error)
        ? new SqliteError(`not allowed in a migration: ${refused}`, error.errcode, error.statement)
        : error,
    end: () => db.setAuthorizer(null),
  }
}

function mayUse(name: string, value: string | null, ownTransactions: boolean): boolean {
  const pragma = name.toLowerCase()
  if (pragmas.has(pragma)) return true
  if (!ownTransactions || !outsideTransaction.has(pragma)) return false
  return pragma !== 'journal_mode' || value === null || journalModes.has(value.toLowerCase())
}

function isRefusal(error: unknown): error is SqliteError {
  return error instanceof SqliteError && (error.primary === notAuthorized || /not authorized/.test(error.message))
}
