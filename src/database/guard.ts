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

/** Where SQLite keeps the counters of AUTOINCREMENT. */
const counters = 'sqlite_sequence'

/** SQLITE_ERROR and SQLITE_AUTH. */
const generalError = 1
const notAuthorized = 23

export interface Watch {
  /** Throws when a transaction that had to last is over: SQLite ends it itself for `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` or a full disk. */
  check(): void
  /** The tables whose rows could have changed; and `sqlite_sequence` where a counter was set on purpose. */
  touched(): string[]
  /** What was refused, in words; any other error unchanged. */
  explain(error: unknown): unknown
  /** Takes the guard away. */
  end(): void
}

/** Sets a guard on a connection until `end`. @param withheld functions that an earlier migration defined for itself, in lower case */
export function watch(
  db: DatabaseSync,
  { ownTransactions, reserved = [] }: Guard,
  withheld: ReadonlySet<string>,
): Watch {
  const kept = new Set(reserved.map(name => name.toLowerCase()))
  const inside = !ownTransactions && db.isTransaction
  const touched = new Set<string>()
  let refused: string | undefined
  const refuse = (what: string) => {
    refused = what
    return constants.SQLITE_DENY
  }
  const setsCounter = counterWatch()
  db.setAuthorizer((action, first, second, schema) => {
    const changed = changedTable(action, first, second, schema)
    if (changed !== null && kept.has(changed.toLowerCase()))
      return refuse(`changing ${changed} (Lockkeeper's own record)`)
    if (setsCounter(action, first, second)) touched.add(counters)
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
      case constants.SQLITE_FUNCTION:
        if (isWithheld(withheld, second)) return constants.SQLITE_DENY
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
    end: () => withhold(db, withheld),
  }
}

/** The authorizer between migrations: what one of them defined is not there for anybody else, as on another day. */
export function withhold(db: DatabaseSync, withheld: ReadonlySet<string>): void {
  db.setAuthorizer(
    withheld.size === 0
      ? null
      : (action, _, name) =>
          action === constants.SQLITE_FUNCTION && isWithheld(withheld, name)
            ? constants.SQLITE_DENY
            : constants.SQLITE_OK,
  )
}

function isWithheld(withheld: ReadonlySet<string>, name: string | null): boolean {
  return withheld.size > 0 && name !== null && withheld.has(name.toLowerCase())
}

const changesRows = new Set<number>([constants.SQLITE_DELETE, constants.SQLITE_INSERT, constants.SQLITE_UPDATE])

/**
 * Tells a statement that sets a counter of AUTOINCREMENT from SQLite's own housekeeping: a rename changes the name that
 * the counter has, and a drop deletes it right after the table's rows.
 */
function counterWatch() {
  let dropped: string | null = null
  return (action: number, table: string | null, column: string | null): boolean => {
    if (action === constants.SQLITE_DROP_TABLE) dropped = table
    if (!changesRows.has(action) || table === dropped) return false
    const byDrop = dropped !== null && action === constants.SQLITE_DELETE
    dropped = null
    return table === counters && !byDrop && (action !== constants.SQLITE_UPDATE || column === 'seq')
  }
}

const changesTable = new Set<number>([
  ...changesRows,
  constants.SQLITE_CREATE_TABLE,
  constants.SQLITE_CREATE_VTABLE,
  constants.SQLITE_CREATE_VIEW,
  constants.SQLITE_DROP_TABLE,
])
const changesSecond = new Set<number>([
  constants.SQLITE_ALTER_TABLE,
  constants.SQLITE_CREATE_INDEX,
  constants.SQLITE_CREATE_TRIGGER,
  constants.SQLITE_DROP_INDEX,
  constants.SQLITE_DROP_TRIGGER,
])

/** The table of the main database whose content or definition an action changes. */
function changedTable(action: number, first: string | null, second: string | null, schema: string | null) {
  if (action === constants.SQLITE_ALTER_TABLE) return first === 'main' ? second : null
  if (schema !== 'main') return null
  if (changesSecond.has(action)) return second
  return changesTable.has(action) ? first : null
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
