/** What is done to a job, and how it may end then. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Draw } from './draw.ts'
import type { Ended, Job, Whom } from './job.ts'
import { fillUp, type Place } from './place.ts'

export interface Blow {
  /** Whether it can be struck here. */
  readonly possible?: (place: Place) => boolean
  /** How often it comes, relative to the others. */
  readonly weight: number
  /** It can be struck also where the job is in a container. */
  readonly container?: boolean
  /** The instant is now. `missed`: there was nothing left to hit. */
  strike(job: Job, place: Place, draw: Draw): Promise<'missed' | Struck>
  /** Exit codes with which the job may end, beside 0. Killed jobs have none. */
  readonly exits: readonly number[]
  /** The job itself has to be ended by SIGKILL, unless it was over. */
  readonly kills?: boolean
}

export interface Struck {
  /** Takes it back once the job has ended. */
  readonly undo: (ended: Ended) => void
  /** What went wrong already. */
  readonly problem?: string
}

const struck: Struck = { undo: () => {} }
const inFolder = ({ way }: Place) => way === undefined

function signal(name: NodeJS.Signals, whom: Whom) {
  return async (job: Job) => (job.signal(name, whom) ? struck : ('missed' as const))
}

/** Stops them, waits, and lets them go on; `also` comes before that. */
function pause(whom: Whom, also?: readonly [NodeJS.Signals, Whom]) {
  return async (job: Job, _: Place, draw: Draw) => {
    if (!job.signal('SIGSTOP', whom)) return 'missed' as const
    await sleep(draw.between('pause', 1, 250))
    if (also !== undefined) job.signal(...also)
    job.signal('SIGCONT', 'group')
    return struck
  }
}

/** What is in place of a repository that is gone: a mount that is missing leaves an empty folder. */
type Instead = 'nothing' | 'a folder' | 'a file'

/** As when a volume is unmounted. @returns mounts it again */
function takeAway({ repository }: Place, instead: Instead): () => void {
  const away = `${repository}.away`
  renameSync(repository, away)
  if (instead === 'a folder') mkdirSync(repository)
  if (instead === 'a file') writeFileSync(repository, '')
  return () => {
    // The job may be making the folder at this very moment.
    for (let attempt = 1; existsSync(away); attempt++) {
      rmSync(repository, { recursive: true, force: true, maxRetries: 20 })
      try {
        renameSync(away, repository)
      } catch (error) {
        if (attempt === 20) throw error
      }
    }
  }
}

async function gone(_: Job, place: Place, draw: Draw): Promise<Struck> {
  const bringBack = takeAway(place, draw.of<Instead>('instead', ['nothing', 'a folder', 'a file']))
  return {
    undo: ({ exit }) => {
      // Where a job found nothing at all it made a new repository, as for a first backup: that one counts from then on.
      const isNew = exit === 0 && existsSync(join(place.repository, 'repository.json'))
      if (isNew) place.forget(`${place.repository}.away`)
      else bringBack()
    },
  }
}

async function goneForAMoment(job: Job, place: Place, draw: Draw): Promise<Struck> {
  const opened = ['upload', 'migrate', 'validate', 'commit'].includes(job.phase)
  const bringBack = takeAway(place, opened ? draw.of<Instead>('instead', ['nothing', 'a folder']) : 'a file')
  await Promise.race([job.done, sleep(draw.between('moment', 1, 100))])
  bringBack()
  return struck
}

/** A full file system, but for a little. */
function fill(which: 'volume' | 'store') {
  return async (_: Job, { ground }: Place, draw: Draw) => ({
    undo: fillUp(join(ground.folder, which), draw.of('spare', [0, 0, 4096, draw.between('bytes', 0, 512 * 1024)])),
  })
}

/** Another pod with the same job. Half of the time the first one is killed meanwhile. */
async function second(job: Job, _: Place, draw: Draw): Promise<Struck> {
  const twin = job.again()
  await Promise.race([job.done, sleep(draw.between('headway', 0, 400))])
  if (draw.chance('kill', 0.5)) job.signal('SIGKILL', 'group')
  const timer = setTimeout(() => twin.signal('SIGKILL', 'group'), 60_000)
  const { exit, log, signal } = await twin.done
  clearTimeout(timer)
  return exit === 0 ? struck : { ...struck, problem: `the second job ended with ${exit ?? signal}: ${lastLine(log)}` }
}

/** 78: there is a file where the folder was. */
const withoutRepository = [69, 74, 78]

export const blows = {
  'SIGKILL of the job': { weight: 12, kills: true, exits: [], strike: signal('SIGKILL', 'job') },
  'SIGKILL of its child': { weight: 10, exits: [70], strike: signal('SIGKILL', 'child') },
  'SIGKILL of both': { weight: 12, container: true, kills: true, exits: [], strike: signal('SIGKILL', 'group') },
  'SIGSTOP of the job, goes on': { weight: 4, exits: [], strike: pause('job') },
  'SIGSTOP of its child, goes on': { weight: 4, exits: [], strike: pause('child') },
  'SIGSTOP of both, go on': { weight: 4, exits: [], strike: pause('group') },
  'SIGSTOP of the job, then SIGKILL': { weight: 4, kills: true, exits: [], strike: pause('job', ['SIGKILL', 'job']) },
  'SIGSTOP of its child, then SIGKILL of the job': {
    weight: 4,
    kills: true,
    exits: [],
    strike: pause('child', ['SIGKILL', 'job']),
  },
  'a second job': { weight: 6, kills: true, exits: [], strike: second },
  SIGTERM: { weight: 8, container: true, exits: [143], strike: signal('SIGTERM', 'job') },
  'SIGINT to both': { weight: 4, exits: [130], strike: signal('SIGINT', 'group') },
  'repository gone': {
    weight: 7,
    exits: withoutRepository,
    possible: inFolder,
    strike: gone,
  },
  'repository gone for a moment': {
    weight: 4,
    exits: withoutRepository,
    possible: inFolder,
    strike: goneForAMoment,
  },
  'S3 server out of reach': {
    weight: 14,
    exits: [69],
    possible: ({ way }) => way !== undefined,
    strike: async (job, { way }, draw) => {
      way?.cut()
      await Promise.race([job.done, sleep(draw.between('moment', 1, 1500))])
      way?.mend()
      return struck
    },
  },
  'volume full': { weight: 8, exits: [74], possible: ({ ground }) => ground.mounted, strike: fill('volume') },
  'repository full': {
    weight: 5,
    exits: [74],
    possible: place => place.ground.mounted && inFolder(place),
    strike: fill('store'),
  },
} as const satisfies Readonly<Record<string, Blow>>

export type Kind = keyof typeof blows
export const kinds = Object.keys(blows) as Kind[]

/** @param only what its name has to contain; no such kind here: any */
export function drawKind(draw: Draw, place: Place, inContainer: boolean, only = ''): Kind {
  const all: Readonly<Record<Kind, Blow>> = blows
  const here = kinds.filter(
    kind => (all[kind].possible?.(place) ?? true) && (!inContainer || all[kind].container === true),
  )
  const wanted = here.filter(kind => kind.includes(only))
  const possible = wanted.length > 0 ? wanted : here
  return draw.weighted(
    'kind',
    Object.fromEntries(possible.map(kind => [kind, all[kind].weight])) as Record<Kind, number>,
  )
}

/** What is wrong with how it ended. */
export function wrongEnd(kind: Kind, { exit, log, signal }: Ended): string | undefined {
  const { exits, kills = false }: Blow = blows[kind]
  if (exit === 0 || (kills && signal === 'SIGKILL')) return undefined
  // Its child was importing a migration module: whether the module has ended it, or somebody else, nobody can tell.
  if (exit === 65 && kind === 'SIGKILL of its child' && log.includes('importing it ended the process (SIGKILL)'))
    return undefined
  // Node itself was starting, and nobody listened yet.
  if (log === '' && kind.startsWith(signal ?? 'none')) return undefined
  if (exit === null || !exits.includes(exit)) return `it ended with ${exit ?? signal}: ${lastLine(log)}`
  return undefined
}

export function lastLine(log: string): string {
  return log.trim().split('\n').at(-1) ?? ''
}
