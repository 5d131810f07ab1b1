/** What becomes known of those that hold a database while somebody waits for it. */
import type { DatabaseProcess } from './child-process.ts'
import { type Holder, holdersOf } from './holders.ts'
import { fileUri } from './location.ts'
import { kindOfLock } from './lock-kind.ts'

export interface SeenHolder extends Holder {
  /** When it was first seen in the way. */
  readonly since: Date
}

export class HolderWatch {
  /** When the database was first found in use. */
  readonly since = new Date()
  readonly #start = performance.now()
  readonly #file: string
  readonly #child: DatabaseProcess
  readonly #firstSeen = new Map<number, Date>()

  /** @param child waits for the lock, and has nothing open whenever this is asked */
  constructor(file: string, child: DatabaseProcess) {
    this.#file = file
    this.#child = child
  }

  /** Since the database was first found in use. */
  get milliseconds(): number {
    return performance.now() - this.#start
  }

  /** Who is to be seen now. */
  async look(): Promise<readonly SeenHolder[]> {
    const now = new Date()
    const holders = await holdersOf(this.#file, [process.pid, this.#child.pid])
    return holders.map(holder => {
      const since = this.#firstSeen.get(holder.pid) ?? now
      this.#firstSeen.set(holder.pid, since)
      return { ...holder, since }
    })
  }

  /** What is held, in words, where nobody is to be seen. */
  async kind(): Promise<string> {
    const kind = await kindOfLock(this.#child, fileUri(this.#file, { mode: 'rw' }))
    return `${kind ?? 'a lock'} is held by a process that is not visible from here (another container, another pod)`
  }
}

/** `process 42 (python3 app.py) holds a reserved lock and a shared lock` */
export function describeHolders(holders: readonly Holder[]): string {
  if (holders.length === 0) return 'the process is not visible from here'
  return holders
    .map(({ command, locks, pid }) => {
      const what = locks.length === 0 ? 'has it open' : `holds ${locks.join(' and ')}`
      return `process ${pid}${command === undefined ? '' : ` (${command})`} ${what}`
    })
    .join('; ')
}
