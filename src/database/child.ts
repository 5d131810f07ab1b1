/**
 * The child process that holds a database, and does one thing after the other that its parent says.
 *
 * It commits on the parent's explicit word only. When the parent is gone its standard input ends; a worker thread waits
 * for just that and kills the whole process at once, so that a long statement neither outlives the parent nor commits.
 * Signals are the parent's business: Ctrl-C in a terminal reaches the whole group, and is ignored here.
 */
import { once } from 'node:events'
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { outliveLostWakeups } from '../lost-wakeups.ts'
import { type Access, type Guard, type ScriptCall, SqliteError, type Value } from './connection.ts'
import { endWithParent } from './end-with-parent.ts'
import { readBytes } from './files.ts'
import { freeze } from './freeze.ts'
import { type Digest, NativeDatabase, type OpenOptions, type Piece, toSqliteError } from './native.ts'

/** What the parent can ask for: a name, its arguments and its result. */
export interface Operations {
  /** Up to so many bytes of a file. It must not be open: closing it here would let go of its lock. */
  readBytes(path: string, position: number, bytes: number): Promise<Uint8Array>
  /** For SQLite's own temporary files. Before the first database is opened: SQLite asks once. */
  useTemporaryFolder(folder: string): void
  open(options: OpenOptions): void
  /** Opens a database in WAL mode and holds its main file still, until it is closed; see `freeze.ts`. False: not this time. */
  freeze(location: string): boolean
  all(sql: string, params: readonly Value[]): unknown[]
  exec(sql: string): void
  accesses(sql: string): Access[]
  run(statements: readonly string[], guard: Guard, piece: Piece): Promise<string[]>
  /** See `NativeDatabase.digest`. */
  digest(sql: string): Digest
  runScript(call: ScriptCall, guard: Guard): Promise<string[]>
  /** Copies the content of one database into another in a single step (`sqlite3_backup_step(-1)`), in place. Both by URI. */
  copy(source: OpenOptions, target: string): Promise<void>
  /** Opens the same database by another connection, and only then closes the first: locks of the process stay. */
  renew(location: string): void
  /**
   * Gives a journal beside the database that is open its name, and has SQLite play it back. In this process, for the name
   * must not be given when the lock is gone. `location` is that database, in a VFS whose locks belong to the process.
   */
  playBack(location: string, file: string, journal: string): void
  close(): void
}

export interface Request {
  readonly id: number
  readonly operation: keyof Operations
  readonly args: readonly unknown[]
}

export type Response =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorMessage }

export interface ErrorMessage {
  readonly message: string
  /** Of SQLite; undefined when something else was thrown (by a migration module, say). */
  readonly errcode?: number
  readonly statement?: number
  readonly stack?: string
  /** Of a system error. */
  readonly code?: string
}

function serve(): void {
  const watching = watchParent()
  outliveLostWakeups()
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

  let database: NativeDatabase | undefined
  const current = (): NativeDatabase => {
    if (database === undefined) throw new Error('no database is open')
    return database
  }
  const renew = (location: string): void => {
    const before = current()
    database = new NativeDatabase({ location })
    before.close()
  }
  const operations: Operations = {
    readBytes: (path, position, bytes) => {
      if (database !== undefined) throw new Error('a database is open in this process')
      return readBytes(path, position, bytes)
    },
    useTemporaryFolder: folder => {
      process.env['SQLITE_TMPDIR'] = folder
    },
    open: options => {
      database?.close()
      database = undefined
      database = new NativeDatabase(options)
    },
    freeze: location => {
      database?.close()
      database = freeze(location)
      return database !== undefined
    },
    all: (sql, params) => current().all(sql, params),
    exec: sql => current().exec(sql),
    accesses: sql => current().accesses(sql),
    digest: sql => current().digest(sql),
    run: (statements, guard, piece) => current().run(statements, guard, piece),
    runScript: (call, guard) => current().runScript(call, guard),
    copy,
    renew,
    playBack: (location, file, journal) => {
      // The first may be in WAL mode, in which no journal is looked for. The next one has read nothing yet.
      renew(location)
      // What is left of a log, of a damaged database, would be taken for the new content's; also where the power fails
      // and of two changes of a folder only the later one is on the disk.
      rmSync(`${file}-wal`, { force: true })
      syncFolder(dirname(file))
      renameSync(journal, `${file}-journal`)
      syncFolder(dirname(file))
      current().all('SELECT count(*) FROM sqlite_schema', [])
    },
    close: () => {
      database?.close()
      database = undefined
    },
  }
  // A script that awaits must not be overtaken by the next request.
  let before: Promise<void> = watching
  process.on('message', (request: Request) => {
    before = before.then(async () => {
      const response = await answer(operations, request)
      process.send?.(response)
    })
  })
}

/** @returns when the watch is on: before that nothing is done, for nobody would end it. */
async function watchParent(): Promise<void> {
  const watch = new Worker(endWithParent, { eval: true })
  await once(watch, 'message')
  watch.unref()
}

/** The default rate starts again at every write and never ends beside a busy writer; one step cannot be overtaken. */
const wholeDatabase = 2 ** 31 - 1
/** SQLITE_BUSY */
const busy = 5

async function copy(source: OpenOptions, target: string): Promise<void> {
  const from = new DatabaseSync(source.location, { readOnly: source.readOnly ?? false })
  try {
    await backup(from, new URL(target), { rate: wholeDatabase })
  } catch (error) {
    // A source or target that is locked makes it reject with "not an error".
    if (error instanceof Error && 'errcode' in error && error.errcode === 0)
      throw new SqliteError('database is locked', busy)
    throw toSqliteError(error)
  } finally {
    from.close()
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

async function answer(operations: Operations, { id, operation, args }: Request): Promise<Response> {
  try {
    const value = await (operations[operation] as (...args: readonly unknown[]) => unknown)(...args)
    return { id, value }
  } catch (error) {
    return { id, error: describe(error) }
  }
}

/** Plain text only: what a migration module throws need not be an error, nor anything that can be sent. */
function describe(error: unknown): ErrorMessage {
  const known = toSqliteError(error)
  if (known instanceof SqliteError) {
    const { message, errcode, statement } = known
    return { message, errcode, ...(statement === undefined ? {} : { statement }) }
  }
  if (!(error instanceof Error)) return { message: textOf(error) }
  const { message, stack, code } = error as NodeJS.ErrnoException
  return {
    message: textOf(message),
    ...(typeof stack === 'string' ? { stack } : {}),
    ...(typeof code === 'string' ? { code } : {}),
  }
}

function textOf(thrown: unknown): string {
  try {
    return typeof thrown === 'object' && thrown !== null ? JSON.stringify(thrown) : String(thrown)
  } catch {
    return 'something that cannot be shown was thrown'
  }
}

serve()
