/**
 * One lane: round after round, each on a database of its own, in which blow after blow falls on a deploy while writers
 * are at work. After each one, everything that was acknowledged is looked for, and the next run has to finish.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { S3Server } from '../storage/s3-servers.ts'
import { type Blow, blows, drawKind, type Kind, lastLine, wrongEnd } from './blows.ts'
import { type Batch, batchOf, firstChange } from './changes.ts'
import { Draw } from './draw.ts'
import { Job, type Phase, phases } from './job.ts'
import type { Settings } from './judge.ts'
import type { Account } from './ledger.ts'
import { type Ground, Place } from './place.ts'
import type { Judge } from './verdict.ts'
import { languages, type Mode, startWriter, type Writer } from './writers.ts'

export interface Landed {
  readonly round: number
  readonly blow: number
  readonly kind: Kind
  readonly phase: Phase
  readonly mode: Mode
  readonly problems: readonly string[]
}

export interface LaneOptions {
  readonly seed: string
  /** The program under fire. */
  readonly program: string
  /** An image with the program, in containers of which it runs. */
  readonly image?: string | undefined
  readonly ground: Ground
  readonly judge: Judge
  /** Started when the first round needs it. */
  readonly server: () => Promise<S3Server>
  /** Strike only with what has this in its name. */
  readonly only?: string | undefined
  /** Where the files of a round go in which something was lost. */
  readonly keep: string | undefined
  readonly onBlow: (landed: Landed) => void
  /** Whether there is to be another blow. */
  readonly wanted: () => boolean
}

/** Blows in a round: the database grows, and so does the number of migrations. */
const blowsInRound = 30
/** How likely it is that another blow falls on the next run as well, and how many in a row do at most. */
const another = 0.65
const mostInRow = 6

/** Milliseconds: for a job, and for its child once it is gone. */
const patience = { job: 60_000, child: 5_000, writer: 10_000 }

/** How often each phase is aimed at. */
const aims: Readonly<Record<Phase, number>> = {
  start: 4,
  lock: 10,
  backup: 14,
  upload: 16,
  migrate: 14,
  validate: 14,
  commit: 24,
  after: 4,
}

export class Round {
  readonly #options: LaneOptions
  readonly #number: number
  readonly #draw: Draw
  readonly #place: Place
  readonly #mode: Mode
  readonly #modules: boolean
  readonly #settings: Settings
  readonly #writers: Writer[] = []
  readonly #gone: Account[] = []
  readonly #batches: Batch[] = []
  /** How long each phase took, in milliseconds, the last time that it came to its end. */
  readonly #tempo: Map<Phase, number>
  #blows = 0
  #level: string = firstChange.version

  private constructor(options: LaneOptions, number: number, draw: Draw, place: Place, tempo: Map<Phase, number>) {
    this.#options = options
    this.#number = number
    this.#draw = draw
    this.#place = place
    this.#tempo = tempo
    this.#modules = draw.chance('modules', 0.2)
    this.#mode = draw.of<Mode>('mode', ['wal', 'rollback'])
    this.#settings = {
      page_size: draw.of('page size', [4096, 4096, 4096, 1024, 16384]),
      auto_vacuum: draw.of('auto vacuum', [0, 0, 1]),
      user_version: draw.between('user version', 0, 1000),
      application_id: draw.between('application id', 0, 1000),
      journal_mode: this.#mode === 'wal' ? 'wal' : 'delete',
    }
  }

  /** Makes its database, and strikes until the round is full, something is lost, or no more blows are wanted. */
  static async play(options: LaneOptions, number: number, tempo: Map<Phase, number>): Promise<void> {
    const draw = new Draw(`${options.seed}/${number}`)
    const overS3 = draw.chance('s3', 0.12) && options.image === undefined
    const place = await Place.make(options.ground, overS3 ? await options.server() : undefined)
    const round = new Round(options, number, draw, place, tempo)
    try {
      await round.#begin()
      while (round.#blows < blowsInRound && options.wanted()) if (!(await round.#deploy())) break
    } finally {
      for (const writer of round.#writers) await writer.kill()
      place.end()
    }
  }

  async #begin(): Promise<void> {
    const { judge } = this.#options
    const { database } = this.#place
    this.#place.add({ changes: [firstChange] })
    await judge.make(database, this.#settings)
    const { exit, log } = await this.#start([firstChange.version]).done
    if (exit !== 0) throw new Error(`the first install failed: ${log}`)
    const rows = this.#draw.of('rows', [1000, 1000, 1000, 1500, 5000])
    await judge.fill(database, rows)
    this.#gone.push({ writer: 'before', acknowledged: rows, tried: rows, refusals: 0 })
    const others = languages.filter(language => language !== 'python')
    for (const language of ['python', this.#draw.of('other', others)] as const) await this.#addWriter(language)
  }

  /**
   * A deploy, on which blows fall, one or several in a row, until a run is left alone: that one has to finish.
   * @returns false when the round cannot go on
   */
  async #deploy(): Promise<boolean> {
    const draw = this.#draw.part(`deploy ${this.#batches.length}`)
    const batch = batchOf(draw, 2 + 3 * this.#batches.length, this.#batches.at(-1), this.#modules)
    const target = batch.boundaries.at(-1) ?? ''
    const levels = [this.#level, ...batch.boundaries]
    this.#batches.push(batch)
    this.#place.add(batch)
    let last: Omit<Landed, 'problems'> | undefined
    for (let row = 1; row <= mostInRow; row++) {
      const blow = draw.part(`blow ${row}`)
      const problems: string[] = []
      const struck = await this.#strike(blow, batch, problems)
      problems.push(...(await this.#judge(levels)))
      if (problems.length > 0) return this.#lost(struck, problems)
      if (last !== undefined) this.#options.onBlow({ ...last, problems })
      last = struck
      if (!blow.chance('again', another)) break
      if (this.#level === target) break
      levels[0] = this.#level
    }

    const problems: string[] = []
    if (draw.chance('lock free', 0.3)) await this.#expectProgress(problems)
    else if (draw.chance('writers go on', 0.5)) for (const writer of this.#writers) writer.go()
    if (this.#level !== target || draw.chance('again for nothing', 0.3)) {
      const { exit, log, signal } = await this.#end(this.#start(batch.boundaries), problems)
      if (exit !== 0) problems.push(`the next run ended with ${exit ?? signal}: ${lastLine(log)}`)
      problems.push(...(await this.#judge([target])))
    }
    if (problems.length > 0) return this.#lost(last, problems)
    if (last !== undefined) this.#options.onBlow({ ...last, problems })
    return true
  }

  #lost(blow: Omit<Landed, 'problems'> | undefined, problems: readonly string[]): false {
    const { ground, keep, onBlow } = this.#options
    if (keep !== undefined) cpSync(ground.folder, join(keep, `round-${this.#number}`), { recursive: true })
    onBlow({ ...(blow ?? this.#landed('SIGKILL of the job', 'after')), problems })
    return false
  }

  #landed(kind: Kind, phase: Phase): Omit<Landed, 'problems'> {
    return { round: this.#number, blow: ++this.#blows, kind, phase, mode: this.#mode }
  }

  /** Undefined when it missed: the job was over. */
  async #strike(draw: Draw, batch: Batch, problems: string[]): Promise<Omit<Landed, 'problems'> | undefined> {
    for (const writer of this.#writers) writer.go()
    const dead = draw.chance('writers die', 0.15)
    if (dead) await this.#killWriters(draw)
    const kind = drawKind(draw, this.#place, this.#options.image !== undefined, this.#options.only)
    const blow: Blow = blows[kind]
    const job = this.#start(batch.boundaries)
    const aim = draw.weighted('aim', aims)
    await job.reaches(dead ? 'lock' : aim)
    for (const writer of this.#writers) writer.go()
    await job.reaches(aim)
    const delay = draw.number('delay') * (this.#tempo.get(aim) ?? 10)
    if (delay >= 1) await Promise.race([job.done, sleep(delay)])
    let { phase } = job
    const struck = job.ended ? 'missed' : await blow.strike(job, this.#place, draw)
    const ended = await this.#end(job, problems)
    const wrong = wrongEnd(kind, ended)
    if (wrong !== undefined) problems.push(wrong)
    if (ended.exit === 0) this.#learn(job)
    if (struck === 'missed') return undefined
    if (struck.problem !== undefined) problems.push(struck.problem)
    struck.undo(ended)
    // What was killed wrote its last line before; what was only told may have gone on before it heard.
    if (blow.kills && kind !== 'a second job') phase = job.phase
    return this.#landed(kind, phase)
  }

  #start(boundaries: readonly string[]): Job {
    const { env, ground, repository } = this.#place
    const { image, program } = this.#options
    const container = image === undefined ? undefined : { image, mounted: ground.folder }
    return new Job({ program, container, env, intents: join(repository, 'intents'), boundaries })
  }

  /** Its end, and that of all its processes. */
  async #end(job: Job, problems: string[]) {
    const timer = setTimeout(() => {
      problems.push(`a job was not done after ${patience.job / 1000} s`)
      job.signal('SIGKILL', 'group')
    }, patience.job)
    const ended = await job.done
    clearTimeout(timer)
    const survivors = await job.survivors(patience.child)
    if (survivors.length > 0) problems.push(`outlived the job by ${patience.child / 1000} s: ${survivors.join(', ')}`)
    job.endRest()
    return ended
  }

  #learn(job: Job): void {
    const times = [...job.times]
    for (const [position, [phase, began]] of times.entries()) {
      const next = times[position + 1]
      if (next !== undefined) this.#tempo.set(phase, next[1] - began)
    }
  }

  /** Of the files as they are, with all writers at rest. */
  async #judge(levels: readonly string[]): Promise<readonly string[]> {
    await Promise.all(this.#writers.map(writer => writer.pause()))
    const verdict = await this.#options.judge.judge({
      database: this.#place.database,
      round: this.#draw.seed,
      repository: this.#place.repository,
      lost: this.#place.lost,
      changes: [firstChange, ...this.#batches.flatMap(({ changes }) => changes)],
      levels,
      taken: this.#batches.map(({ taken }) => taken),
      accounts: [...this.#gone, ...this.#writers.map(writer => writer.account())],
      settings: this.#settings,
    })
    this.#level = verdict.level
    return verdict.problems
  }

  /** Nobody holds the lock: each writer is told that something of it is committed. */
  async #expectProgress(problems: string[]): Promise<void> {
    for (const writer of this.#writers) {
      const { acknowledged } = writer.account()
      writer.go()
      const deadline = performance.now() + patience.writer
      while (writer.account().acknowledged === acknowledged && performance.now() < deadline) await sleep(5)
      if (writer.account().acknowledged === acknowledged)
        problems.push(`the database is not free: ${writer.language} could not write for ${patience.writer / 1000} s`)
    }
  }

  /** As when the application crashes before the deploy, or one program of several. Those that come after them wait. */
  async #killWriters(draw: Draw): Promise<void> {
    await sleep(draw.between('writers live', 0, 60))
    const first = draw.between('which writer', 0, this.#writers.length - 1)
    const dying = draw.chance('all writers', 0.6) ? this.#writers.splice(0) : this.#writers.splice(first, 1)
    await Promise.all(dying.map(writer => writer.kill()))
    for (const writer of dying) {
      this.#gone.push(writer.account())
      await this.#addWriter(writer.language)
    }
  }

  async #addWriter(language: Writer['language']): Promise<void> {
    const { database, ledgers } = this.#place
    const name = `${language}_${this.#gone.length}_${this.#writers.length}`
    const pause = this.#draw.between(`pause of ${name}`, 10, 60)
    this.#writers.push(await startWriter({ name, language, database, ledgers, mode: this.#mode, pause }))
  }
}

/** Guesses, until the first job has come to its end. */
export function usualTempo(): Map<Phase, number> {
  const usual = [150, 200, 40, 100, 40, 40, 12, 20]
  return new Map(phases.map((phase, position) => [phase, usual[position] ?? 10]))
}
