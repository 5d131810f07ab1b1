/**
 * `exclusive`: nobody else reads or writes, in rollback and in WAL mode, native SQLite programs included.
 *
 * The lock is the kernel's (SQLite's own POSIX locks, held by the child process) and is gone the moment that process
 * dies. Order: lock, then checkpoint, then see that the write-ahead log is empty. From then on the main file alone is the
 * database, and its bytes do not change until the caller changes them: the parent may read them.
 */
import { LockkeeperError } from '../errors.ts'
import type { DatabaseProcess } from './child-process.ts'
import { fileUri, realDatabasePath, sizeOfDatabase } from './location.ts'
import { type LockOptions, openWhenFree } from './lock.ts'

export interface ExclusiveOptions extends LockOptions {
  /** Create the database if it is not there. Default false. */
  readonly create?: boolean
  /** See `OpenOptions`. */
  readonly doubleQuotedStrings?: boolean
}

/** In WAL mode locking_mode has to be set before the first read, so that the log's index is not shared memory. */
const takeLock = 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT'

/**
 * Opens a database and takes it for this process alone. `close()` lets go of it.
 * @throws LockkeeperError `busy` after the time-out, `missing`, `denied`, `invalid`, `io`.
 */
export async function openExclusive(path: string, options: ExclusiveOptions): Promise<DatabaseProcess> {
  const { create = false, doubleQuotedStrings = false } = options
  const file = await realDatabasePath(path)
  if ((await sizeOfDatabase(file)) === undefined && !create)
    throw new LockkeeperError('missing', `there is no database at ${file}`, {
      hint: 'Is DATABASE_URL right, and the volume mounted?',
    })
  const location = fileUri(file, { mode: create ? 'rwc' : 'rw' })
  return openWhenFree(file, { location, doubleQuotedStrings, first: takeLock }, options)
}
