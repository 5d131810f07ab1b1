/**
 * Another program beside Lockkeeper, as an application is: Python's sqlite3 in a process of its own, with one connection
 * that stays open and does what the test says.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export type Cells = (string | number | null)[]

export interface Hammered {
  /** Rounds that went through, and rounds that SQLite refused. */
  readonly done: number
  readonly refused: number
  /** What it said. */
  readonly messages: readonly string[]
}

export interface PeerOptions {
  /** How long its SQLite waits for a lock, in seconds. Default 0: it is refused at once. */
  readonly timeout?: number
}

/** It is killed at the end of the test. */
export class Peer {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #errors = ''

  private constructor() {
    this.#child = spawn('python3', [fileURLToPath(new URL('peer.py', import.meta.url))])
    onTestFinished(() => void this.#child.kill('SIGKILL'))
    this.#child.stderr?.on('data', data => (this.#errors += data))
    this.#child.stdin?.on('error', () => {})
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Starts it and opens a database, which SQLite itself does only when it is first used. */
  static async open(path: string, { timeout = 0 }: PeerOptions = {}): Promise<Peer> {
    const peer = new Peer()
    const failed = once(peer.#child, 'error').then(([error]) => ({ value: String(error) }))
    const { value } = await Promise.race([peer.#lines.next(), failed])
    if (value !== '"ready"')
      throw new Error(
        `This test needs python3 with its sqlite3 module, as another program that uses the database: ${value ?? peer.#errors}`,
      )
    await peer.#ask({ open: path, timeout })
    return peer
  }

  /** Runs statements one after the other. @returns the rows of the last one; blobs as hexadecimal digits */
  run(...statements: string[]): Promise<Cells[]> {
    return this.#ask({ run: statements }) as Promise<Cells[]>
  }

  /** The message of what SQLite refuses, or undefined. */
  async refusal(...statements: string[]): Promise<string | undefined> {
    return this.run(...statements).then(
      () => undefined,
      (error: Error) => error.message,
    )
  }

  /** Repeats statements without a pause until `stop` is called. It is on when this resolves. */
  async hammer(...statements: string[]): Promise<{ stop(): Promise<Hammered> }> {
    await this.#ask({ hammer: statements })
    return { stop: () => this.#ask('stop') as Promise<Hammered> }
  }

  /** As `hammer`, with a connection of its own for each round: opens, asks and closes, as health checks and shells do. */
  async visit(path: string, ...statements: string[]): Promise<{ stop(): Promise<Hammered> }> {
    await this.#ask({ visit: path, statements })
    return { stop: () => this.#ask('stop') as Promise<Hammered> }
  }

  /** Closes its connection and ends it. */
  async close(): Promise<void> {
    await this.#ask({})
    const exit = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exit
  }

  /** As a crash does, or the kernel when memory runs out. */
  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  async #ask(request: unknown): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`)
    const { done, value } = await this.#lines.next()
    if (done === true) throw new Error(`the peer has ended: ${this.#errors}`)
    const answer = JSON.parse(value)
    if (typeof answer === 'object' && 'error' in answer) throw new Error(answer.error)
    return answer
  }
}
