/**
 * Which backups stay and which may go: a pure function of what there is, with a reason for each. Nothing is read or
 * deleted here. `docs/retention.md` says the same for people.
 *
 * Order is by sequence. Times only tell which day, week, month or year a backup stands for, so a clock in the past or in
 * the future makes a wrong label and nothing worse. Only periods that have a backup count, so that nothing ages while no
 * backups are made.
 */

import { formatDuration } from '../units.ts'
import type { Tier } from './format.ts'
import { calendarOf, type Period } from './periods.ts'
import { protectedBackups } from './protected.ts'

/** Zero turns a rule off; with all of them off nothing is removed. */
export interface RetentionPolicy {
  /** Newest backups of any tier. */
  readonly keepLast: number
  /** Days, weeks and months that have a backup of that tier; the newest one of each is kept. */
  readonly keepDaily: number
  readonly keepWeekly: number
  readonly keepMonthly: number
  /** Years that have a monthly backup. */
  readonly keepYearly: number
  /** Milliseconds before the newest backup, any tier. */
  readonly keepWithin: number
  /** Newest backups of that tier. */
  readonly keepPreMigration: number
  readonly keepPreRestore: number
}

/** What retention wants to know of a backup. */
export interface RetentionFacts {
  readonly id: string
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly tiers: readonly Tier[]
  /** The newest applied migration, or null. */
  readonly level: string | null
  /** Why it cannot count as a good one: damaged, incomplete, found bad. Undefined: nothing is known against it. */
  readonly flaw: string | undefined
  /** Its newest verification or drill found it good. */
  readonly verified: boolean
  readonly pinned: boolean
}

export interface Verdict {
  readonly id: string
  readonly keep: boolean
  /** At least one. */
  readonly reasons: readonly string[]
}

export interface Retention {
  /** By sequence, then by id: newest last. */
  readonly verdicts: readonly Verdict[]
  /** Why everything is kept, whatever the policy says; undefined: the policy decides. */
  readonly blocked: string | undefined
}

export interface Circumstances {
  /** Milliseconds since 1970. Only spares what running jobs may rely on. */
  readonly now: number
  /** Name of the IANA list. */
  readonly timeZone: string
  /** Objects among the manifests that cannot be read. With any, nothing may be removed. */
  readonly unreadable: readonly string[]
}

export function retain(
  backups: readonly RetentionFacts[],
  policy: RetentionPolicy,
  { now, timeZone, unreadable }: Circumstances,
): Retention {
  const newestFirst = backups.toSorted((a, b) => b.sequence - a.sequence || (a.id < b.id ? 1 : -1))
  const keep = new Map<string, string[]>()
  const remove = new Map<string, string[]>()
  const note = (to: typeof keep) => (backup: RetentionFacts, reason: string) => {
    const reasons = to.get(backup.id)
    if (reasons === undefined) to.set(backup.id, [reason])
    else reasons.push(reason)
  }
  const blocked = blockedBy(policy, unreadable)
  if (blocked !== undefined) for (const backup of newestFirst) note(keep)(backup, blocked)
  else {
    for (const { backup, reason } of protectedBackups(newestFirst, now)) note(keep)(backup, reason)
    applyRules(newestFirst, policy, timeZone, note(keep), note(remove))
  }
  const verdicts = newestFirst.toReversed().map(({ id, flaw, tiers }): Verdict => {
    const kept = keep.get(id)
    const reasons = kept ?? remove.get(id) ?? [`no rule for ${tiers.join(', ')}`]
    return { id, keep: kept !== undefined, reasons: flaw === undefined ? reasons : [...reasons, flaw] }
  })
  return { verdicts, blocked }
}

export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  return Object.values(policy).every(value => value === 0)
}

function blockedBy(policy: RetentionPolicy, unreadable: readonly string[]): string | undefined {
  if (isEmptyPolicy(policy)) return 'the policy is empty'
  const [first] = unreadable
  if (first === undefined) return undefined
  const others = unreadable.length > 1 ? ` (and ${unreadable.length - 1} more)` : ''
  return `${first}${others} cannot be read`
}

type Note = (backup: RetentionFacts, reason: string) => void

interface Rule {
  readonly name: string
  readonly most: number
  /** Undefined: counts all. */
  readonly tier?: Tier
  /** Undefined: each backup counts by itself. */
  readonly period?: Period
}

function applyRules(
  newestFirst: readonly RetentionFacts[],
  policy: RetentionPolicy,
  timeZone: string,
  keep: Note,
  remove: Note,
): void {
  const rules: readonly Rule[] = [
    { name: 'last', most: policy.keepLast },
    { name: 'daily', most: policy.keepDaily, tier: 'daily', period: 'day' },
    { name: 'weekly', most: policy.keepWeekly, tier: 'weekly', period: 'week' },
    { name: 'monthly', most: policy.keepMonthly, tier: 'monthly', period: 'month' },
    { name: 'yearly', most: policy.keepYearly, tier: 'monthly', period: 'year' },
    { name: 'pre-migration', most: policy.keepPreMigration, tier: 'pre-migration' },
    { name: 'pre-restore', most: policy.keepPreRestore, tier: 'pre-restore' },
  ]
  const calendar = calendarOf(timeZone)
  for (const { name, most, tier, period } of rules) {
    if (most === 0) continue
    // Those that are known to be bad are counted apart, and go with the good ones of their time: they push out none of
    // these, and do not pile up.
    const good = new Set<string>()
    const bad = new Set<string>()
    for (const backup of newestFirst) {
      if (tier !== undefined && !backup.tiers.includes(tier)) continue
      const label = period === undefined ? undefined : calendar(backup.createdAt)[period]
      const slot = label ?? backup.id
      const counted = backup.flaw === undefined ? good : bad
      if (counted.has(slot)) remove(backup, `${name}: a newer one of ${label} stays`)
      else if (counted.size === most || good.size === most)
        remove(backup, `${name}: there are ${most} newer${period ? ` ${period}s` : ''}`)
      else {
        counted.add(slot)
        const number = backup.flaw === undefined ? `${good.size} of ${most}` : 'counted apart'
        keep(backup, `${name} ${label === undefined ? '' : `${label} `}(${number})`)
      }
    }
  }
  applyWithin(newestFirst, policy.keepWithin, keep, remove)
  if (policy.keepLast > 0 || policy.keepWithin > 0) return
  for (const backup of newestFirst) if (backup.tiers.includes('manual')) keep(backup, 'made by hand')
}

/**
 * Counted from the newest backup, not from now. A gap counts for half of the time at most: neither a job that stood
 * still nor a clock that jumps ahead makes all that was before it too old at once.
 */
function applyWithin(newestFirst: readonly RetentionFacts[], within: number, keep: Note, remove: Note): void {
  const [newest] = newestFirst
  if (within === 0 || newest === undefined) return
  let later = newest.createdAt
  let passed = 0
  for (const backup of newestFirst) {
    passed += Math.min(Math.max(0, later - backup.createdAt), within / 2)
    later = backup.createdAt
    const reason = `within ${formatDuration(within)}`
    if (Math.min(passed, Math.abs(newest.createdAt - later)) <= within) keep(backup, reason)
    else remove(backup, `not ${reason}`)
  }
}
