/**
 * A test run's hold on the Docker Engine that the tests start for themselves (`docker-keeper.ts`): a connection to its
 * keeper. The kernel closes it however the run ends, and the keeper ends the engine after the last one.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { abstractAddress } from './machine-lock.ts'

export interface Lease {
  /** For `DOCKER_HOST`. */
  readonly host: string
  /** Of the keeper. */
  readonly pid: number
  /** Lets go. Resolves, when the engine is gone, with true; with false when somebody else still uses it. */
  release(): Promise<boolean>
}

/** What a keeper says to a run that connects: one line of JSON. */
export type KeeperWord = { readonly host: string; readonly pid: number } | { readonly failed: string }

/** What it says when a run lets go. */
export type KeeperFarewell = 'kept' | 'ended'

/** Images and layers stay here between runs. */
export const engineFolder = join(homedir(), '.cache', 'lockkeeper-test', 'docker')

const keeper = fileURLToPath(new URL('docker-keeper.ts', import.meta.url))

/** How long an engine may take to start, and one that is ending to be gone, in milliseconds. */
const patience = 120_000

/**
 * Joins the engine of that folder, or starts one. Several runs at once get the same.
 * @param daemonOptions for `dockerd`, beside those that say where things are
 */
export async function leaseEngine(
  folder: string = engineFolder,
  daemonOptions: readonly string[] = [],
): Promise<Lease> {
  mkdirSync(folder, { recursive: true })
  const deadline = performance.now() + patience
  let starting = false
  while (performance.now() < deadline) {
    const socket = await connected(keeperName(folder))
    if (socket === undefined) {
      if (!starting) startKeeper(folder, daemonOptions)
      starting = true
    } else {
      const lease = await joined(socket)
      if (lease !== undefined) return lease
      // That one is ending; the next needs a keeper of its own.
      starting = false
    }
    await sleep(100)
  }
  throw new Error(`No Docker Engine within ${patience / 1000} s: see dockerd.log in ${folder}.`)
}

/** Under which the keeper of a folder is found. */
export function keeperName(folder: string): string {
  return `docker/${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`
}

function startKeeper(folder: string, daemonOptions: readonly string[]): void {
  spawn(process.execPath, [keeper, folder, ...daemonOptions], { detached: true, stdio: 'ignore', cwd: '/' }).unref()
}

function connected(name: string): Promise<Socket | undefined> {
  return new Promise(resolve => {
    const socket = connect(abstractAddress(name))
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

/** Undefined when the keeper went away without a word: it was ending. */
async function joined(socket: Socket): Promise<Lease | undefined> {
  socket.on('error', () => {})
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  const heard = async (): Promise<string | undefined> => (await lines.next().catch(() => ({ value: undefined }))).value
  const first = await heard()
  if (first === undefined) return undefined
  const word = JSON.parse(first) as KeeperWord
  if ('failed' in word) throw new Error(word.failed)
  // What holds the engine does not hold the process.
  socket.unref()
  return {
    ...word,
    release: async () => {
      socket.ref()
      socket.end()
      const farewell = (await heard()) as KeeperFarewell | undefined
      socket.destroy()
      return farewell !== 'kept'
    },
  }
}
