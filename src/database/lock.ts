/** Waiting for a database until nobody else has it, and holding it from then on. */
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'
import { DatabaseProcess } from './child-process.ts'
import { explainOpening, isBusy } from './explain.ts'
import { describeHolders, HolderWatch } from './holder-watch.ts'
import { fileSize } from './location.ts'
import type { OpenOptions } from './native.ts'
import { pause } from './pause.ts'

export interface LockOptions {
  /** How long to wait for others to let go, in milliseconds. */
  readonly lockTimeout: number
  /** Where SQLite puts its own temporary files, when it sorts for a new index. Default: what SQLite chooses. */
  readonly tmpdir?: string
  /** Ends the child, and with it the lock, at once. */
  readonly signal?: AbortSignal
  /**
   * Called at once and then about every five seconds while others hold the database, with the milliseconds waited so far
   * and what is known of them: `process 42 (python3 app.py) holds a reserved lock`.
   */
  readonly onWaiting?: (waited: number, holders: string) => void
  /** Called about once a second while others hold the database. What it throws ends the wait. */
  readonly whileWaiting?: () => Promise<void>
}

const retryEvery = 25
const lookEvery = 1_000
const reportEvery = 5_000

/**
 * Starts a child, opens a database in it as soon as nobody refuses its first statements, and empties its write-ahead log.
 * @param file from `realDatabasePath`
 * @param open `first` has to take the lock; a refused attempt leaves none behind, so it keeps nobody from committing
 * @throws LockkeeperError `busy` after the time-out, `missing`, `denied`, `invalid`, `io`; the signal's reason
 */
export function openWhenFree(
  file: string,
  open: OpenOptions & { readonly first: string },
  options: LockOptions,
): Promise<DatabaseProcess> {
  const take = async (child: DatabaseProcess) => {
    await untilFree(child, () => child.reopen(open), file, options)
    await emptyLog(child, file)
    return child
  }
  return withNewChild(file, options, take)
}

/** Starts a child for `take`, which opens the database at `file` in it, and ends it if that fails. @throws as `openWhenFree` */
export async function withNewChild<T>(
  file: string,
  { signal, tmpdir }: LockOptions,
  take: (child: DatabaseProcess) => Promise<T>,
): Promise<T> {
  await refuseReadOnly(file)
  const child = DatabaseProcess.start(signal)
  try {
    if (tmpdir !== undefined) await child.useTemporaryFolder(tmpdir)
    return await take(child)
  } catch (error) {
    await child.close()
    throw await explainOpening(error, `cannot take the database ${file}`, file)
  }
}

/** Repeats an attempt to take the lock, by what `child` has open then, as long as it is refused as busy. */
export async function untilFree(
  child: DatabaseProcess,
  attempt: () => Promise<void>,
  file: string,
  { lockTimeout, onWaiting, signal, whileWaiting }: LockOptions,
): Promise<void> {
  // Starting the child is not waiting for anybody.
  let watch: HolderWatch | undefined
  let reported = Number.NEGATIVE_INFINITY
  let looked = 0
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (!isBusy(error)) throw error
    }
    watch ??= new HolderWatch(file, child)
    const waited = watch.milliseconds
    if (waited >= lockTimeout) throw await stillInUse(watch, file, lockTimeout)
    if (waited - reported >= reportEvery) {
      reported = waited
      onWaiting?.(waited, describeHolders(await watch.look()))
    }
    if (waited - looked >= lookEvery) {
      looked = waited
      await whileWaiting?.()
    }
    await pause(Math.min(retryEvery, lockTimeout - waited), signal)
  }
}

/** Under the lock, so that the main file alone is the database from then on. */
export async function emptyLog(child: DatabaseProcess, file: string): Promise<void> {
  const [result] = await child.all<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)')
  const left = (await fileSize(`${file}-wal`)) ?? 0
  if (result?.busy !== 0 || left > 0)
    throw new LockkeeperError('busy', `the write-ahead log of ${file} could not be emptied under the lock`, {
      hint: 'Something else still reads it: end what has the database open and run again.',
    })
}

/**
 * Without this the lock would seem to be granted (of a file that cannot be written, SQLite takes only a shared one) and
 * the first change be refused: after the backup, which would have been for nothing.
 */
export async function refuseReadOnly(file: string): Promise<void> {
  const folder = dirname(file)
  const hint =
    'Run with the user and group that own it (fsGroup in Kubernetes), on a volume that is there and mounted for writing.'
  await access(folder, constants.W_OK | constants.X_OK).catch(error => {
    throw explainSystemError(error, `cannot write in ${folder}, where SQLite keeps the database's journal`, hint)
  })
  await access(file, constants.R_OK | constants.W_OK).catch(error => {
    if (systemCode(error) !== 'ENOENT') throw explainSystemError(error, `cannot write the database ${file}`, hint)
  })
}

async function stillInUse(watch: HolderWatch, file: string, lockTimeout: number): Promise<LockkeeperError> {
  const holders = await watch.look()
  const known = holders.length > 0 ? describeHolders(holders) : await watch.kind()
  return new LockkeeperError(
    'busy',
    `${file} is in use by another process; waited ${Math.round(lockTimeout / 100) / 10} s: ${known}; first seen at ${watch.since.toISOString()}`,
    {
      hint:
        'Usual causes: the old pod is still terminating, a second replica runs, or a sidecar or a shell has the database open ' +
        '(in WAL mode an idle connection counts as well). End it, or wait longer with --lock-timeout.',
      details: {
        path: file,
        lockTimeout,
        since: watch.since.toISOString(),
        holders: holders.map(holder => ({ ...holder, since: holder.since.toISOString() })),
      },
    },
  )
}
