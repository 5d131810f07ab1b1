/** Which kind of lock is in the way, where its holder cannot be seen: by what SQLite itself still grants. */
import type { DatabaseProcess } from './child-process.ts'
import { SqliteError } from './connection.ts'
import { isBusy } from './explain.ts'

/** SQLITE_BUSY_RECOVERY */
const recovering = 261

/**
 * Tries one thing after the other and lets go at once.
 * @param child has nothing open
 * @returns in SQLite's own words; undefined when nothing is in the way any more, or something else is wrong
 */
export async function kindOfLock(child: DatabaseProcess, location: string): Promise<string | undefined> {
  try {
    const reading = await refusal(() => child.reopen({ location, first: 'PRAGMA schema_version' }))
    if (reading !== undefined)
      return reading.errcode === recovering ? 'the WAL recover slot' : 'an exclusive or pending lock'
    const [mode] = await child.all<{ journal_mode: string }>('PRAGMA journal_mode')
    const wal = mode?.journal_mode === 'wal'
    const writing = await refusal(() => child.exec('BEGIN IMMEDIATE; ROLLBACK'))
    if (writing !== undefined) return wal ? 'the WAL write slot' : 'a reserved lock'
    return wal ? 'a shared lock (in WAL mode an open connection has one)' : 'a shared lock'
  } catch {
    return undefined
  } finally {
    await child.release()
  }
}

async function refusal(work: () => Promise<void>): Promise<SqliteError | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof SqliteError && isBusy(error)) return error
    throw error
  }
}
