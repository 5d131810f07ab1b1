/**
 * Replacing the content of a database in place, without letting the lock go: for a restore.
 *
 * `backup()` into a database that one's own connection has locked fails, unless both connections are opened with the VFS
 * `unix-excl`: its locks belong to the process, one read takes them, and they are kept until the last connection is
 * closed. So nobody gets in between the safety backup and the replacement. The read need not succeed: SQLite takes the
 * lock before it looks at the content, so there is one for a damaged file as well.
 *
 * A file is never renamed over a live one: a connection that is open on the old file would go on writing to it. SQLite's
 * journal makes the replacement old or new, never half.
 */
import { rm } from 'node:fs/promises'
import { LockkeeperError } from '../errors.ts'
import type { DatabaseProcess } from './child-process.ts'
import { type Connection, SqliteError } from './connection.ts'
import { explainSqliteError, isDamaged } from './explain.ts'
import type { JournalMode } from './header.ts'
import { setHeaderMode } from './header-mode.ts'
import { fileIdentity, fileSize, fileUri, realDatabasePath, sizeOfDatabase } from './location.ts'
import { emptyLog, type LockOptions, untilFree, withNewChild } from './lock.ts'
import { unfinishedJournal, writeRedoJournal } from './redo-journal.ts'

/** What was there when the lock was taken. */
export type Found =
  /** No file, or one in which nothing was ever committed. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'database'; readonly journalMode: JournalMode }
  /**
   * A file that SQLite refuses, or whose schema it cannot read, or that is damaged beside a log with content. The log may
   * hold a part of it, and is as it was.
   */
  | { readonly kind: 'damaged'; readonly reason: string; readonly journalMode?: JournalMode }

/** A database that is held for this process alone. */
export interface Held {
  readonly child: DatabaseProcess
  /** From `realDatabasePath`. */
  readonly file: string
  readonly found: Found
  /**
   * Makes sure that the file at the path is still the one that is locked.
   * @throws LockkeeperError `busy` if not; then the process that held it is gone
   */
  confirm(): Promise<void>
}

export interface ReplacementOptions extends LockOptions {
  /** What is damaged in a database, asked before its log is written into it; undefined: nothing. */
  readonly damageOf: (connection: Connection) => Promise<string | undefined>
}

/**
 * Takes what is at `path` for this process alone; creates a database if nothing is there. `letGo` ends that.
 * @throws as `openExclusive`, but a file that is damaged is taken as it is
 */
export async function openForReplacement(path: string, options: ReplacementOptions): Promise<Held> {
  const file = await realDatabasePath(path)
  await sizeOfDatabase(file)
  const before = await fileIdentity(file)
  return withNewChild(file, options, async child => {
    const damage = await take(child, file, options)
    const identity = before ?? (await fileIdentity(file))
    const confirm = async () => {
      if ((await fileIdentity(file)) === identity) return
      await child.abandon()
      throw new LockkeeperError('busy', `the file at ${file} was replaced while it was locked`, {
        hint: 'Nothing was changed in either file. Find out what moved or replaced it, then restore again.',
        details: { database: file },
      })
    }
    await confirm()
    // Left by a restore that was killed; no lock of ours is on it.
    await rm(unfinishedJournal(file), { force: true })
    const found: Found =
      damage === undefined ? await contentOf(child, file, options) : { kind: 'damaged', reason: damage }
    return { child, file, found, confirm }
  })
}

/**
 * Lets go of what is held.
 * @param replaced whether the content is the new one. If not, a damaged file and its log stay the two that they are: SQLite,
 * when it closes them, writes the one into the other
 */
export async function letGo({ child, found }: Held, replaced: boolean): Promise<void> {
  if (found.kind === 'damaged' && !replaced) await child.abandon()
  else await child.close()
}

/** @returns what is wrong with a file whose schema cannot be read; the lock is there all the same */
async function take(child: DatabaseProcess, file: string, options: LockOptions): Promise<string | undefined> {
  let damage: string | undefined
  const attempt = async () => {
    await child.reopen({ location: exclusiveUri(file) })
    try {
      await child.exec('SELECT count(*) FROM sqlite_schema')
    } catch (error) {
      if (!isDamaged(error)) {
        await child.release()
        throw error
      }
      damage = error.message
    }
  }
  await untilFree(child, attempt, file, options)
  return damage
}

async function contentOf(child: DatabaseProcess, file: string, { damageOf }: ReplacementOptions): Promise<Found> {
  if (((await fileSize(`${file}-wal`)) ?? 0) > 0) {
    const reason = await damageOf(child).catch(async (error: unknown) => {
      await child.abandon()
      throw error
    })
    if (reason !== undefined) return { kind: 'damaged', reason, journalMode: 'wal' }
  }
  await emptyLog(child, file)
  const [pages] = await child.all<{ page_count: number }>('PRAGMA page_count')
  if (pages?.page_count === 0) return { kind: 'nothing' }
  return { kind: 'database', journalMode: await journalModeOf(child) }
}

/** The mode that a database is in. */
export async function journalModeOf(child: DatabaseProcess): Promise<JournalMode> {
  const [row] = await child.all<{ journal_mode: string }>('PRAGMA journal_mode')
  return row?.journal_mode === 'wal' ? 'wal' : 'rollback'
}

/**
 * Puts the content of `source` in place of what is held. A database stays in the journal mode that it is in.
 * @param source a private copy without a log, in either mode; its header is changed
 * @param otherwise the journal mode where there is none to stay in: nothing was there, or nobody can tell
 * @throws LockkeeperError `io`, `denied`, `busy`, `invalid`; the database is what it was
 */
export async function replaceContent(held: Held, source: string, otherwise: JournalMode): Promise<void> {
  const { child, file, found } = held
  const mode = (found.kind === 'nothing' ? undefined : found.journalMode) ?? otherwise
  // Copied into a database in rollback mode, the header decides; one in WAL mode stays in it.
  await setHeaderMode(source, mode)
  await held.confirm()
  try {
    await child.copy({ location: fileUri(source, { mode: 'ro' }), readOnly: true }, exclusiveUri(file))
    // A connection stays with the text encoding that it began with.
    await child.renew(exclusiveUri(file))
  } catch (error) {
    if (!needsJournal(error, found)) throw explainSqliteError(error, `cannot replace the content of ${file}`)
    await replaceByJournal(held, source)
  }
  await held.confirm()
}

/** A database in WAL mode takes no other page size (SQLITE_READONLY); what is no database takes nothing. */
function needsJournal(error: unknown, found: Found): boolean {
  if (found.kind === 'nothing' || !(error instanceof SqliteError)) return false
  return error.primary === 8 || (found.kind === 'damaged' && isDamaged(error))
}

async function replaceByJournal({ child, confirm, file, found }: Held, source: string): Promise<void> {
  // A sound database's log was emptied under the lock; a damaged one's was kept together with it.
  if (found.kind === 'database' && ((await fileSize(`${file}-wal`)) ?? 0) > 0)
    throw new LockkeeperError('busy', `${file}-wal was written to while ${file} was locked`)
  const journal = unfinishedJournal(file)
  await writeRedoJournal(file, source)
  await confirm()
  try {
    await child.playBack(exclusiveUri(file), file, journal)
  } catch (error) {
    const begun = (await fileSize(journal)) === undefined
    if (!begun) await rm(journal, { force: true })
    if (!begun || !(error instanceof SqliteError))
      throw explainSqliteError(error, `cannot replace the content of ${file}`)
    throw new LockkeeperError('io', `the new content of ${file} could not be written out: ${error.message}`, {
      hint: `All of it is in ${file}-journal: see to the disk. Whatever opens the database next, lockkeeper run or the application, goes on with it.`,
      cause: error,
    })
  }
}

function exclusiveUri(file: string): string {
  return fileUri(file, { vfs: 'unix-excl' })
}
