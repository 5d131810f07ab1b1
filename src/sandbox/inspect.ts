/**
 * The check of a database that came back from an object store: in the sandbox, or natively in a child process where the
 * sandbox lacks what the database uses (UTF-16, R-Tree, FTS3/4, a great deal of memory).
 */
import { open } from 'node:fs/promises'
import { DatabaseProcess } from '../database/child-process.ts'
import { type Connection, SqliteError } from '../database/connection.ts'
import { fileUri, inspectFile } from '../database/location.ts'
import { openSandbox } from './sandbox.ts'

export interface Inspected<T> {
  /** How it was looked at, for people. */
  readonly how: string
  readonly value: T
}

const lacking = /no such module|unsupported encoding|not supported|UTF-16|out of memory|malformed database schema/i

/**
 * Calls `read` with the file in the sandbox; where the sandbox cannot open or read it, with the file in a child process.
 * @param path a private copy that nothing else opens. It is switched to rollback mode: two bytes of its header.
 * @throws LockkeeperError `invalid` when it is no database; whatever `read` throws
 */
export async function inspectCopy<T>(
  path: string,
  read: (connection: Connection) => Promise<T>,
  signal?: AbortSignal,
): Promise<Inspected<T>> {
  await toRollbackMode(path)
  try {
    return { how: 'in the sandbox', value: await use(await openSandbox(path, signal), read) }
  } catch (error) {
    if (!(error instanceof SqliteError) || !lacking.test(error.message)) throw error
    const connection = await DatabaseProcess.open({ location: fileUri(path, { mode: 'ro' }), readOnly: true }, signal)
    return { how: `natively, because the sandbox cannot: ${error.message}`, value: await use(connection, read) }
  }
}

/**
 * Sets the two bytes of the header that say WAL back to rollback mode (https://www.sqlite.org/fileformat2.html, offsets
 * 18 and 19): a complete copy has no log beside it. Only for a private copy.
 */
export async function toRollbackMode(path: string): Promise<void> {
  const presence = await inspectFile(path)
  if (presence.kind !== 'database' || presence.header.journalMode === 'rollback') return
  const file = await open(path, 'r+')
  try {
    await file.write(Buffer.from([1, 1]), 0, 2, 18)
  } finally {
    await file.close()
  }
}

async function use<T>(connection: Connection, read: (connection: Connection) => Promise<T>): Promise<T> {
  try {
    return await read(connection)
  } finally {
    await connection.close()
  }
}
