import { beforeAll, describe, expect, it } from 'vitest'
import { calendarOf } from '../../src/backup/periods.ts'
import { isEmptyPolicy, type RetentionFacts } from '../../src/backup/retention.ts'
import { hour } from './facts.ts'
import { fiveYears, type Step, timeZone } from './five-years.ts'

const isGood = ({ flaw }: RetentionFacts) => flaw === undefined

describe('five simulated years of backups', () => {
  const problems: string[] = []
  let steps = 0
  let last: Step
  beforeAll(() => {
    for (const step of fiveYears()) {
      steps++
      last = step
      for (const problem of brokenRules(step)) problems.push(`${new Date(step.now).toISOString()}: ${problem}`)
    }
  })

  it('keep the rules at every step', () => {
    expect(problems.slice(0, 20)).toEqual([])
    expect(steps).toBe(5 * 365 + 1)
    expect(last.made.length).toBeGreaterThan(40_000)
  })

  it('end with what a person would expect', async () => {
    const lines = last.retention.verdicts
      .toReversed()
      .map(({ id, keep, reasons }) => `${keep ? 'keep  ' : 'remove'}  ${id.padEnd(48)}  ${reasons.join('; ')}\n`)
    await expect(lines.join('')).toMatchFileSnapshot('../fixtures/retention/five-years.txt')
  })
})

const calendar = remembered(calendarOf(timeZone))

function remembered<T>(work: (moment: number) => T): (moment: number) => T {
  const known = new Map<number, T>()
  return moment => {
    const value = known.get(moment) ?? work(moment)
    known.set(moment, value)
    return value
  }
}

/** What is wrong after a prune; found without the code under test. */
function* brokenRules({ backups, deploys, made, policy, retention, unreadable, now }: Step): Iterable<string> {
  const stay = new Set(retention.verdicts.flatMap(({ id, keep }) => (keep ? [id] : [])))
  const left = backups.filter(({ id }) => stay.has(id))
  const missing = (wanted: RetentionFacts | undefined) => wanted !== undefined && !stay.has(wanted.id)
  if ((isEmptyPolicy(policy) || unreadable.length > 0) && left.length < backups.length) yield 'something was removed'
  for (const backup of backups) if (backup.pinned && missing(backup)) yield `${backup.id} was pinned`
  const good = backups.filter(isGood)
  if (missing(good.findLast(({ tiers }) => !tiers.includes('pre-restore')))) yield 'the last good one is gone'
  if (missing(good.findLast(({ verified }) => verified))) yield 'the last verified one is gone'
  // Of all that were ever made, so that nothing is forgotten by and by.
  const known = new Map(backups.map(backup => [backup.id, backup]))
  if (missing(made.findLast(backup => isGood(known.get(backup.id) ?? backup)))) yield 'the newest good one is gone'
  const levels = new Set(left.map(({ level }) => level))
  let series = 0
  for (const [level, attempts] of deploys) {
    if (!levels.has(level)) yield `nothing is left of ${level}`
    if (attempts.length < 2) continue
    series++
    if (missing(attempts[0]) || missing(attempts.at(-1))) yield `the first or newest failed deploy at ${level} is gone`
  }
  // Every policy but the empty one keeps at least these.
  for (const [tier, period, least] of [
    ['daily', 'day', 7],
    ['weekly', 'week', 5],
    ['monthly', 'month', 12],
  ] as const) {
    const labels = new Set<string>()
    for (let index = made.length - 1; labels.size < least && index >= 0; index--) {
      const backup = made[index] as RetentionFacts
      if (backup.tiers.includes(tier)) labels.add(calendar(backup.createdAt)[period])
    }
    const has = (label: string) =>
      left.some(({ createdAt, tiers }) => tiers.includes(tier) && calendar(createdAt)[period] === label)
    for (const label of labels) if (!has(label)) yield `nothing is left of ${label}`
  }
  if (isEmptyPolicy(policy) || unreadable.length > 0) return
  const { keepDaily, keepLast, keepMonthly, keepPreMigration, keepPreRestore, keepWeekly, keepWithin, keepYearly } =
    policy
  const byRules = keepDaily + keepWeekly + keepMonthly + keepYearly + keepLast + keepPreMigration + keepPreRestore
  // Those known to be bad count apart; more than one backup an hour is rare.
  const counted = 2 * (byRules + 1.2 * (keepWithin / hour)) + 60
  const forWaysBack = deploys.size + 2 * series
  const byHand = backups.filter(({ pinned, tiers }) => pinned || tiers.includes('manual')).length
  if (left.length > counted + forWaysBack + byHand)
    yield `${left.length} backups are left at ${new Date(now).toISOString()}`
}
