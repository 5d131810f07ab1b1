/**
 * The child process that holds a database, and does one thing after the other that its parent says.
 *
 * It commits on the parent's explicit word only. When the parent is gone its standard input ends; a worker thread waits
 * for just that and kills the whole process at once, so that a long statement neither outlives the parent nor commits.
 * Signals are the parent's business: Ctrl-C in a terminal reaches the whole group, and is ignored here.
 */
import { readSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import { isMainThread, Worker } from 'node:worker_threads'
import { type Guard, type ScriptCall, SqliteError, type Value } from './connection.ts'
import { NativeDatabase, type OpenOptions, toSqliteError } from './native.ts'

/** What the parent can ask for: a name, its arguments and its result. */
export interface Operations {
  open(options: OpenOptions): void
  all(sql: string, params: readonly Value[]): unknown[]
  exec(sql: string): void
  run(statements: readonly string[], guard: Guard): string[]
  runScript(call: ScriptCall, guard: Guard): Promise<string[]>
  /** Copies the content of one database into another in a single step (`sqlite3_backup_step(-1)`), in place. */
  copy(source: OpenOptions, target: string): Promise<void>
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
}

if (isMainThread) serve()
else endWithParent()

function serve(): void {
  new Worker(new URL(import.meta.url)).unref()
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  process.on('disconnect', () => process.exit(0))

  let database: NativeDatabase | undefined
  const current = (): NativeDatabase => {
    if (database === undefined) throw new Error('no database is open')
    return database
  }
  const operations: Operations = {
    open: options => {
      database?.close()
      database = new NativeDatabase(options)
    },
    all: (sql, params) => current().all(sql, params),
    exec: sql => current().exec(sql),
    run: (statements, guard) => current().run(statements, guard),
    runScript: (call, guard) => current().runScript(call, guard),
    copy,
    close: () => database?.close(),
  }
  process.on('message', async (request: Request) => {
    process.send?.(await answer(operations, request))
  })
}

/** The default rate starts again at every write and never ends beside a busy writer; one step cannot be overtaken. */
const wholeDatabase = 2 ** 31 - 1

async function copy(source: OpenOptions, target: string): Promise<void> {
  const from = new DatabaseSync(source.location, { readOnly: source.readOnly ?? false })
  try {
    await backup(from, target.startsWith('file:') ? new URL(target) : target, { rate: wholeDatabase })
  } catch (error) {
    throw toSqliteError(error)
  } finally {
    from.close()
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

function describe(error: unknown): ErrorMessage {
  if (error instanceof SqliteError)
    return {
      message: error.message,
      errcode: error.errcode,
      ...(error.statement === undefined ? {} : { statement: error.statement }),
    }
  const sqlite = toSqliteError(error)
  if (sqlite instanceof SqliteError) return describe(sqlite)
  return error instanceof Error
    ? { message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) }
    : { message: String(error) }
}

/** Blocks this thread until the parent's end of the pipe is closed, then ends the process whatever it is doing. */
function endWithParent(): void {
  const buffer = Buffer.alloc(1)
  try {
    while (readSync(0, buffer) > 0);
  } catch {
    // A pipe that cannot be read is as good as one that has ended.
  }
  process.kill(process.pid, 'SIGKILL')
}
