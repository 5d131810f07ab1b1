/**
 * `snapshot`: a consistent private copy while others go on writing, for backups beside a running application.
 *
 * One step of SQLite's backup API: writers in WAL mode are not held up; in rollback mode they wait for the whole copy.
 */
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseProcess } from './child-process.ts'
import { explainSqliteError, isBusy } from './explain.ts'
import { fileUri } from './location.ts'

export interface SnapshotOptions {
  /** How long to try beside a writer that holds the database, in milliseconds. */
  readonly lockTimeout: number
  readonly signal?: AbortSignal
}

const retryEvery = 50

/**
 * Copies the database at `path` to `target`, which must not exist.
 * @throws LockkeeperError `busy` after the time-out; `invalid`, `denied`, `io`.
 */
export async function copySnapshot(
  path: string,
  target: string,
  { lockTimeout, signal }: SnapshotOptions,
): Promise<void> {
  const child = await DatabaseProcess.open({ location: ':memory:' }, signal)
  const deadline = performance.now() + lockTimeout
  try {
    for (;;) {
      try {
        await child.copy({ location: fileUri(path, { mode: 'ro' }), readOnly: true }, target)
        return
      } catch (error) {
        await rm(target, { force: true })
        if (!isBusy(error) || performance.now() > deadline) throw error
        await delay(retryEvery, undefined, signal === undefined ? {} : { signal })
      }
    }
  } catch (error) {
    throw explainSqliteError(error, `cannot copy the database ${path}`)
  } finally {
    await child.close()
  }
}
