/**
 * `view`: a read-only look that changes no byte and leaves no file behind.
 *
 * A read-only open of a cleanly closed WAL database leaves `-shm` and `-wal` files; `immutable=1` does not, but misses
 * what is still in a write-ahead log and takes no lock. So `immutable` is used only without a log that has content, and
 * what was read counts only if the file is the same before and afterwards. In rollback mode a read-only open leaves
 * nothing and takes SQLite's own shared lock.
 */
import { stat } from 'node:fs/promises'
import { LockkeeperError } from '../errors.ts'
import { type Connection, SqliteError } from './connection.ts'
import { explainSqliteError, isBusy } from './explain.ts'
import { fileSize, fileUri, inspectFile, type Presence } from './location.ts'
import { NativeDatabase, type OpenOptions, workspaceOf } from './native.ts'

export interface ViewOptions {
  /**
   * Open it in this very process: only for a program that never has the database open otherwise, as the command line.
   * In an application it would take away the application's own locks. Default false: a child process.
   */
  readonly inProcess?: boolean
  readonly signal?: AbortSignal
}

/** What `view` found: a database with what the callback read from it, or none. */
export type Viewed<T> =
  | { readonly presence: Exclude<Presence, { kind: 'database' }> }
  | { readonly presence: Extract<Presence, { kind: 'database' }>; readonly value: T }

const attempts = 5

/**
 * Calls `read` with a read-only connection to the database at `path`, if there is one. `read` may be called again when
 * the file changed meanwhile, so it must have no effect but its result.
 * @throws LockkeeperError `busy` when it keeps changing or is locked; `invalid`, `denied`, `io`; `busy` also for a hot
 * journal, which only SQLite's recovery in a writing job may touch.
 */
export async function viewDatabase<T>(
  path: string,
  read: (connection: Connection) => Promise<T>,
  options: ViewOptions = {},
): Promise<Viewed<T>> {
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const presence = await inspectFile(path)
      if (presence.kind !== 'database') return { presence }
      const cold = presence.header.journalMode === 'wal' && !((await fileSize(`${path}-wal`)) ?? 0)
      const result = cold ? await readCold(path, read, options) : await readShared(path, read, options)
      if (result !== undefined) return { presence, value: result.value }
    }
  } catch (error) {
    throw explainView(error, path)
  }
  throw new LockkeeperError('busy', `${path} was changed each time while it was read`, { hint: 'Try again.' })
}

async function readCold<T>(path: string, read: (connection: Connection) => Promise<T>, options: ViewOptions) {
  const before = await state(path)
  const location = fileUri(path, { immutable: '1' })
  let value: T
  try {
    value = await use({ location, readOnly: true }, read, options)
  } catch (error) {
    if ((await state(path)) !== before) return undefined
    throw error
  }
  return (await state(path)) === before ? { value } : undefined
}

async function readShared<T>(path: string, read: (connection: Connection) => Promise<T>, options: ViewOptions) {
  return { value: await use({ location: fileUri(path, { mode: 'ro' }), readOnly: true }, read, options) }
}

async function use<T>(
  open: OpenOptions,
  read: (connection: Connection) => Promise<T>,
  options: ViewOptions,
): Promise<T> {
  const connection =
    options.inProcess === true
      ? workspaceOf(new NativeDatabase(open))
      : await (await import('./child-process.ts')).DatabaseProcess.open(open, options.signal)
  try {
    // One transaction, so that everything read belongs together.
    await connection.exec('BEGIN')
    return await read(connection)
  } finally {
    await connection.close()
  }
}

async function state(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  const log = (await fileSize(`${path}-wal`)) ?? 0
  return [ino, size, mtimeNs, ctimeNs, log].join(' ')
}

/** SQLITE_READONLY_ROLLBACK: a journal of a writer that died. */
const hotJournal = 776
/** SQLITE_READONLY_CANTINIT, SQLITE_READONLY_DIRECTORY: a log that cannot be read without write permission. */
const needsSharedMemory = [1288, 1544]

/** True when only a job that may write can read this database, because a writer died in the middle of its work. */
export function needsRecovery(error: unknown): boolean {
  return error instanceof LockkeeperError && error.details['recovery'] === true
}

function explainView(error: unknown, path: string): unknown {
  if (error instanceof SqliteError) {
    if (error.errcode === hotJournal || error.primary === 14 || needsSharedMemory.includes(error.errcode))
      return new LockkeeperError('busy', `${path} cannot be read without writing: ${error.message}`, {
        hint: 'A writer died in the middle of its work. SQLite puts that right when the application, or lockkeeper run, opens it next.',
        cause: error,
        details: { path, recovery: true, sqlite: error.errcode },
      })
    if (isBusy(error))
      return new LockkeeperError('busy', `${path} is locked by a writer: ${error.message}`, {
        hint: 'Try again in a moment.',
        cause: error,
      })
  }
  return explainSqliteError(error, `cannot read the database ${path}`)
}
