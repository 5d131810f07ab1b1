/**
 * Replacing the content of a database in place, without letting the lock go: for a restore.
 *
 * `backup()` into a database that one's own connection has locked fails, unless both connections are opened with the VFS
 * `unix-excl`: its locks belong to the process, one read takes them, and they are kept until the connection is closed.
 * So nobody gets in between the safety backup and the replacement. A file is never renamed over a live one: a connection
 * that is open on the old file would go on writing to it. SQLite's journal makes the replacement old or new, never half.
 */
import { DatabaseProcess } from './child-process.ts'
import { SqliteError } from './connection.ts'
import { waitUntilFree } from './exclusive.ts'
import { explainSqliteError, isBusy } from './explain.ts'
import { fileUri } from './location.ts'

export interface ReplaceOptions {
  /** Milliseconds to wait for others to let go. */
  readonly lockTimeout: number
  readonly signal?: AbortSignal
  readonly onWaiting?: (waited: number) => void
}

/** Takes the database at `path` for this process alone; creates it if it is not there. `close()` lets go. */
export async function openForReplacement(path: string, options: ReplaceOptions): Promise<DatabaseProcess> {
  const open = { location: exclusiveUri(path) }
  let child: DatabaseProcess | undefined
  try {
    child = await DatabaseProcess.open(open, options.signal)
    await waitUntilFree(
      child,
      open,
      path,
      options,
      'SELECT count(*) FROM sqlite_schema; PRAGMA wal_checkpoint(TRUNCATE)',
    )
    return child
  } catch (error) {
    await child?.close()
    throw explainSqliteError(error, `cannot take the database ${path}`)
  }
}

export type JournalMode = 'wal' | 'rollback'

/** The mode that a database is in. */
export async function journalModeOf(child: DatabaseProcess): Promise<JournalMode> {
  const [row] = await child.all<{ journal_mode: string }>('PRAGMA journal_mode')
  return row?.journal_mode === 'wal' ? 'wal' : 'rollback'
}

/**
 * Puts the content of `source`, a private copy in rollback mode, in place of what `child` holds.
 * @param mode the journal mode that the database is to be in afterwards
 */
export async function replaceContent(
  child: DatabaseProcess,
  path: string,
  source: string,
  mode: JournalMode,
): Promise<void> {
  const from = { location: fileUri(source, { mode: 'ro' }), readOnly: true }
  try {
    await child.copy(from, exclusiveUri(path))
  } catch (error) {
    // A database in WAL mode takes no other page size: it leaves WAL for the time of the copy, still under the lock.
    if (!(error instanceof SqliteError) || error.primary !== readOnly) throw explain(error, path)
    await child.exec('PRAGMA journal_mode = DELETE')
    await child.copy(from, exclusiveUri(path)).catch((again: unknown) => {
      throw explain(again, path)
    })
  }
  if ((await journalModeOf(child)) !== mode)
    await child.exec(`PRAGMA journal_mode = ${mode === 'wal' ? 'WAL' : 'DELETE'}`)
}

const readOnly = 8

function exclusiveUri(path: string): string {
  return fileUri(path, { vfs: 'unix-excl' })
}

function explain(error: unknown, path: string): unknown {
  // A busy target makes backup() reject with "not an error".
  const busy = isBusy(error) || (error instanceof SqliteError && error.errcode === 0)
  return explainSqliteError(
    busy ? new SqliteError('the database is busy', 5) : error,
    `cannot replace the content of ${path}`,
  )
}
