/**
 * Replacing the content of a database in place, without letting the lock go: for a restore.
 *
 * `backup()` into a database that one's own connection has locked fails, unless both connections are opened with the VFS
 * `unix-excl`: its locks belong to the process, one read takes them, and they are kept until the connection is closed.
 * So nobody gets in between the safety backup and the replacement. A file is never renamed over a live one: a connection
 * that is open on the old file would go on writing to it. SQLite's journal makes the replacement old or new, never half.
 */
import { LockkeeperError } from '../errors.ts'
import type { DatabaseProcess } from './child-process.ts'
import { SqliteError } from './connection.ts'
import { explainSqliteError } from './explain.ts'
import { fileUri, realDatabasePath, sizeOfDatabase } from './location.ts'
import { type LockOptions, openWhenFree } from './lock.ts'

export type ReplaceOptions = LockOptions

/**
 * Takes the database at `path` for this process alone; creates it if it is not there. `close()` lets go.
 * @throws as `openExclusive`
 */
export async function openForReplacement(path: string, options: ReplaceOptions): Promise<DatabaseProcess> {
  const file = await realDatabasePath(path)
  await sizeOfDatabase(file)
  return openWhenFree(file, { location: exclusiveUri(file), first: 'SELECT count(*) FROM sqlite_schema' }, options)
}

export type JournalMode = 'wal' | 'rollback'

/** The mode that a database is in. */
export async function journalModeOf(child: DatabaseProcess): Promise<JournalMode> {
  const [row] = await child.all<{ journal_mode: string }>('PRAGMA journal_mode')
  return row?.journal_mode === 'wal' ? 'wal' : 'rollback'
}

/**
 * Puts the content of `source`, a private copy in rollback mode, in place of what `child` holds.
 * @param mode the journal mode that the database is to be in afterwards. Killed while the source has another page size
 * than a database in WAL mode, that is left in rollback mode, old or new: the next restore has to ask for WAL again.
 * @throws LockkeeperError `io`, `denied`, `invalid`; the database is what it was
 */
export async function replaceContent(
  child: DatabaseProcess,
  path: string,
  source: string,
  mode: JournalMode,
): Promise<void> {
  const target = exclusiveUri(await realDatabasePath(path))
  const from = { location: fileUri(source, { mode: 'ro' }), readOnly: true }
  try {
    await child.copy(from, target).catch(async (error: unknown) => {
      // A database in WAL mode takes no other page size: it leaves WAL for the time of the copy, still under the lock.
      if (!isReadOnly(error) || (await journalModeOf(child)) !== 'wal') throw error
      await setJournalMode(child, 'rollback')
      await child.copy(from, target)
    })
    if ((await journalModeOf(child)) !== mode) await setJournalMode(child, mode)
  } catch (error) {
    throw explainSqliteError(error, `cannot replace the content of ${path}`)
  }
}

async function setJournalMode(child: DatabaseProcess, mode: JournalMode): Promise<void> {
  await child.exec(`PRAGMA journal_mode = ${mode === 'wal' ? 'WAL' : 'DELETE'}`)
  const now = await journalModeOf(child)
  if (now !== mode) throw new LockkeeperError('io', `the database stays in ${now} mode: it cannot change to ${mode}`)
}

function isReadOnly(error: unknown): boolean {
  return error instanceof SqliteError && error.primary === 8
}

function exclusiveUri(file: string): string {
  return fileUri(file, { vfs: 'unix-excl' })
}
