/** The parent's end of the child process that holds a database (`child.ts`). */
import { type ChildProcess, fork } from 'node:child_process'
import { LockkeeperError } from '../errors.ts'
import type { ErrorMessage, Operations, Response } from './child.ts'
import { type Guard, type ScriptCall, SqliteError, type Value, type Workspace } from './connection.ts'
import type { OpenOptions } from './native.ts'

/** Beside this file both in the sources and in the bundle. */
const program = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url)

/** Statements are sent in pieces, so that a file of millions of them needs no second copy in memory. */
const statementsAtOnce = 500

/** What a migration module threw, brought over from the child. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError'
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/**
 * One child process. Ending it is safe at any instant: SQLite rolls back what was not committed, here or at the next open.
 */
export class DatabaseProcess implements Workspace {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  readonly #signal: AbortSignal | undefined
  #errors = ''
  #next = 0
  #gone: unknown

  private constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    this.#child = fork(program, [], {
      serialization: 'advanced',
      execArgv: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'],
      stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.#errors = (this.#errors + text.toString()).slice(-2000)
    })
    this.#child.stdin?.on('error', () => {})
    this.#child.on('message', (response: Response) => this.#receive(response))
    this.#child.on('error', error => this.#fail(error))
    this.#ended = new Promise(resolve => {
      this.#child.once('close', (code, killedBy) => {
        this.#fail(this.#unexpectedEnd(code, killedBy))
        resolve()
      })
    })
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** Starts the child and opens a database in it. Aborting the signal ends the child at once. */
  static async open(options: OpenOptions, signal?: AbortSignal): Promise<DatabaseProcess> {
    signal?.throwIfAborted()
    const child = new DatabaseProcess(signal)
    try {
      await child.reopen(options)
    } catch (error) {
      await child.close()
      throw error
    }
    return child
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Closes what is open, with its locks, and opens anew in the same process. */
  reopen(options: OpenOptions): Promise<void> {
    return this.#call('open', options)
  }

  all<T extends object>(sql: string, ...params: readonly Value[]): Promise<T[]> {
    return this.#call('all', sql, params) as Promise<T[]>
  }

  exec(sql: string): Promise<void> {
    return this.#call('exec', sql)
  }

  async run(statements: readonly string[], guard: Guard): Promise<string[]> {
    const touched = new Set<string>()
    for (let start = 0; start < statements.length; start += statementsAtOnce) {
      try {
        const some = await this.#call('run', statements.slice(start, start + statementsAtOnce), guard)
        for (const table of some) touched.add(table)
      } catch (error) {
        if (!(error instanceof SqliteError)) throw error
        throw new SqliteError(error.message, error.errcode, start + (error.statement ?? 0))
      }
    }
    return [...touched]
  }

  runScript(call: ScriptCall, guard: Guard): Promise<string[]> {
    return this.#call('runScript', call, guard)
  }

  /** See `Operations.copy`. */
  copy(source: OpenOptions, target: string): Promise<void> {
    return this.#call('copy', source, target)
  }

  /** Closes the database and ends the process; resolves when it is gone. Never rejects. */
  async close(): Promise<void> {
    if (this.#gone === undefined) await this.#call('close').catch(() => {})
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  readonly #abort = (): void => {
    this.#fail(this.#signal?.reason)
    this.#child.kill('SIGKILL')
  }

  #call<Name extends keyof Operations>(
    operation: Name,
    ...args: Parameters<Operations[Name]>
  ): Promise<Awaited<ReturnType<Operations[Name]>>> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) {
        reject(this.#gone)
        return
      }
      const id = this.#next++
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#child.send({ id, operation, args }, error => {
        if (error !== null) this.#fail(error)
      })
    })
  }

  #receive(response: Response): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if ('error' in response) waiting?.reject(fromMessage(response.error))
    else waiting?.resolve(response.value)
  }

  #fail(reason: unknown): void {
    this.#gone ??= reason
    for (const { reject } of this.#waiting.values()) reject(this.#gone)
    this.#waiting.clear()
  }

  #unexpectedEnd(code: number | null, killedBy: string | null): LockkeeperError {
    const how = killedBy === null ? `with exit code ${code}` : `by ${killedBy}`
    return new LockkeeperError('internal', `the process that held the database was ended ${how}`, {
      hint:
        killedBy === 'SIGKILL'
          ? 'If nobody did this by hand, the memory limit was reached: raise it and run again. Nothing uncommitted was kept.'
          : 'Run again: what was not committed is rolled back by SQLite when it next opens the database.',
      details: this.#errors === '' ? {} : { standardError: this.#errors },
    })
  }
}

function fromMessage({ message, errcode, statement, stack }: ErrorMessage): Error {
  if (errcode !== undefined) return new SqliteError(message, errcode, statement)
  const error = new ScriptError(message)
  if (stack !== undefined) error.stack = stack
  return error
}
