/** The parent's end of the child process that holds a database (`child.ts`). */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { LockkeeperError } from '../errors.ts'
import type { ErrorMessage, Operations, Response } from './child.ts'
import { type Access, type Guard, type ScriptCall, SqliteError, type Value, type Workspace } from './connection.ts'
import type { Digest, OpenOptions } from './native.ts'

/** Beside this file both in the sources and in the bundle. */
const program = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url)

/** Statements are sent in pieces, so that a file of millions of them needs no second copy in memory. */
const statementsAtOnce = 500

/** How long to wait for the last words of a child that has ended, where a process of its own still holds its output. */
const lastWords = 1000

/** What was thrown in the child other than by SQLite: by a migration module, or a system error with its `code`. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError'
  readonly code?: string
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
    this.#ended = this.#untilEnded()
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** Starts a child that has no database open yet. Aborting the signal ends it at once, whatever it is doing. */
  static start(signal?: AbortSignal): DatabaseProcess {
    signal?.throwIfAborted()
    return new DatabaseProcess(signal)
  }

  /** Starts a child and opens a database in it. */
  static async open(options: OpenOptions, signal?: AbortSignal): Promise<DatabaseProcess> {
    const child = DatabaseProcess.start(signal)
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

  /** See `Operations.useTemporaryFolder`. */
  useTemporaryFolder(folder: string): Promise<void> {
    return this.#call('useTemporaryFolder', folder)
  }

  /** See `Operations.freeze`. */
  freeze(location: string): Promise<boolean> {
    return this.#call('freeze', location)
  }

  /** Closes the database, with its locks; the process stays. */
  release(): Promise<void> {
    return this.#call('close')
  }

  /** See `Operations.readBytes`. */
  readBytes(path: string, position: number, bytes: number): Promise<Uint8Array> {
    return this.#call('readBytes', path, position, bytes)
  }

  /** The same from the beginning. */
  readStart(path: string, bytes: number): Promise<Uint8Array> {
    return this.readBytes(path, 0, bytes)
  }

  all<T extends object>(sql: string, ...params: readonly Value[]): Promise<T[]> {
    return this.#call('all', sql, params) as Promise<T[]>
  }

  exec(sql: string): Promise<void> {
    return this.#call('exec', sql)
  }

  accesses(sql: string): Promise<Access[]> {
    return this.#call('accesses', sql)
  }

  async run(statements: readonly string[], guard: Guard): Promise<string[]> {
    const touched = new Set<string>()
    for (let start = 0; start < statements.length; start += statementsAtOnce) {
      const end = start + statementsAtOnce
      try {
        const piece = { more: end < statements.length }
        for (const table of await this.#call('run', statements.slice(start, end), guard, piece)) touched.add(table)
      } catch (error) {
        if (!(error instanceof SqliteError) || error.statement === undefined) throw error
        throw new SqliteError(error.message, error.errcode, start + error.statement)
      }
    }
    return [...touched]
  }

  /** See `NativeDatabase.digest`. */
  digest(sql: string): Promise<Digest> {
    return this.#call('digest', sql)
  }

  runScript(call: ScriptCall, guard: Guard): Promise<string[]> {
    return this.#call('runScript', call, guard)
  }

  /** See `Operations.copy`. */
  copy(source: OpenOptions, target: string): Promise<void> {
    return this.#call('copy', source, target)
  }

  /** See `Operations.renew`. */
  renew(location: string): Promise<void> {
    return this.#call('renew', location)
  }

  /** See `Operations.playBack`. */
  playBack(location: string, file: string, journal: string): Promise<void> {
    return this.#call('playBack', location, file, journal)
  }

  /** Closes the database and ends the process; resolves when it is gone. What it is still doing is broken off. Never rejects. */
  async close(): Promise<void> {
    if (this.#gone === undefined && this.#waiting.size === 0) await this.release().catch(() => {})
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Ends the process without closing the database, which would touch the files at its path; they may be another's by now. */
  async abandon(): Promise<void> {
    this.#fail(new LockkeeperError('internal', 'the process that held the database was ended'))
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
      this.#child.send({ id, operation, args }, error => {
        // The child has ended, or is of no use: how it ended says more than that it cannot be reached.
        if (error !== null) this.#child.kill('SIGKILL')
      })
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
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

  #untilEnded(): Promise<void> {
    return new Promise(resolve => {
      this.#child.on('error', error => {
        if (this.#child.pid !== undefined) return
        this.#fail(
          new LockkeeperError('internal', `a process for the database could not be started: ${error.message}`, {
            hint: 'Raise the limit of processes or of memory, and run again. Nothing was touched.',
            cause: error,
          }),
        )
        resolve()
      })
      const closed = once(this.#child, 'close').catch(() => {})
      this.#child.once('exit', async (code, killedBy) => {
        await Promise.race([closed, delay(lastWords, undefined, { ref: false })])
        this.#fail(this.#unexpectedEnd(code, killedBy))
        resolve()
      })
    })
  }

  #unexpectedEnd(code: number | null, killedBy: string | null): LockkeeperError {
    const how = killedBy === null ? `with exit code ${code}` : `by ${killedBy}`
    const thrown = this.#errors.split('\n').find(line => /^(?:\[?\w*(?:Error|Rejection)\b|FATAL ERROR)/.test(line))
    const why = thrown === undefined ? '' : `: ${thrown}`
    return new LockkeeperError('internal', `the process that held the database was ended ${how}${why}`, {
      hint:
        killedBy === 'SIGKILL'
          ? 'If nobody did this by hand, the memory limit was reached: raise it and run again. Nothing uncommitted was kept.'
          : 'What was not committed is rolled back by SQLite when it next opens the database. If a migration module ended the process or threw where nobody awaited it, mend it; otherwise run again.',
      details: this.#errors === '' ? {} : { standardError: this.#errors },
    })
  }
}

function fromMessage({ message, errcode, statement, stack, code }: ErrorMessage): Error {
  if (errcode !== undefined) return new SqliteError(message, errcode, statement)
  const error = new ScriptError(message)
  if (stack !== undefined) error.stack = stack
  return code === undefined ? error : Object.assign(error, { code })
}
