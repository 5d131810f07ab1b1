/**
 * `snapshot` without a copy: the main file of a database in WAL mode, held still in its place while others write. What
 * they write stays in the log, which grows meanwhile; so there is a watch over that.
 */
import { formatBytes } from '../units.ts'
import { DatabaseProcess } from './child-process.ts'
import { SqliteError } from './connection.ts'
import { isBusy } from './explain.ts'
import { fileSize, fileUri } from './location.ts'
import { pause } from './pause.ts'
import { freeBytes } from './room.ts'
import type { SnapshotOptions } from './snapshot.ts'

/** A reader with an old state lets no attempt through until it ends. */
const patience = 2000
const retryEvery = 5

/**
 * Holds it still until the process is closed; its connection reads the very state that is in the file.
 * @param file from `realDatabasePath`, in WAL mode
 * @returns undefined where that cannot be had: nobody uses the database, or a reader is in the way, or it may not be written
 */
export async function holdStill(
  file: string,
  { lockTimeout, signal }: SnapshotOptions,
): Promise<DatabaseProcess | undefined> {
  // Where nobody has it open, opening it for writing would leave files of this user's behind when it is killed.
  if ((await fileSize(`${file}-shm`)) === undefined) return undefined
  const child = DatabaseProcess.start(signal)
  const deadline = performance.now() + Math.min(lockTimeout, patience)
  try {
    do {
      if (await attempt(child, fileUri(file, { mode: 'rw' }))) return child
      await pause(retryEvery, signal)
    } while (performance.now() < deadline)
  } catch (error) {
    if (!(error instanceof SqliteError)) {
      await child.close()
      throw error
    }
  }
  await child.close()
  return undefined
}

async function attempt(child: DatabaseProcess, location: string): Promise<boolean> {
  try {
    return await child.freeze(location)
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

/** The log of a held file has grown so much that the volume might run full. */
export class LogTooLarge extends Error {}

const lookEvery = 500
const atMost = 1024 ** 3
/** Of the room that is free. */
const share = 1 / 4

/**
 * Calls `work` with a signal that is aborted with a `LogTooLarge` when the log grows by more than 1 GiB, or by more than a
 * quarter of what is free on its volume.
 */
export async function watchLog<T>(
  file: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const log = `${file}-wal`
  const before = (await fileSize(log)) ?? 0
  const limit = Math.min(atMost, ((await freeBytes(file)) ?? 0) * share)
  const controller = new AbortController()
  const look = async () => {
    const grown = ((await fileSize(log)) ?? 0) - before
    if (grown > limit) controller.abort(new LogTooLarge(`its write-ahead log grew by ${formatBytes(grown)} meanwhile`))
  }
  const timer = setInterval(() => void look().catch(() => {}), lookEvery)
  try {
    return await work(signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]))
  } catch (error) {
    // Whatever broke because of it, that is what happened.
    controller.signal.throwIfAborted()
    throw error
  } finally {
    clearInterval(timer)
  }
}
