/** What the tests of the storage room need of the machine: processes of their own, and for some of them root's powers. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statfsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished, type TestContext } from 'vitest'

const program = fileURLToPath(new URL('./file-process.ts', import.meta.url))

/**
 * A folder for what needs no disk, as making thousands of files durable would keep a real one busy for minutes:
 * in memory where there is room, otherwise the usual one.
 */
export const scratch = roomyMemory() ?? tmpdir()

function roomyMemory(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    return bavail * bsize > 512 * 1024 * 1024 ? '/dev/shm' : undefined
  } catch {
    return undefined
  }
}

/** A folder that is gone after the test. */
export async function freshFolder(where = scratch): Promise<string> {
  const folder = await mkdtemp(join(where, 'lockkeeper-storage-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Ends the test with a sentence in the report where the machine cannot run it. */
export function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
}

export function needsStrace(context: TestContext): void {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'])
  } catch {
    context.skip('NOT CHECKED on this machine: it needs strace to make a system call fail')
  }
}

/** Mounts something for the duration of the test and returns where. */
export async function mounted(...how: string[]): Promise<string> {
  const point = join(await freshFolder(), 'mnt')
  await mkdir(point)
  execFileSync('mount', [...how, point])
  onTestFinished(() => void execFileSync('umount', ['-l', point]))
  return point
}

export interface StoreProcess {
  readonly child: ChildProcess
  /** The next line of its answers, or undefined after the last. */
  next(): Promise<unknown>
  /** Lets it begin after its `ready`. */
  go(): void
  exit: Promise<{ code: number | null; signal: string | null; errors: string }>
}

export interface ProcessOptions {
  readonly uid?: number
  /** A command line before `node`. */
  readonly under?: readonly string[]
  readonly umask?: string
}

/** Starts `file-process.ts`; it is killed at the end of the test. */
export function storeProcess(
  what: string,
  root: string,
  argument = '',
  { uid, under = [], umask }: ProcessOptions = {},
): StoreProcess {
  const before = umask === undefined ? under : ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', ...under]
  const [command, ...args] = [...before, process.execPath, program, what, root, argument]
  const child = spawn(command as string, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    // One thread of Node's for files: then the system calls come in one order.
    env: { ...process.env, UV_THREADPOOL_SIZE: under.length > 0 ? '1' : '4' },
    ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.on('error', () => {})
  let errors = ''
  child.stderr.on('data', data => (errors += data))
  const lines: AsyncIterator<string> = (createInterface({ input: child.stdout }) as Interface)[Symbol.asyncIterator]()
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal, errors }))
  return {
    child,
    exit,
    async next() {
      const { done, value } = await lines.next()
      return done ? undefined : JSON.parse(value)
    },
    go: () => void child.stdin.write('go\n'),
  }
}
