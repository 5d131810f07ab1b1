/**
 * `snapshot`: a consistent private copy while others go on writing, for backups beside a running application.
 *
 * One step of SQLite's backup API: writers in WAL mode are not held up; in rollback mode they wait for the whole copy.
 */
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainSystemError, LockkeeperError } from '../errors.ts'
import { DatabaseProcess } from './child-process.ts'
import { SqliteError } from './connection.ts'
import { fileSize, fileUri } from './location.ts'
import type { OpenOptions } from './native.ts'
import { readQuietly } from './reading.ts'
import { requireRoom } from './room.ts'

export interface SnapshotOptions {
  /** How long to try beside a writer that holds the database, in milliseconds. */
  readonly lockTimeout: number
  readonly signal?: AbortSignal
}

/**
 * Copies the database at `path` to `target`, which must not exist; only the user that runs this can read it. The copy of
 * a database in WAL mode says so in its header and has no log.
 * @throws LockkeeperError `busy` after the time-out, or when a writer died in the middle of its work; `missing` when
 * there is nothing to copy; `invalid`, `denied`, `io`. Then there is no `target`.
 */
export async function copySnapshot(
  path: string,
  target: string,
  { lockTimeout, signal }: SnapshotOptions,
): Promise<void> {
  const hint = 'Make room there, or name another folder: LOCKKEEPER_TMPDIR.'
  await requireRoom(dirname(target), (await fileSize(path)) ?? 0, 'a copy of the database', hint)
  const child = DatabaseProcess.start(signal)
  try {
    await makePrivateFile(target)
    try {
      const copy = (source: OpenOptions) =>
        child.copy(source, fileUri(target)).catch((error: unknown) => {
          throw isFull(error) ? noRoom(target, error) : error
        })
      const readStart = (file: string, bytes: number) => child.readStart(file, bytes)
      const { presence } = await readQuietly(path, copy, { readStart, patience: lockTimeout, signal })
      if (presence.kind !== 'database')
        throw new LockkeeperError(
          'missing',
          `there is nothing to copy: ${path} is ${presence.kind === 'missing' ? 'not there' : 'empty'}`,
          { hint: 'Is DATABASE_URL right, and the volume mounted?' },
        )
    } catch (error) {
      await child.close()
      for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(target + suffix, { force: true })
      throw error
    }
  } finally {
    await child.close()
  }
}

/** SQLITE_FULL: only the copy is written. */
function isFull(error: unknown): boolean {
  return error instanceof SqliteError && error.primary === 13
}

function noRoom(target: string, cause: unknown): LockkeeperError {
  return new LockkeeperError('io', `there is no room for a copy of the database in ${dirname(target)}`, {
    hint: 'Make room there, or name another folder: LOCKKEEPER_TMPDIR.',
    cause,
  })
}

async function makePrivateFile(target: string): Promise<void> {
  try {
    await (await open(target, 'wx', 0o600)).close()
  } catch (error) {
    throw explainSystemError(error, `cannot write the copy ${target}`)
  }
}
