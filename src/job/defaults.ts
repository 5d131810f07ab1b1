/** What a program of your own may leave out of the options of a job, and what holds then: the same as on the command line. */
import { hostname, tmpdir } from 'node:os'
import type { Tier } from '../backup/format.ts'
import type { RetentionPolicy } from '../backup/retention.ts'
import type { Actor } from '../migrations/bookkeeping.ts'
import type { DriftOptions } from '../validation/drift.ts'
import { type Part, parts } from '../validation/findings.ts'
import type { Listener } from './events.ts'

export interface Defaults {
  /** One minute. */
  readonly lockTimeout: number
  /** The name of this machine, and nothing else. */
  readonly actor: Actor
  /** Nobody. */
  readonly listener: Listener
  /** The system's. */
  readonly tmpdir: string
  /** What differs fails, and everything is looked at. */
  readonly drift: DriftOptions
  /** `fail` */
  readonly outOfOrder: 'fail' | 'allow'
  /** False. */
  readonly firstInstall: boolean
  /** False. */
  readonly adopt: boolean
  /** False. */
  readonly allowRowLoss: boolean
  /** `['manual']` */
  readonly tiers: readonly Tier[]
  /** All of them. */
  readonly parts: readonly Part[]
  /** 7 daily, 5 weekly and 12 monthly ones; 10 made before a migration, 5 made before a restore. */
  readonly policy: RetentionPolicy
  /** `UTC` */
  readonly timeZone: string
  /** 24 hours. */
  readonly grace: number
}

/** The options of a job, of which everything may be left out that has a default. */
export type Given<Options> = Omit<Options, keyof Defaults> & Partial<Pick<Options, keyof Options & keyof Defaults>>

/** A job that fills in what it is not given. */
export function withDefaults<Options, Result>(
  job: (options: Options) => Promise<Result>,
): (options: Given<Options>) => Promise<Result> {
  return async options => {
    const said = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    return job({ ...defaults(), ...said } as Options)
  }
}

export function defaults(): Defaults {
  return {
    lockTimeout: 60_000,
    actor: { host: hostname(), pod: null, namespace: null, node: null, image: null, job: null },
    listener: () => {},
    tmpdir: tmpdir(),
    drift: { policy: 'fail', ignore: [] },
    outOfOrder: 'fail',
    firstInstall: false,
    adopt: false,
    allowRowLoss: false,
    tiers: ['manual'],
    parts,
    policy: {
      keepLast: 0,
      keepDaily: 7,
      keepWeekly: 5,
      keepMonthly: 12,
      keepYearly: 0,
      keepWithin: 0,
      keepPreMigration: 10,
      keepPreRestore: 5,
    },
    timeZone: 'UTC',
    grace: 24 * 60 * 60 * 1000,
  }
}
