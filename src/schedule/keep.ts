/**
 * The schedule itself: waits until something is due, does it, and goes on, until it is stopped.
 *
 * What is due follows from when it was last done, and that is asked of the repository; no state is kept anywhere else.
 * So whatever happened meanwhile (a sleep, a crash, a backup by hand), what was missed is done, once.
 */
import { type ErrorCode, LockkeeperError, messageOf } from '../errors.ts'
import type { Listener } from '../job/events.ts'
import { formatDuration } from '../units.ts'
import type { Clock } from './clock.ts'
import type { Attempt, Health, TaskHealth } from './health.ts'
import { backupTasks, type Done, dueFrom, lastDone, pauseAfter, type Task, tasks } from './task.ts'
import type { Timetable } from './timetable.ts'

/** The longest sleep, in milliseconds: a machine's sleep and a clock that is set are noticed within it. */
const heartbeat = 30_000
/** How much later than promised it may report, in milliseconds, before it counts as gone. */
const leeway = 120_000
/** The longest that a timer takes. */
const longestTimer = 2 ** 31 - 1

export interface ScheduleOptions {
  /** Of the tasks that are wanted; at least one. */
  readonly timetables: ReadonlyMap<Task, Timetable>
  /** Asks the repository when each task was done. */
  readonly done: (signal: AbortSignal) => Promise<Done>
  /** Does what is due together: several tiers of one backup, or one other task. */
  readonly work: (due: readonly Task[], signal: AbortSignal) => Promise<Work>
  /** How long one piece of work may take, in milliseconds. */
  readonly timeout: number
  readonly clock: Clock
  readonly listener: Listener
  /** Takes secrets out of what is reported. */
  readonly redact: (text: string) => string
  /** Told of every change, and twice a minute. Where it rejects at the start, the schedule does; later that is a warning. */
  readonly report: (health: Health) => Promise<void>
  /** Stops it; its reason is what it rejects with. */
  readonly signal: AbortSignal
}

export interface Work {
  readonly sentence: string
  /** It was done, and what it found is bad. It is not done again before its time, and shows until then. */
  readonly code?: ErrorCode
}

interface Entry {
  readonly task: Task
  readonly timetable: Timetable
  /** When it was done, as far as is known. */
  done: readonly Date[]
  /** Done by this schedule. */
  own: readonly Date[]
  /** From `done` and `own`, kept as long as these say the same. */
  due: { readonly last: Date | undefined; readonly from: Date } | undefined
  last: Attempt | null
  failures: number
  /** Since when it is left alone because it failed. */
  failedAt: Date | undefined
}

/**
 * Never resolves. A task that fails does not end it.
 * @throws the reason of the signal; before anything was done, what the report rejects with, and LockkeeperError `config`
 * where the repository cannot be meant.
 */
export async function keepSchedule(options: ScheduleOptions): Promise<never> {
  const schedule = new Schedule(options)
  await schedule.start()
  for (;;) await schedule.step()
}

class Schedule {
  readonly #options: ScheduleOptions
  readonly #entries: readonly Entry[]
  #reportFailed = false

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#entries = tasks.flatMap(task => {
      const timetable = options.timetables.get(task)
      if (timetable === undefined) return []
      return { task, timetable, done: [], own: [], due: undefined, last: null, failures: 0, failedAt: undefined }
    })
  }

  async start(): Promise<void> {
    const { clock, report, signal } = this.#options
    signal.throwIfAborted()
    await report(this.#health([]))
    try {
      await this.#look()
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof LockkeeperError && error.code === 'config') throw error
      this.#failed(this.#entries, clock.now(), error)
    }
    const now = clock.now()
    for (const entry of this.#entries) this.#note(`${entry.task}: ${this.#nextText(entry, now)}`)
  }

  /** Does what is due, or sleeps a while. */
  async step(): Promise<void> {
    const { clock, signal } = this.#options
    signal.throwIfAborted()
    const now = clock.now()
    const due = this.#due(now)
    if (due.length > 0) await this.#attempt(due, now)
    else {
      await this.#report([])
      const next = Math.min(...this.#entries.map(entry => this.#nextOf(entry, now).getTime()))
      try {
        await clock.sleep(Math.max(1, Math.min(next - now.getTime(), heartbeat)), signal)
      } catch (error) {
        signal.throwIfAborted()
        throw error
      }
    }
  }

  /** What is to be done now: all tiers of a backup that are due, else the first other task. */
  #due(now: Date): readonly Entry[] {
    const due = this.#entries.filter(entry => this.#nextOf(entry, now) <= now)
    const tiers = due.filter(({ task }) => (backupTasks as readonly Task[]).includes(task))
    return tiers.length > 0 ? tiers : due.slice(0, 1)
  }

  async #attempt(entries: readonly Entry[], now: Date): Promise<void> {
    const { signal } = this.#options
    let due = entries
    await this.#report(entries.map(({ task }) => task))
    try {
      // Somebody else may have done it meanwhile.
      await this.#look()
      due = entries.filter(entry => this.#dueOf(entry, now) <= now)
      for (const entry of entries)
        if (!due.includes(entry) && entry.failures > 0) settle(entry, now, { sentence: 'It had been done.' })
      if (due.length > 0) this.#done(due, now, await this.#work(due.map(({ task }) => task)))
    } catch (error) {
      signal.throwIfAborted()
      this.#failed(due, now, error)
    }
    const after = this.#options.clock.now()
    for (const entry of entries) this.#note(`${entry.task}: ${this.#nextText(entry, after)}`)
  }

  async #work(due: readonly Task[]): Promise<Work> {
    const { signal, timeout, work } = this.#options
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(tooSlow(timeout)), Math.min(timeout, longestTimer))
    try {
      return await work(due, AbortSignal.any([signal, late.signal]))
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  async #look(): Promise<void> {
    const done = await this.#options.done(this.#options.signal)
    for (const entry of this.#entries) entry.done = done[entry.task]
  }

  #done(entries: readonly Entry[], at: Date, work: Work): void {
    const sentence = this.#options.redact(work.sentence)
    for (const entry of entries) {
      entry.own = [at]
      settle(entry, at, { ...work, sentence })
    }
    if (work.code === undefined) this.#note(sentence)
    else this.#warn(sentence)
  }

  #failed(entries: readonly Entry[], at: Date, error: unknown): void {
    const { clock, redact } = this.#options
    const code = error instanceof LockkeeperError ? error.code : 'internal'
    const message = redact(`${code === 'internal' ? 'a bug in Lockkeeper: ' : ''}${messageOf(error)}`)
    for (const entry of entries) {
      entry.failures++
      entry.failedAt = clock.now()
      entry.last = { at: at.toISOString(), code, message }
    }
    const hint = error instanceof LockkeeperError && error.hint !== undefined ? ` ${error.hint}` : ''
    const names = entries.map(({ task }) => task).join(', ')
    this.#warn(`${names}: failed (${code}): ${message}.${hint}`)
  }

  /** When the task is done next, which is later than when it is due if it has failed. */
  #nextOf(entry: Entry, now: Date): Date {
    const due = this.#dueOf(entry, now)
    const { failedAt, failures } = entry
    // A clock that was set back does not make it wait.
    if (failedAt === undefined || failedAt > now) return due
    return new Date(Math.max(due.getTime(), failedAt.getTime() + pauseAfter(failures)))
  }

  #dueOf(entry: Entry, now: Date): Date {
    const last = lastDone([...entry.done, ...entry.own], now)
    if (entry.due === undefined || entry.due.last?.getTime() !== last?.getTime())
      entry.due = { last, from: dueFrom(entry.timetable, last) }
    return entry.due.from
  }

  #nextText(entry: Entry, now: Date): string {
    const next = this.#nextOf(entry, now)
    if (next <= now) return 'now'
    return `next at ${entry.timetable.zone.format(next)}, in ${formatDuration(next.getTime() - now.getTime())}`
  }

  #note(message: string): void {
    this.#options.listener({ kind: 'note', step: 'schedule', message })
  }

  #warn(message: string): void {
    this.#options.listener({ kind: 'warning', step: 'schedule', message })
  }

  async #report(running: readonly Task[]): Promise<void> {
    try {
      await this.#options.report(this.#health(running))
      this.#reportFailed = false
    } catch (error) {
      if (!this.#reportFailed) this.#warn(messageOf(error))
      this.#reportFailed = true
    }
  }

  #health(running: readonly Task[]): Health {
    const { clock, timeout } = this.#options
    const now = clock.now()
    const busy = running.length === 0 ? heartbeat : Math.min(timeout, longestTimer)
    const entries = this.#entries.map((entry): [Task, TaskHealth] => {
      const { failures, last, task, timetable } = entry
      const { expression, zone } = timetable
      const next = new Date(Math.max(this.#nextOf(entry, now).getTime(), now.getTime())).toISOString()
      return [task, { cron: expression, timeZone: zone.name, next, last, failures }]
    })
    return {
      status: this.#entries.some(({ last }) => last !== null && last.code !== 'ok') ? 'failing' : 'ok',
      at: now.toISOString(),
      validUntil: new Date(now.getTime() + busy + leeway).toISOString(),
      running,
      tasks: Object.fromEntries(entries),
    }
  }
}

function settle(
  entry: Entry,
  at: Date,
  { code = 'ok', sentence }: Omit<Work, 'code'> & { code?: Attempt['code'] },
): void {
  entry.failures = 0
  entry.failedAt = undefined
  entry.last = { at: at.toISOString(), code, message: sentence }
}

function tooSlow(timeout: number): LockkeeperError {
  return new LockkeeperError('busy', `not done within the time allowed (${timeout / 1000} s)`, {
    hint: 'Allow each task more with --timeout or LOCKKEEPER_TIMEOUT.',
  })
}
