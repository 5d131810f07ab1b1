/** `view`: a read-only look that changes no byte; see `reading.ts`. */
import type { Connection } from './connection.ts'
import { readStart } from './files.ts'
import type { InspectOptions } from './location.ts'
import { NativeDatabase, type OpenOptions, workspaceOf } from './native.ts'
import { readQuietly, type Viewed } from './reading.ts'

export { needsRecovery, type Viewed } from './reading.ts'

/** In an application a look in its own process would take away the application's own locks. */
export interface ViewOptions extends InspectOptions {
  /** How long a writer may be in the way, in milliseconds. Default 500. */
  readonly patience?: number
  /** See `OpenOptions`. */
  readonly doubleQuotedStrings?: boolean
}

/**
 * Calls `read` with a read-only connection to the database at `path`, if there is one. `read` may be called again when
 * the file changed meanwhile, so it must have no effect but its result.
 * @throws LockkeeperError `busy` when it keeps changing or is locked; `invalid`, `denied`, `io`; `busy` also for a hot
 * journal, which only SQLite's recovery in a writing job may touch.
 */
export async function viewDatabase<T>(
  path: string,
  read: (connection: Connection) => Promise<T>,
  { doubleQuotedStrings = false, inProcess = false, patience = 500, signal }: ViewOptions = {},
): Promise<Viewed<T>> {
  if (inProcess) {
    const here = (open: OpenOptions) => {
      const connection = workspaceOf(new NativeDatabase({ ...open, doubleQuotedStrings }))
      return inTransaction(connection, read, () => connection.close())
    }
    return readQuietly(path, here, { readStart, patience, signal })
  }
  const { DatabaseProcess } = await import('./child-process.ts')
  const child = DatabaseProcess.start(signal)
  try {
    const there = async (open: OpenOptions) => {
      await child.reopen({ ...open, doubleQuotedStrings })
      return inTransaction(child, read, () => child.release())
    }
    return await readQuietly(path, there, {
      readStart: (file, bytes) => child.readStart(file, bytes),
      patience,
      signal,
    })
  } finally {
    await child.close()
  }
}

/** One transaction, so that everything read belongs together. */
async function inTransaction<T>(
  connection: Connection,
  read: (connection: Connection) => Promise<T>,
  close: () => Promise<void>,
): Promise<T> {
  try {
    await connection.exec('BEGIN')
    return await read(connection)
  } finally {
    await close()
  }
}
