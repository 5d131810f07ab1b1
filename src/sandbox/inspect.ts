/**
 * The check of a database that came back from an object store: in the sandbox, or natively in a child process where the
 * sandbox lacks what the database uses (UTF-16, R-Tree, FTS3/4, a great deal of memory).
 */
import { DatabaseProcess } from '../database/child-process.ts'
import { type Connection, quoteName, SqliteError } from '../database/connection.ts'
import { isDamaged } from '../database/explain.ts'
import { setHeaderMode } from '../database/header-mode.ts'
import { fileUri, inspectFile } from '../database/location.ts'
import { LockkeeperError } from '../errors.ts'
import { openSandbox } from './sandbox.ts'

export interface Inspected<T> {
  /** How it was looked at, for people. */
  readonly how: string
  readonly value: T
}

/** SQLITE_NOMEM */
const outOfMemory = 7

/**
 * Calls `read` with the file in the sandbox; where the sandbox lacks something, with the file in a child process, so it
 * may be called twice and must have no effect but its result.
 * @param path a private copy that nothing else opens. It is switched to rollback mode: two bytes of its header.
 * @throws LockkeeperError `invalid` when it is no database, or too damaged to be read; whatever `read` throws
 */
export async function inspectCopy<T>(
  path: string,
  read: (connection: Connection) => Promise<T>,
  signal?: AbortSignal,
): Promise<Inspected<T>> {
  const encoding = await toRollbackMode(path)
  try {
    if (encoding === 'UTF-16') return await natively(path, read, 'it has no UTF-16', signal)
    const inside = await inSandbox(path, read, signal)
    return 'lacks' in inside ? await natively(path, read, inside.lacks, signal) : inside
  } catch (error) {
    if (!isDamaged(error)) throw error
    throw new LockkeeperError('invalid', `${path} is damaged: ${error.message}`, {
      hint: 'Choose another backup: lockkeeper backups lists them.',
      cause: error,
    })
  }
}

async function inSandbox<T>(
  path: string,
  read: (connection: Connection) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<Inspected<T> | { readonly lacks: string }> {
  const sandbox = await openSandbox(path, signal)
  try {
    const lacks = await missingModule(sandbox)
    if (lacks !== undefined) return { lacks }
    let full: SqliteError | undefined
    // What `read` makes of an error is its own business: a check makes a finding of it.
    const noting = async <R>(work: Promise<R>): Promise<R> => {
      try {
        return await work
      } catch (error) {
        if (error instanceof SqliteError && error.primary === outOfMemory) full = error
        throw error
      }
    }
    const watched: Connection = {
      all: (sql, ...params) => noting(sandbox.all(sql, ...params)),
      exec: sql => noting(sandbox.exec(sql)),
      close: () => sandbox.close(),
    }
    const outcome = await read(watched).then(
      value => ({ value }),
      (error: unknown) => ({ error }),
    )
    if (full !== undefined) return { lacks: full.message }
    if ('error' in outcome) throw outcome.error
    return { how: 'in the sandbox', value: outcome.value }
  } finally {
    await sandbox.close()
  }
}

async function natively<T>(
  path: string,
  read: (connection: Connection) => Promise<T>,
  lacks: string,
  signal: AbortSignal | undefined,
): Promise<Inspected<T>> {
  const child = await DatabaseProcess.open({ location: fileUri(path, { mode: 'ro' }), readOnly: true }, signal)
  try {
    return { how: `natively, because the sandbox cannot: ${lacks}`, value: await read(child) }
  } finally {
    await child.close()
  }
}

/** `integrity_check` passes over virtual tables whose module it does not have, without a word. */
async function missingModule(sandbox: Connection): Promise<string | undefined> {
  const tables = await orSqliteError(
    sandbox.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND coalesce(rootpage, 0) = 0`),
  )
  // What is damaged is for `read` to find.
  if (tables instanceof SqliteError) return undefined
  for (const { name } of tables) {
    const seen = await orSqliteError(sandbox.all(`SELECT 1 FROM main.${quoteName(name)} LIMIT 0`))
    if (seen instanceof SqliteError && /^no such (module|tokenizer)/.test(seen.message)) return seen.message
  }
  return undefined
}

async function orSqliteError<T>(work: Promise<T>): Promise<T | SqliteError> {
  try {
    return await work
  } catch (error) {
    if (error instanceof SqliteError) return error
    throw error
  }
}

/**
 * Makes a header that says WAL say rollback mode: a complete copy has no log beside it. Only for a private copy.
 * @returns the encoding of its text
 * @throws LockkeeperError `invalid` when it is no database
 */
export async function toRollbackMode(path: string): Promise<'UTF-8' | 'UTF-16'> {
  const presence = await inspectFile(path, { inProcess: true })
  if (presence.kind !== 'database') return 'UTF-8'
  const { encoding, journalMode } = presence.header
  if (journalMode === 'rollback') return encoding
  await setHeaderMode(path, 'rollback')
  return encoding
}
