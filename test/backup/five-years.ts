/**
 * Five years in the life of a repository, simulated: hourly to monthly backups with failures, outages, clocks that jump,
 * deploys that fail over and over, restores, verifications, a damaged database, pins, and policies that change. Every
 * day a prune. The same on every run.
 */

import type { Tier } from '../../src/backup/format.ts'
import { type Retention, type RetentionFacts, type RetentionPolicy, retain } from '../../src/backup/retention.ts'
import { day, factsOf, hour, nothing } from './facts.ts'

export const timeZone = 'Europe/Berlin'
const begin = Date.parse('2021-01-01T00:00:00Z')
const end = Date.parse('2026-01-01T00:00:00Z')

const usual: RetentionPolicy = {
  ...nothing,
  keepDaily: 7,
  keepWeekly: 5,
  keepMonthly: 12,
  keepPreMigration: 10,
  keepPreRestore: 5,
}
const policies: readonly (readonly [string, RetentionPolicy])[] = [
  ['2021-01-01', usual],
  ['2022-01-10', { ...usual, keepDaily: 14, keepWithin: 48 * hour }],
  ['2023-09-01', nothing],
  ['2023-09-08', { ...usual, keepLast: 20 }],
  ['2024-05-01', { ...usual, keepWithin: 6 * hour, keepYearly: 10 }],
]

/** From, to, what the clock of the machine is off by. */
const wrongClocks: readonly (readonly [string, string, number])[] = [
  ['2022-05-03T10:00:00Z', '2022-05-03T16:00:00Z', 70 * 365 * day],
  ['2022-11-11T00:00:00Z', '2022-11-12T12:00:00Z', -52 * 365 * day],
  ['2024-02-28T20:00:00Z', '2024-03-01T04:00:00Z', day],
  ['2025-12-20T00:00:00Z', '2025-12-20T09:00:00Z', 30 * 365 * day],
]
const outages: readonly (readonly [string, string])[] = [
  ['2021-08-10', '2021-08-24'],
  ['2023-02-01', '2023-03-15'],
  ['2025-07-30', '2025-08-02'],
]
const damage = ['2024-06-10', '2024-06-13'] as const
const unreadable = ['2025-03-03', '2025-03-05'] as const

/** One prune, with what was there before. */
export interface Step {
  readonly now: number
  readonly policy: RetentionPolicy
  readonly backups: readonly RetentionFacts[]
  readonly retention: Retention
  readonly unreadable: readonly string[]
  /** Every backup that was ever made, in order. */
  readonly made: readonly RetentionFacts[]
  /** Every level that there ever was, and the attempts to leave it. */
  readonly deploys: ReadonlyMap<string | null, readonly RetentionFacts[]>
}

export function* fiveYears(): Iterable<Step> {
  const chance = random(20_260_101)
  const made: RetentionFacts[] = []
  const deploys = new Map<string | null, RetentionFacts[]>()
  let backups: RetentionFacts[] = []
  let level = 1
  let failing = 0
  for (let now = begin; now < end; now += hour) {
    const clock = now + (wrongClocks.find(([from, to]) => isWithin(now, from, to))?.[2] ?? 0)
    const working = !outages.some(([from, to]) => isWithin(now, from, to)) && chance() > 0.03
    const store = (changes: { tiers: Tier[]; pinned?: boolean }) => {
      const flaw = isWithin(now, ...damage) ? 'the database was damaged' : undefined
      const backup = factsOf(made.length + 1, clock, { level: `v${String(level).padStart(3, '0')}`, flaw, ...changes })
      made.push(backup)
      const attempts = changes.tiers.includes('pre-migration') ? [backup] : []
      deploys.set(backup.level, [...(deploys.get(backup.level) ?? []), ...attempts])
      backups.push(backup)
    }
    const change = (of: RetentionFacts | undefined, changes: Partial<RetentionFacts>) => {
      backups = backups.map(backup => (backup === of ? { ...backup, ...changes } : backup))
    }
    const wall = new Date(now + hour)
    if (working) {
      const sunday = wall.getUTCDay() === 0 && wall.getUTCHours() === 2
      const first = wall.getUTCDate() === 1 && wall.getUTCHours() === 3
      store({ tiers: ['daily', ...(sunday ? (['weekly'] as const) : []), ...(first ? (['monthly'] as const) : [])] })
      if (chance() < 1 / 3000) store({ tiers: ['manual'], pinned: chance() < 0.5 })
      if (chance() < 1 / 4000) store({ tiers: ['pre-restore'] })
    }
    // A deploy about every six weeks; one in five fails a number of times before it is mended.
    if (failing === 0 && wall.getUTCHours() === 14 && chance() < 1 / 42) failing = chance() < 0.2 ? 12 : 1
    if (failing > 0 && working) {
      store({ tiers: ['pre-migration'] })
      if (--failing === 0) level++
    }
    if (working && wall.getUTCDay() === 3 && wall.getUTCHours() === 4) {
      const bad = chance() < 0.04
      change(backups.at(-1), bad ? { flaw: 'a verification found it bad' } : { verified: true })
    }
    if (wall.getUTCHours() === 5) {
      const aged = backups.find(({ pinned, createdAt }) => pinned && now - createdAt > 400 * day)
      change(aged, { pinned: false })
      const policy = policies.findLast(([from]) => now >= Date.parse(from))?.[1] ?? usual
      const torn = isWithin(now, ...unreadable) ? ['backups/torn.json'] : []
      const retention = retain(backups, policy, { now: clock, timeZone, unreadable: torn })
      yield { now, policy, backups, retention, unreadable: torn, made, deploys }
      const stay = new Set(retention.verdicts.flatMap(({ id, keep }) => (keep ? [id] : [])))
      backups = backups.filter(({ id }) => stay.has(id))
    }
  }

  function isWithin(now: number, from: string, to: string): boolean {
    return now >= Date.parse(from) && now < Date.parse(to)
  }
}

/** A linear congruential generator (Numerical Recipes), from 0 to 1. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
