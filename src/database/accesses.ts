/** What a statement would do, as SQLite's own authorizer names it while the statement is compiled. Nothing is run. */
import { constants, type DatabaseSync } from 'node:sqlite'
import type { Access } from './connection.ts'

const prefix = 'SQLITE_'

/** The actions of the authorizer (https://www.sqlite.org/c3ref/c_alter_table.html); other constants have small numbers too. */
const names = new Map<number, Access['action']>(
  (
    'CREATE_INDEX CREATE_TABLE CREATE_TEMP_INDEX CREATE_TEMP_TABLE CREATE_TEMP_TRIGGER CREATE_TEMP_VIEW CREATE_TRIGGER ' +
    'CREATE_VIEW CREATE_VTABLE DELETE DROP_INDEX DROP_TABLE DROP_TEMP_INDEX DROP_TEMP_TABLE DROP_TEMP_TRIGGER ' +
    'DROP_TEMP_VIEW DROP_TRIGGER DROP_VIEW DROP_VTABLE INSERT PRAGMA READ SELECT TRANSACTION UPDATE ATTACH DETACH ' +
    'ALTER_TABLE REINDEX ANALYZE FUNCTION SAVEPOINT RECURSIVE'
  )
    .split(' ')
    .map(name => [(constants as Readonly<Record<string, number>>)[prefix + name] ?? -1, name]),
)

/**
 * Compiles a statement under an authorizer of its own, which is left in place: whoever had set another sets it again.
 * @throws what SQLite says of a statement that it refuses
 */
export function accessesOf(db: DatabaseSync, sql: string): Access[] {
  const found: Access[] = []
  db.setAuthorizer((action, first, second, schema, by) => {
    found.push({ action: names.get(action) ?? String(action), first, second, schema, by })
    return constants.SQLITE_OK
  })
  db.prepare(sql)
  return found
}
