/**
 * `exclusive`: nobody else reads or writes, in rollback and in WAL mode, native SQLite programs included.
 *
 * The lock is the kernel's (SQLite's own POSIX locks, held by the child process) and is gone the moment that process
 * dies. Order: lock, then checkpoint, then see that the write-ahead log is empty. From then on the main file alone is the
 * database, and its bytes do not change until the caller changes them: the parent may read them.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { LockkeeperError } from '../errors.ts'
import { DatabaseProcess } from './child-process.ts'
import { explainSqliteError, isBusy } from './explain.ts'
import { fileSize, fileUri } from './location.ts'
import type { OpenOptions } from './native.ts'

export interface ExclusiveOptions {
  /** Create the database if it is not there. Default false. */
  readonly create?: boolean
  /** How long to wait for others to let go, in milliseconds. */
  readonly lockTimeout: number
  /** Ends the child, and with it the lock, at once. */
  readonly signal?: AbortSignal
  /** Called about every five seconds while others hold the database, with the milliseconds waited so far. */
  readonly onWaiting?: (waited: number) => void
}

const retryEvery = 50
const reportEvery = 5_000

/**
 * Opens a database and takes it for this process alone. `close()` lets go of it.
 * @throws LockkeeperError `busy` after the time-out, `missing`, `denied`, `invalid`, `io`.
 */
export async function openExclusive(path: string, options: ExclusiveOptions): Promise<DatabaseProcess> {
  const location = fileUri(path, { mode: options.create === true ? 'rwc' : 'rw' })
  let child: DatabaseProcess | undefined
  try {
    child = await DatabaseProcess.open({ location }, options.signal)
    // In WAL mode locking_mode has to be set before the first read, so that the log's index is not shared memory.
    const statement = 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT'
    await waitUntilFree(child, { location }, path, options, statement)
    await emptyLog(child, path)
    return child
  } catch (error) {
    await child?.close()
    throw explainSqliteError(error, `cannot take the database ${path}`)
  }
}

/**
 * Runs the statement that takes the lock until nobody refuses it. Between two attempts the connection is opened anew: in
 * exclusive mode a refused one may keep a shared lock, which would keep the other process from committing.
 * @throws LockkeeperError `busy` after the time-out
 */
export async function waitUntilFree(
  child: DatabaseProcess,
  open: OpenOptions,
  path: string,
  { lockTimeout, onWaiting, signal }: Pick<ExclusiveOptions, 'lockTimeout' | 'onWaiting' | 'signal'>,
  statement: string,
): Promise<void> {
  const start = performance.now()
  let reported: number | undefined
  for (;;) {
    try {
      await child.exec(statement)
      return
    } catch (error) {
      if (!isBusy(error)) throw error
    }
    const now = performance.now()
    if (now - start >= lockTimeout) throw stillInUse(path, lockTimeout)
    if (reported === undefined || now - reported >= reportEvery) {
      reported = now
      onWaiting?.(now - start)
    }
    await child.reopen(open)
    await delay(retryEvery, undefined, signal === undefined ? {} : { signal })
  }
}

async function emptyLog(child: DatabaseProcess, path: string): Promise<void> {
  const [result] = await child.all<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)')
  const left = await fileSize(`${path}-wal`)
  if (result?.busy !== 0 || (left !== undefined && left > 0))
    throw new LockkeeperError('busy', `the write-ahead log of ${path} could not be emptied under the lock`, {
      hint: 'Something else still reads it: end what has the database open and run again.',
    })
}

function stillInUse(path: string, lockTimeout: number): LockkeeperError {
  return new LockkeeperError(
    'busy',
    `${path} is in use by another process; waited ${Math.round(lockTimeout / 100) / 10} s`,
    {
      hint:
        'Usual causes: the old pod is still terminating, a second replica runs, or a sidecar or a shell has the database open ' +
        '(in WAL mode an idle connection counts as well). End it, or wait longer with --lock-timeout.',
      details: { path, lockTimeout },
    },
  )
}
