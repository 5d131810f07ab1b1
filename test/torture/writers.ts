/** The writers of a round: other programs with their own SQLite, each in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Account, Ledger } from './ledger.ts'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export const languages = ['python', 'node', 'shell'] as const
export type Language = (typeof languages)[number]
export type Mode = 'wal' | 'rollback'

export interface WriterOptions {
  readonly name: string
  readonly language: Language
  readonly database: string
  /** Folder of the ledgers, not on the volume of the database. */
  readonly ledgers: string
  readonly mode: Mode
  /** Milliseconds between two transactions. */
  readonly pause: number
}

export interface Writer {
  readonly language: Language
  go(): void
  /** Resolves once it has ended its transaction and, in WAL mode, closed its connection. */
  pause(): Promise<void>
  /** As a crash does. */
  kill(): Promise<void>
  /** What it was told so far; while it pauses, or after it is gone. */
  account(): Account
}

/** Resolves when it is ready, and pausing. */
export async function startWriter(options: WriterOptions): Promise<Writer> {
  const writer = options.language === 'shell' ? new ShellWriter(options) : new ProgramWriter(options)
  await writer.ready()
  return writer
}

/** How long a writer may take to answer, in milliseconds. It never waits for a lock. */
const patience = 30_000

abstract class Spawned {
  readonly language: Language
  protected readonly child: ChildProcess
  protected readonly ledger: Ledger
  readonly #lines: AsyncIterator<string>
  readonly #exit: Promise<unknown>

  constructor({ language, ledgers, name }: WriterOptions, command: readonly string[]) {
    const [program = '', ...args] = command
    this.language = language
    this.ledger = new Ledger(name, join(ledgers, name))
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#exit = once(this.child, 'exit').catch(() => {})
    this.child.stdin?.on('error', () => {})
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]()
  }

  account(): Account {
    return this.ledger.account()
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#exit
  }

  protected tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  /** The next line that it says; undefined when it has ended. */
  protected async hears(): Promise<string | undefined> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), patience)
    const { done, value } = await this.#lines.next()
    clearTimeout(timer)
    return done === true ? undefined : value
  }
}

class ProgramWriter extends Spawned implements Writer {
  constructor(options: WriterOptions) {
    const { database, language, ledgers, mode, name, pause } = options
    const program =
      language === 'python' ? ['/usr/bin/env', 'python3', here('writer.py')] : [process.execPath, here('writer.ts')]
    super(options, [...program, name, database, join(ledgers, name), mode, String(pause)])
  }

  async ready(): Promise<void> {
    await this.#expect('ready')
  }

  go(): void {
    this.tell('go')
  }

  async pause(): Promise<void> {
    this.tell('pause')
    await this.#expect('paused')
  }

  async #expect(word: string): Promise<void> {
    const line = await this.hears()
    if (line !== word) throw new Error(`a writer (${this.language}) said ${line} in place of ${word}`)
  }
}

/** The command line of SQLite, told by this process what to do; so this process keeps its ledger. */
class ShellWriter extends Spawned implements Writer {
  readonly #options: WriterOptions
  #acknowledged = 0
  #rounds = 0
  #opened = ':memory:'
  #wanted = false
  #working: Promise<void> = Promise.resolve()

  constructor(options: WriterOptions) {
    super(options, ['sqlite3', '-batch', ':memory:'])
    this.#options = options
  }

  async ready(): Promise<void> {
    await this.#said('')
  }

  go(): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#working = this.#work()
  }

  async pause(): Promise<void> {
    this.#wanted = false
    await this.#working
  }

  override async kill(): Promise<void> {
    this.#wanted = false
    await super.kill()
    await this.#working
  }

  async #work(): Promise<void> {
    const { mode, pause } = this.#options
    while (this.#wanted && (await this.#transaction())) {
      if (mode === 'wal' && this.#rounds % 3 === 0) this.#open(':memory:')
      await new Promise(resolve => setTimeout(resolve, pause))
    }
    if (mode === 'wal') this.#open(':memory:')
    await this.#said('')
  }

  /** False when the shell is gone. */
  async #transaction(): Promise<boolean> {
    const { database, name } = this.#options
    const last = this.#acknowledged + 1 + (++this.#rounds % 3)
    const rows = []
    for (let n = this.#acknowledged + 1; n <= last; n++)
      rows.push(
        `INSERT INTO entries (writer, n, body) VALUES ('${name}', ${n}, '${name}:${n}:${'.'.repeat((n * 7919) % 61)}');`,
        `INSERT INTO details (entry_id, body) VALUES (last_insert_rowid(), ${n});`,
      )
    this.#open(database)
    this.#log(`try ${last}`)
    const answer = await this.#said(`BEGIN IMMEDIATE; ${rows.join(' ')} COMMIT; SELECT 'ok';`)
    if (answer === undefined) return false
    if (answer === 'ok') {
      this.#acknowledged = last
      this.#log(`ok ${last}`)
      return true
    }
    // Refused at some point of it: where BEGIN was, there is nothing to roll back, and SQLite says so.
    if ((await this.#said('ROLLBACK;')) === undefined) return false
    this.#log('no')
    return true
  }

  /** What it has open is closed with that. */
  #open(database: string): void {
    if (this.#opened !== database) this.tell(`.open '${database}'`)
    this.#opened = database
  }

  /** What the shell answered before it had done all of it: `ok`, nothing, or undefined when it is gone. */
  async #said(sql: string): Promise<string | undefined> {
    this.tell(`${sql}\n.print done`)
    const first = await this.hears()
    if (first === 'ok') return (await this.hears()) === 'done' ? 'ok' : undefined
    return first === 'done' ? '' : undefined
  }

  #log(line: string): void {
    appendFileSync(join(this.#options.ledgers, this.#options.name), `${line}\n`)
  }
}
