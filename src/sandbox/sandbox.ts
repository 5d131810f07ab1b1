/**
 * The sandbox: SQLite inside WebAssembly, for files that come from elsewhere. A hostile or corrupt file stays inside its
 * memory; the worker thread that runs it is ended when the job stops, whatever the file makes it do.
 */
import { Worker } from 'node:worker_threads'
import { type Connection, SqliteError, type Value } from '../database/connection.ts'
import type { SandboxRequest, SandboxResponse } from './worker.ts'

/** Beside this file both in the sources and in the bundle. */
const program = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

/** SQLite's result codes by its messages, which are all that node-sqlite3-wasm passes on; anything else is SQLITE_ERROR. */
const codes: readonly (readonly [RegExp, number])[] = [
  [/out of memory/i, 7],
  [/^(database disk image is malformed|malformed database schema)/, 11],
  [/^string or blob too big/, 18],
  [/^file is not a database/, 26],
]
const generalError = 1

interface Waiting {
  resolve(rows: readonly object[]): void
  reject(error: unknown): void
}

/**
 * Opens a private copy, read-only. The file has to be in rollback mode and nobody else may have it open: the sandbox
 * takes no part in SQLite's locks (see `toRollbackMode`). It keeps a folder `<path>.lock` beside it meanwhile.
 * Aborting the signal ends the worker at once.
 */
export async function openSandbox(path: string, signal?: AbortSignal): Promise<Connection> {
  signal?.throwIfAborted()
  const sandbox = new Sandbox(signal)
  try {
    await sandbox.call('open', path)
    return sandbox
  } catch (error) {
    await sandbox.close()
    throw error
  }
}

class Sandbox implements Connection {
  readonly #worker = new Worker(program)
  readonly #waiting = new Map<number, Waiting>()
  readonly #signal: AbortSignal | undefined
  #next = 0
  #gone: unknown

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    this.#worker.on('message', (response: SandboxResponse) => this.#receive(response))
    this.#worker.on('error', error => this.#fail(toSqliteError(`the sandbox broke: ${messageOf(error)}`)))
    this.#worker.on('exit', () => this.#fail(toSqliteError('the sandbox has ended')))
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  async all<T extends object>(sql: string, ...params: readonly Value[]): Promise<T[]> {
    return (await this.call('all', sql, params)) as T[]
  }

  async exec(sql: string): Promise<void> {
    await this.call('exec', sql)
  }

  async close(): Promise<void> {
    if (this.#gone === undefined && this.#waiting.size === 0) await this.call('close', '').catch(() => {})
    this.#signal?.removeEventListener('abort', this.#abort)
    await this.#worker.terminate()
  }

  call(
    operation: SandboxRequest['operation'],
    text: string,
    params: readonly Value[] = [],
  ): Promise<readonly object[]> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) {
        reject(this.#gone)
        return
      }
      const id = this.#next++
      this.#worker.postMessage({ id, operation, text, params } satisfies SandboxRequest)
      this.#waiting.set(id, { resolve, reject })
    })
  }

  readonly #abort = (): void => {
    this.#fail(this.#signal?.reason)
    void this.#worker.terminate()
  }

  #receive(response: SandboxResponse): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if ('error' in response) waiting?.reject(toSqliteError(response.error))
    else waiting?.resolve(response.rows)
  }

  #fail(reason: unknown): void {
    this.#gone ??= reason
    for (const { reject } of this.#waiting.values()) reject(this.#gone)
    this.#waiting.clear()
  }
}

function toSqliteError(message: string): SqliteError {
  return new SqliteError(message, codes.find(([pattern]) => pattern.test(message))?.[1] ?? generalError)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
