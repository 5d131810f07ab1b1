/** Starts `holder.ts`, and watches processes come and go. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const program = fileURLToPath(new URL('holder.ts', import.meta.url))

export interface Holder {
  readonly process: ChildProcess
  /** The next line of its answers; throws what it printed to standard error after the last. */
  next(): Promise<unknown>
  /** Kills it without warning, and resolves when it is gone. */
  kill(): Promise<void>
}

/** It is killed at the end of the test, and with it its child. */
export function startHolder(what: string, path: string, user: { uid?: number } = {}): Holder {
  const child = spawn(process.execPath, [program, what, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user.uid === undefined ? {} : { uid: user.uid, gid: user.uid, cwd: '/' }),
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', data => (errors += data))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    process: child,
    async next() {
      const { done, value } = await lines.next()
      if (done === true) throw new Error(`the holder has ended: ${errors}`)
      return JSON.parse(value)
    },
    async kill() {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** The letter that Linux has for the state of a process (`T`: stopped); undefined when it is gone, with all its threads. */
export async function stateOf(pid: number): Promise<string | undefined> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const state = /\) (\w)/.exec(status)?.[1]
  return state === 'Z' && threads.length <= 1 ? undefined : state
}

/** Looks again and again until it is so; fails the test with what is asked for when that takes longer than ten seconds. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ten seconds: ${what}`)
    await nextTurn()
  }
}
