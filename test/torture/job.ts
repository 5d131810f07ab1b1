/** One `lockkeeper run` under fire: its log as it comes, the phase that it is in, its processes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where a blow can fall. `start`: nothing was looked at yet. `after`: committed. */
export const phases = ['start', 'lock', 'backup', 'upload', 'migrate', 'validate', 'commit', 'after'] as const
export type Phase = (typeof phases)[number]

export interface JobOptions {
  readonly program: string
  /** Runs in a container of this image, instead of `program`. */
  readonly container?: Container | undefined
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The folder in which a backup announces itself, as this machine sees it. */
  readonly intents: string
  /** The last version of each batch. */
  readonly boundaries: readonly string[]
}

export interface Ended {
  readonly exit: number | null
  readonly signal: NodeJS.Signals | null
  /** All of its log. */
  readonly log: string
}

/** As an init container has it: a container is killed as a whole, and its first process gets the other signals. */
export interface Container {
  readonly image: string
  /** A folder that has the same path in there. */
  readonly mounted: string
}

/** Whom a signal is for. */
export type Whom = 'job' | 'child' | 'group'

export class Job {
  readonly done: Promise<Ended>
  readonly #options: JobOptions
  readonly #child: ChildProcess
  readonly #boundaries: readonly string[]
  readonly #announcedBefore: ReadonlySet<string>
  readonly #intents: string
  readonly #times = new Map<Phase, number>()
  readonly #waiting = new Set<() => void>()
  readonly #name = `lockkeeper-torture-${randomUUID()}`
  #phase: Phase = 'start'
  #log = ''
  #rest = ''
  #ended = false

  constructor(options: JobOptions) {
    const { program, args = ['run'], container, env, intents, boundaries } = options
    this.#options = options
    this.#boundaries = boundaries
    this.#intents = intents
    this.#announcedBefore = new Set(this.#announced())
    const { DOCKER_HOST, PATH = '' } = process.env
    const command =
      container === undefined
        ? [process.execPath, program, ...args]
        : ['docker', ...runArguments(this.#name, container, env), ...args]
    this.#child = spawn(command[0] as string, command.slice(1), {
      env: { PATH, ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }), ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    this.#times.set('start', performance.now())
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    this.done = once(this.#child, 'close').then(([exit, signal]) => {
      this.#ended = true
      this.#look()
      this.#notify()
      const killed = container !== undefined && exit === 128 + constants.signals.SIGKILL
      return { exit: killed ? null : exit, signal: killed ? 'SIGKILL' : signal, log: this.#log } as Ended
    })
  }

  /** Another one of the same, at once. */
  again(): Job {
    return new Job(this.#options)
  }

  get phase(): Phase {
    return this.#phase
  }

  /** When each phase began, on the clock of `performance.now()`. */
  get times(): ReadonlyMap<Phase, number> {
    return this.#times
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Resolves when it is in this phase or in a later one, or has ended. */
  async reaches(phase: Phase): Promise<void> {
    while (!this.#ended && phases.indexOf(this.#phase) < phases.indexOf(phase))
      await new Promise<void>(resolve => this.#waiting.add(resolve))
  }

  /** False when there is nobody to get it. */
  signal(signal: NodeJS.Signals, whom: Whom): boolean {
    const pid = this.#child.pid ?? 0
    if (this.#options.container !== undefined) return !this.#ended && tell(this.#name, signal)
    const target = whom === 'job' ? pid : whom === 'group' ? -pid : this.#database()
    if (this.#ended || pid === 0 || target === undefined) return false
    try {
      process.kill(target, signal)
      return true
    } catch {
      return false
    }
  }

  /** The processes of it that are left a while after its end, each with its state; none, in most cases at once. */
  async survivors(patience: number): Promise<string[]> {
    const deadline = performance.now() + patience
    while (this.#groupLives()) {
      if (performance.now() > deadline) return membersOf(this.#child.pid ?? 0)
      await sleep(2)
    }
    return []
  }

  /** Kills what is left of it. */
  endRest(): void {
    try {
      process.kill(-(this.#child.pid ?? 0), 'SIGKILL')
    } catch {
      // Nobody is left.
    }
  }

  /** The process that holds the database. */
  #database(): number | undefined {
    try {
      const pid = this.#child.pid
      const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
      return first ? Number(first) : undefined
    } catch {
      return undefined
    }
  }

  #groupLives(): boolean {
    try {
      process.kill(-(this.#child.pid ?? 0), 0)
      return true
    } catch {
      return false
    }
  }

  #hear(text: string): void {
    this.#log += text
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#follow(line)
    this.#look()
  }

  #follow(line: string): void {
    if (!line.startsWith('{')) return
    const { step, ms, msg } = JSON.parse(line) as { step?: string; ms?: number; msg: string }
    if (ms === undefined) return
    if (step === 'look') this.#enter('lock')
    if (step === 'lock') {
      this.#enter('backup')
      this.#watch()
    }
    if (step === 'backup') this.#enter('migrate')
    if (step === 'migrate') this.#enter(this.#boundaries.includes(msg) ? 'validate' : 'migrate')
    if (step === 'validate') this.#enter('commit')
    if (step === 'commit') this.#enter(msg === `at ${this.#boundaries.at(-1)}` ? 'after' : 'migrate')
  }

  /** Whether its backup has announced what it uploads. */
  #look(): void {
    if (this.#phase !== 'backup') return
    if (this.#announced().some(name => !this.#announcedBefore.has(name))) this.#enter('upload')
  }

  /** Again and again: the folder comes and goes with what is in it, so there is nothing to watch. */
  #watch(): void {
    this.#look()
    if (this.#phase === 'backup' && !this.#ended) setTimeout(() => this.#watch(), 2)
  }

  #announced(): string[] {
    try {
      return readdirSync(this.#intents)
    } catch {
      return []
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    if (!this.#times.has(phase)) this.#times.set(phase, performance.now())
    this.#notify()
  }

  #notify(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** Of `docker`, up to the program's own. */
function runArguments(name: string, { image, mounted }: Container, env: JobOptions['env']): string[] {
  const settings = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`])
  const place = ['--network=none', '--user=0:0', '--read-only', '--volume', `${mounted}:${mounted}`]
  return ['run', '--rm', '--name', name, ...place, ...settings, image]
}

/** False when there is no such container. */
function tell(name: string, signal: NodeJS.Signals): boolean {
  return spawnSync('docker', ['kill', '--signal', signal, name], { stdio: 'ignore' }).status === 0
}

/** Of a process group: id, name and state, but for those that only wait to be taken note of. */
function membersOf(group: number): string[] {
  const stats = readdirSync('/proc').flatMap(name => {
    try {
      return /^\d+$/.test(name) ? [readFileSync(`/proc/${name}/stat`, 'utf8')] : []
    } catch {
      return []
    }
  })
  return stats.flatMap(stat => {
    const [, pid, name, state, itsGroup] = /^(\d+) \((.*)\) (\w) \d+ (\d+)/.exec(stat) ?? []
    return Number(itsGroup) === group && state !== 'Z' ? [`${pid} (${name}, ${state})`] : []
  })
}
