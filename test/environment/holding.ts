/** Starts `holder.ts`, and tells it to let go or kills it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const program = fileURLToPath(new URL('holder.ts', import.meta.url))

export interface Holder<T> {
  /** What it said when it had it. */
  readonly has: T
  /** Lets go. @returns what it said then, if anything */
  release(): Promise<unknown>
  kill(): Promise<void>
}

export async function hold<T = unknown>(what: 'lock' | 'engine', which: string): Promise<Holder<T>> {
  const child: ChildProcess = spawn(process.execPath, [program, what, which], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: AsyncIterator<string> = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const heard = async () => {
    const { done, value } = await lines.next()
    return done ? undefined : JSON.parse(value)
  }
  const has = await heard()
  if (has === undefined) throw new Error(`${what} ${which} cannot be had`)
  return {
    has,
    release() {
      child.stdin?.end()
      return heard()
    },
    async kill() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}
