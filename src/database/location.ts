/** Where a database is and what its file says of itself, without opening it through SQLite. */
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'
import { exactStat, readlink, readStart, realpath, stat } from './files.ts'
import { type Header, headerBytes, isHotJournal, parseHeader, parseJournal } from './header.ts'

export type { Header } from './header.ts'

/** What is at a path, seen from outside. */
export type Presence =
  | { readonly kind: 'missing' }
  /** Nothing was ever committed in it: a file of 0 bytes, or one whose first transaction was broken off. */
  | { readonly kind: 'empty'; readonly bytes: number }
  | { readonly kind: 'database'; readonly bytes: number; readonly header: Header }

/** Of a database whose first page is in its journal. */
const unknownHeader: Header = { pageSize: 4096, journalMode: 'rollback', encoding: 'UTF-8' }

/** `file:` URI that SQLite takes, percent-encoded so that `?`, `#`, `%` and spaces in a path mean themselves. */
export function fileUri(path: string, parameters: Readonly<Record<string, string>> = {}): string {
  const url = pathToFileURL(resolve(path))
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** Size in bytes; undefined when there is no such file. By path, which leaves the locks of a process alone. */
export async function fileSize(path: string): Promise<number | undefined> {
  return (await orExplain(stat(path).catch(ifMissing), `cannot look at ${path}`))?.size
}

/** Which file a path leads to now: device and inode; undefined when there is none. */
export async function fileIdentity(path: string): Promise<string | undefined> {
  const info = await orExplain(exactStat(path).catch(ifMissing), `cannot look at ${path}`)
  return info === undefined ? undefined : `${info.dev}:${info.ino}`
}

/**
 * The file behind symbolic links, as an absolute path: SQLite keeps journal and write-ahead log beside that one. A file
 * that is not there yet keeps its name.
 * @throws LockkeeperError `missing` for a link to nothing, `invalid` for links in a circle, `denied`
 */
export async function realDatabasePath(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return notThere(path)
    if (systemCode(error) === 'ELOOP')
      throw new LockkeeperError('invalid', `${path} leads nowhere: its symbolic links go in a circle`, {
        hint: 'Name the database file itself in DATABASE_URL, or mend the links.',
        cause: error,
      })
    throw explainSystemError(error, `cannot look at the database ${path}`)
  }
}

async function notThere(path: string): Promise<string> {
  const link = await readlink(path).catch(() => undefined)
  if (link !== undefined)
    throw new LockkeeperError('missing', `${path} is a symbolic link to ${link}, which is not there`, {
      hint: 'Is the volume that it leads to mounted? To have a new database made there, name the file itself in DATABASE_URL.',
    })
  const folder = dirname(resolve(path))
  return join(await realpath(folder).catch(() => folder), basename(path))
}

/** Reads the beginning of a file: up to so many bytes. */
export type ReadStart = (path: string, bytes: number) => Promise<Uint8Array>

export interface InspectOptions {
  /**
   * Read the file in this very process: only for a program that never has the database open otherwise, as the command
   * line. In an application that would take away the application's own locks. Default false: in a child process.
   */
  readonly inProcess?: boolean
  readonly signal?: AbortSignal
}

/**
 * Looks at a path without changing anything.
 * @throws LockkeeperError `invalid` for a folder, a device, a file that is not a database, or an empty or missing file
 * beside a journal or write-ahead log that has content (opening it would delete that); `denied`, `io` from the file system.
 */
export async function inspectFile(path: string, { inProcess = false, signal }: InspectOptions = {}): Promise<Presence> {
  const file = await realDatabasePath(path)
  if (inProcess) return inspectWith(file, readStart)
  if (((await sizeOfDatabase(file)) ?? 0) === 0) return inspectWith(file, readStart)
  const { DatabaseProcess } = await import('./child-process.ts')
  const child = DatabaseProcess.start(signal)
  try {
    return await inspectWith(file, (at, count) => child.readStart(at, count))
  } finally {
    await child.close()
  }
}

/** As `inspectFile`, for a path from `realDatabasePath`. @param readHeader how to read the database file */
export async function inspectWith(file: string, readHeader: ReadStart): Promise<Presence> {
  const bytes = await sizeOfDatabase(file)
  if (bytes === undefined) return { kind: 'missing' }
  if (bytes === 0) return { kind: 'empty', bytes }
  const start = await orExplain(readHeader(file, headerBytes), `cannot read the database ${file}`)
  const header = parseHeader(start)
  if (header !== undefined) return { kind: 'database', bytes, header }
  const journal = await journalStart(file)
  // A first transaction that was larger than the cache writes page 1 last.
  if (parseJournal(journal) === 'empties') return { kind: 'empty', bytes }
  // SQLite plays it back before it looks at the header, and only then it is known what that says.
  if (isHotJournal(journal)) return { kind: 'database', bytes, header: unknownHeader }
  throw new LockkeeperError('invalid', `${file} is not a SQLite database`, {
    hint: 'Nothing was touched. If it was one, it is damaged: lockkeeper restore --latest brings back the newest good backup.',
  })
}

/**
 * Size in bytes of what can be opened as a database; undefined when nothing is there, and a new one may be made.
 * @param file from `realDatabasePath`
 * @throws LockkeeperError `invalid` for a folder, a device, a pipe; and where the file is empty or gone but a log or
 * journal of it has content, which opening it would throw away
 */
export async function sizeOfDatabase(file: string): Promise<number | undefined> {
  const info = await orExplain(stat(file).catch(ifMissing), `cannot look at the database ${file}`)
  if (info !== undefined && !info.isFile())
    throw new LockkeeperError(
      'invalid',
      `${file} is ${info.isDirectory() ? 'a folder' : 'not a regular file'}, not a database`,
      { hint: 'DATABASE_URL has to name the database file itself.' },
    )
  if (info === undefined || info.size === 0)
    await refuseOrphans(file, info === undefined ? 'is not there' : 'has 0 bytes')
  return info?.size
}

async function refuseOrphans(file: string, what: string): Promise<void> {
  const log = ((await fileSize(`${file}-wal`)) ?? 0) > 0 ? `${file}-wal` : undefined
  const journal = parseJournal(await journalStart(file)) === 'restores' ? `${file}-journal` : undefined
  const left = log ?? journal
  if (left === undefined) return
  throw new LockkeeperError('invalid', `${file} ${what}, but ${left} has ${await fileSize(left)} bytes of it`, {
    hint: `Part of a database is left in ${left}: keep a copy of it elsewhere. Then put the database file back beside it, or remove it and bring back the newest good backup: lockkeeper restore --latest.`,
    details: { path: file, journal: left },
  })
}

/** The beginning of the rollback journal beside a database. Reading it by `fs` does no lock any harm. */
async function journalStart(file: string): Promise<Uint8Array> {
  const journal = `${file}-journal`
  if (((await fileSize(journal)) ?? 0) === 0) return Buffer.alloc(0)
  return orExplain(readStart(journal, headerBytes), `cannot read ${journal}`)
}

function ifMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}

async function orExplain<T>(work: Promise<T>, doing: string): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw explainSystemError(error, doing, 'Run with the user that owns the file.')
  }
}
