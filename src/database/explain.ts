/** What SQLite's result codes mean to a person, and which exit code they lead to. */
import { type ErrorCode, LockkeeperError } from '../errors.ts'
import { SqliteError } from './connection.ts'

const meanings: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ['busy', 'Something else is using the database; try again when it is done.'],
  6: ['busy', 'Something else is using the database; try again when it is done.'],
  3: ['denied', 'Run with the user and group that own the file, and on a volume that is mounted for writing.'],
  8: ['denied', 'Run with the user and group that own the file, and on a volume that is mounted for writing.'],
  14: [
    'denied',
    'The file, or its folder, where SQLite keeps its journal, cannot be opened: check the owner and the mount.',
  ],
  10: ['io', 'The disk or the file system failed; nothing uncommitted was kept.'],
  13: ['io', 'Make room on the volume and run again; nothing uncommitted was kept.'],
  11: ['invalid', 'The file is damaged: lockkeeper restore --latest brings back the newest good backup.'],
  26: [
    'invalid',
    'The file is not a database, or damaged: lockkeeper restore --latest brings back the newest good backup.',
  ],
}

/** True for SQLITE_BUSY and SQLITE_LOCKED. */
export function isBusy(error: unknown): boolean {
  return error instanceof SqliteError && (error.primary === 5 || error.primary === 6)
}

/** A `SqliteError` that has to do with the file rather than with a statement, as a `LockkeeperError`; anything else unchanged. */
export function explainSqliteError(error: unknown, doing: string): unknown {
  if (!(error instanceof SqliteError)) return error
  const meaning = meanings[error.primary]
  if (meaning === undefined) return error
  return new LockkeeperError(meaning[0], `${doing}: ${error.message}`, {
    hint: meaning[1],
    cause: error,
    details: { sqlite: error.errcode },
  })
}
