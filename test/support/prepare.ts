/** Asks SQLite's C library where it stops reading a statement. node:sqlite does not tell; python3's ctypes does. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Prepared {
  /** Offsets behind each statement, in UTF-16 units, up to the first one that SQLite refuses. */
  readonly ends: readonly number[]
  readonly error: string | null
}

export class Preparer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  }

  /** @param schema a script that makes what the statements refer to */
  static async start(schema: string): Promise<Preparer> {
    const child = spawn('python3', [fileURLToPath(new URL('prepare.py', import.meta.url))])
    let complaint = ''
    child.stderr.on('data', (data: Buffer) => {
      complaint += data.toString()
    })
    const failed = once(child, 'error')
    const closed = new Promise(resolve => child.once('close', resolve))
    const preparer = new Preparer(child)
    child.stdin.on('error', () => {})
    child.stdin.write(`${JSON.stringify(schema)}\n`)
    const first = await Promise.race([preparer.#lines.next(), failed.then(([error]) => ({ value: String(error) }))])
    if (first.value === undefined) await closed
    if (first.value !== 'ready')
      throw new Error(
        `This test compares with SQLite's own sqlite3_prepare_v2 and needs python3 and libsqlite3 (libsqlite3.so.0): ${first.value ?? complaint}`,
      )
    return preparer
  }

  async prepare(script: string): Promise<Prepared> {
    this.#child.stdin.write(`${JSON.stringify(script)}\n`)
    const { value } = await this.#lines.next()
    return JSON.parse(value) as Prepared
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.stdin.end()
    await exit
  }
}
