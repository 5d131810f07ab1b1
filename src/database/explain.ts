/** What SQLite's result codes mean to a person, and which exit code they lead to. */
import { dirname } from 'node:path'
import { type ErrorCode, LockkeeperError } from '../errors.ts'
import { SqliteError } from './connection.ts'
import { stat } from './files.ts'

const inUse = 'Something else is using the database; try again when it is done.'
const owner = 'Run with the user and group that own the file, and on a volume that is mounted for writing.'
const damaged = 'lockkeeper restore --latest brings back the newest good backup.'

const corrupt = 11
const cannotOpen = 14

const meanings: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ['busy', inUse],
  6: ['busy', inUse],
  15: ['busy', inUse],
  3: ['denied', owner],
  8: ['denied', owner],
  [cannotOpen]: [
    'denied',
    'The file, or its folder, where SQLite keeps its journal, cannot be opened: check the owner and the mount.',
  ],
  10: ['io', 'The disk or the file system failed; nothing uncommitted was kept.'],
  13: ['io', 'Make room on the volume and run again; nothing uncommitted was kept.'],
  [corrupt]: ['invalid', `The file is damaged: ${damaged}`],
  26: ['invalid', `The file is not a database, or damaged: ${damaged}`],
}

/** Of a header with an impossible format number SQLite says no more than SQLITE_ERROR. */
function meaningOf({ primary, message }: SqliteError): readonly [ErrorCode, string] | undefined {
  return meanings[/^unsupported file format/.test(message) ? corrupt : primary]
}

/** True for SQLITE_BUSY, SQLITE_LOCKED and SQLITE_PROTOCOL (a race for the locks of a write-ahead log). */
export function isBusy(error: unknown): boolean {
  return error instanceof SqliteError && meaningOf(error)?.[0] === 'busy'
}

/** True when the file is damaged, or no database. */
export function isDamaged(error: unknown): error is SqliteError {
  return error instanceof SqliteError && meaningOf(error)?.[0] === 'invalid'
}

/** A `SqliteError` that has to do with the file rather than with a statement, as a `LockkeeperError`; anything else unchanged. */
export function explainSqliteError(error: unknown, doing: string): unknown {
  if (!(error instanceof SqliteError)) return error
  const meaning = meaningOf(error)
  if (meaning === undefined) return error
  return new LockkeeperError(meaning[0], `${doing}: ${error.message}`, {
    hint: meaning[1],
    cause: error,
    details: { sqlite: error.errcode },
  })
}

/** The same for opening a file: SQLite says "unable to open" also when it, or its folder, is not there. */
export async function explainOpening(error: unknown, doing: string, file: string): Promise<unknown> {
  if (error instanceof SqliteError && error.primary === cannotOpen)
    for (const part of [dirname(file), file])
      if (!(await isThere(part)))
        return new LockkeeperError('missing', `${doing}: ${part} is not there`, {
          hint: 'Is DATABASE_URL right, and the volume mounted?',
          cause: error,
        })
  return explainSqliteError(error, doing)
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
