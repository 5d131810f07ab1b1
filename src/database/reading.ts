/**
 * How to read a live database without changing anything.
 *
 * A read-only open of a cleanly closed WAL database leaves `-shm` and `-wal` files; `immutable=1` does not, but misses
 * what is still in a write-ahead log or a journal and takes no lock. So `immutable` is used only without a log or a
 * journal that has content, and what was read counts only if the file is the same before and afterwards. Otherwise a
 * read-only open takes SQLite's own shared lock: in rollback mode that leaves nothing; beside a log with content it may
 * leave the log's index (`-shm`).
 */
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'
import { SqliteError } from './connection.ts'
import { explainOpening, isBusy } from './explain.ts'
import { exactStat, readable } from './files.ts'
import { fileSize, fileUri, inspectWith, type Presence, type ReadStart, realDatabasePath } from './location.ts'
import type { OpenOptions } from './native.ts'
import { pause } from './pause.ts'

/** What was found: a database with what was read from it, or none. */
export type Viewed<T> =
  | { readonly presence: Exclude<Presence, { kind: 'database' }> }
  | { readonly presence: Extract<Presence, { kind: 'database' }>; readonly value: T }

export interface ReadingOptions {
  /** How to read the beginning of the database file. */
  readonly readStart: ReadStart
  /** How long to go on trying while it is locked or keeps changing, in milliseconds. */
  readonly patience: number
  readonly signal?: AbortSignal | undefined
}

/**
 * A writer that never pauses leaves gaps of a tenth of a millisecond in rollback mode, so it is tried often at first; one
 * that has not let go within a second is in something long.
 */
const retryEvery = (waited: number) => (waited < 1000 ? 2 : 25)

/**
 * Calls `read` with how to open the database at `path` right now, again and again until what it returned is to be relied on.
 * @throws LockkeeperError `busy` when it is locked, keeps changing, or only a job that may write can read it
 * (`needsRecovery`); `invalid`, `denied`, `io`
 */
export async function readQuietly<T>(
  path: string,
  read: (open: OpenOptions) => Promise<T>,
  { readStart, patience, signal }: ReadingOptions,
): Promise<Viewed<T>> {
  const file = await realDatabasePath(path)
  let firstRefusal: number | undefined
  let settled = false
  for (;;) {
    const before = await state(file)
    const presence = await inspectWith(file, readStart)
    if (presence.kind !== 'database') return { presence }
    const cold = presence.header.journalMode === 'wal' && before.atRest
    if (cold && before.justChanged && !settled) {
      settled = true
      await pause(tick, signal)
      continue
    }
    settled = false
    let problem: unknown = new SqliteError('it was changed each time while it was read', busy)
    try {
      const open = { location: fileUri(file, cold ? { immutable: '1' } : { mode: 'ro' }), readOnly: true }
      const value = await read(open)
      if (!cold || (await state(file)).text === before.text) return { presence, value }
    } catch (error) {
      const passes = cold ? (await state(file)).text !== before.text : isBusy(error)
      if (!passes) throw await explainReading(error, file)
      problem = error
    }
    const now = performance.now()
    firstRefusal ??= now
    if (now - firstRefusal >= patience) throw await explainReading(problem, file)
    await pause(retryEvery(now - firstRefusal), signal)
  }
}

/** SQLITE_BUSY */
const busy = 5

/** The clock of a file system may tick this slowly, in milliseconds: two changes within one tick look like one. */
const tick = 20

interface State {
  /** Changes when the file, its log or its journal does. */
  readonly text: string
  /** Nothing in a log or a journal. */
  readonly atRest: boolean
  readonly justChanged: boolean
}

async function state(file: string): Promise<State> {
  const log = (await fileSize(`${file}-wal`)) ?? 0
  const journal = (await fileSize(`${file}-journal`)) ?? 0
  const atRest = log === 0 && journal === 0
  try {
    const { ino, size, mtimeNs, ctimeNs, ctimeMs } = await exactStat(file)
    const justChanged = Math.abs(Date.now() - Number(ctimeMs)) <= tick
    return { text: [ino, size, mtimeNs, ctimeNs, log, journal].join(' '), atRest, justChanged }
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw explainSystemError(error, `cannot look at the database ${file}`)
    return { text: 'missing', atRest, justChanged: true }
  }
}

/** True when only a job that may write can read this database, because a writer died in the middle of its work. */
export function needsRecovery(error: unknown): boolean {
  return error instanceof LockkeeperError && error.details['recovery'] === true
}

/**
 * Beside "locked": whatever SQLite would have to write for. A hot journal (776), a log without its index in a folder
 * that may not be written (14, 264, 520, 1288, 1544).
 */
async function explainReading(error: unknown, file: string): Promise<unknown> {
  const explained = await explainOpening(error, `cannot read the database ${file}`, file)
  if (!(error instanceof SqliteError) || !(explained instanceof LockkeeperError)) return explained
  if (isBusy(error))
    return new LockkeeperError('busy', `${file} cannot be read now: ${error.message}`, {
      hint: 'A writer is at work: try again in a moment.',
      cause: error,
    })
  if (explained.code !== 'denied') return explained
  if (await isForeign(`${file}-shm`))
    return new LockkeeperError(
      'denied',
      `${file} cannot be read: ${file}-shm, the index of its log, is another user's`,
      {
        hint: 'Run with the user and group of the application that has it open.',
        cause: error,
        details: { path: file, sqlite: error.errcode },
      },
    )
  return new LockkeeperError('busy', `${file} cannot be read without writing: ${error.message}`, {
    hint: 'A writer died in the middle of its work. SQLite puts that right when the application, or lockkeeper run, opens it next.',
    cause: error,
    details: { path: file, recovery: true, sqlite: error.errcode },
  })
}

/** There, and not to be read. */
async function isForeign(path: string): Promise<boolean> {
  return readable(path).then(
    () => false,
    (error: unknown) => systemCode(error) === 'EACCES',
  )
}
