/** The smallest real `Connection`: node:sqlite in this process, with the settings that Lockkeeper's own connections have. */
import { DatabaseSync } from 'node:sqlite'
import { type Connection, type Row, SqliteError, type Value } from '../../src/database/connection.ts'

export interface TestConnection extends Connection {
  /** The database itself, for what `Connection` does not offer. */
  readonly native: DatabaseSync
}

/**
 * Opens a database, in memory unless a path is given. `strings` accepts double-quoted strings, as most SQLite builds
 * do and Lockkeeper's connections do not.
 */
export function openConnection(path = ':memory:', { strings = false } = {}): TestConnection {
  const native = new DatabaseSync(path, {
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: strings,
    defensive: true,
  })
  return {
    native,
    all: async <T extends object = Row>(sql: string, ...params: readonly Value[]) =>
      explained(() => native.prepare(sql).all(...params) as T[]),
    exec: async sql => explained(() => native.exec(sql)),
    close: async () => native.close(),
  }
}

/** Runs `work` on a new database in memory that these statements made, and closes it. */
export async function withDatabase<T>(
  sql: string,
  work: (connection: TestConnection) => Promise<T>,
  options: { strings?: boolean } = {},
): Promise<T> {
  const connection = openConnection(':memory:', options)
  try {
    await connection.exec(sql)
    return await work(connection)
  } finally {
    await connection.close()
  }
}

function explained<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Error && 'errcode' in error) throw new SqliteError(error.message, Number(error.errcode))
    throw error
  }
}
