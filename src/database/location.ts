/** Where a database is and what its file says of itself, without opening it through SQLite. */
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'

/** The first 100 bytes of a database file (https://www.sqlite.org/fileformat2.html#the_database_header). */
export interface Header {
  /** Bytes. */
  readonly pageSize: number
  readonly journalMode: 'wal' | 'rollback'
}

/** What is at a path, seen from outside. */
export type Presence =
  | { readonly kind: 'missing' }
  /** A file of 0 bytes, which is an empty database to SQLite. */
  | { readonly kind: 'empty'; readonly bytes: 0 }
  | { readonly kind: 'database'; readonly bytes: number; readonly header: Header }

/** `file:` URI that SQLite takes, percent-encoded so that `?`, `#`, `%` and spaces in a path mean themselves. */
export function fileUri(path: string, parameters: Readonly<Record<string, string>> = {}): string {
  const url = pathToFileURL(resolve(path))
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** Size in bytes; undefined when there is no such file. By path, which leaves the locks of a process alone. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw explainSystemError(error, `cannot look at ${path}`)
  }
}

/**
 * Looks at a path. Reads 100 bytes of it with `fs`, so never call it in a process that has that database open.
 * @throws LockkeeperError `invalid` for a folder, a device, a file that is not a database, or an empty file beside a
 * journal or write-ahead log that has content (opening it would delete that); `denied`, `io` from the file system.
 */
export async function inspectFile(path: string): Promise<Presence> {
  let info: Awaited<ReturnType<typeof stat>>
  try {
    info = await stat(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return missing(path)
    throw explainSystemError(error, `cannot look at the database ${path}`)
  }
  if (!info.isFile())
    throw new LockkeeperError(
      'invalid',
      `${path} is ${info.isDirectory() ? 'a folder' : 'not a regular file'}, not a database`,
      {
        hint: 'DATABASE_URL has to name the database file itself.',
      },
    )
  if (info.size === 0) {
    await refuseOrphanedJournal(path, 'has 0 bytes')
    return { kind: 'empty', bytes: 0 }
  }
  return { kind: 'database', bytes: info.size, header: await readHeader(path, info.size) }
}

async function missing(path: string): Promise<Presence> {
  await refuseOrphanedJournal(path, 'is not there')
  return { kind: 'missing' }
}

/** Opening a database that is gone or empty beside a log with content would throw away what the log still holds. */
async function refuseOrphanedJournal(path: string, what: string): Promise<void> {
  for (const suffix of ['-wal', '-journal']) {
    const size = await fileSize(path + suffix)
    if (size !== undefined && size > 0)
      throw new LockkeeperError('invalid', `${path} ${what}, but ${path}${suffix} has ${size} bytes of it`, {
        hint: `Part of a database is left in ${path}${suffix}: keep a copy of it, then restore (lockkeeper restore --latest) or put the database file back beside it.`,
        details: { path, journal: path + suffix },
      })
  }
}

async function readHeader(path: string, size: number): Promise<Header> {
  const bytes = Buffer.alloc(100)
  try {
    const file = await open(path, 'r')
    try {
      await file.read(bytes, 0, 100, 0)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw explainSystemError(error, `cannot read the database ${path}`, 'Run with the user that owns the file.')
  }
  const pageSize = bytes.readUInt16BE(16) === 1 ? 65536 : bytes.readUInt16BE(16)
  if (size < 100 || bytes.toString('latin1', 0, 16) !== 'SQLite format 3\0')
    throw new LockkeeperError('invalid', `${path} is not a SQLite database`, {
      hint: 'Nothing was touched. If it was one, it is damaged: lockkeeper restore --latest brings back the newest good backup.',
    })
  return { pageSize, journalMode: bytes[18] === 2 ? 'wal' : 'rollback' }
}
