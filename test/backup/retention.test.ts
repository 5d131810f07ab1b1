import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { type Tier, tiers } from '../../src/backup/format.ts'
import { calendarOf } from '../../src/backup/periods.ts'
import { type RetentionFacts, type RetentionPolicy, retain } from '../../src/backup/retention.ts'
import { resolveSettings } from '../../src/config/resolve.ts'
import { day, factsOf, hour, later, nothing } from './facts.ts'

const rules = [
  'keepLast',
  'keepDaily',
  'keepWeekly',
  'keepMonthly',
  'keepYearly',
  'keepWithin',
  'keepPreMigration',
  'keepPreRestore',
] as const

/** Sequences of those that stay. */
function kept(backups: readonly RetentionFacts[], policy: Partial<RetentionPolicy>, around = later): number[] {
  const { verdicts } = retain(backups, { ...nothing, ...policy }, around)
  return verdicts.flatMap(({ id, keep }) => (keep ? [Number(id.slice(0, 8))] : []))
}

/** One backup a day, the newest last, with sequences from 1. */
function daily(count: number, changes: Parameters<typeof factsOf>[2] = {}): RetentionFacts[] {
  const first = Date.parse('2026-01-01T02:00:00Z')
  return Array.from({ length: count }, (_, index) => factsOf(index + 1, first + index * day, changes))
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('a rule', () => {
  it('of tiers keeps the newest backup of each of so many days, weeks and months', () => {
    const all = daily(70, { tiers: ['daily', 'weekly', 'monthly'] })
    expect(kept(all, { keepDaily: 7 })).toEqual(range(64, 70))
    // 2026-01-01 is a Thursday: Sundays are 4, 11, ..., 67, and the week of 70 is not over.
    expect(kept(all, { keepWeekly: 4 })).toEqual([53, 60, 67, 70])
    expect(kept(all, { keepMonthly: 12 })).toEqual([31, 59, 70])
    expect(kept(all, { keepDaily: 2, keepMonthly: 2 })).toEqual([59, 69, 70])
  })

  it('of a tier counts backups of that tier alone', () => {
    const all = daily(10).map((backup, index) => ({ ...backup, tiers: [index % 2 ? 'weekly' : 'daily'] as Tier[] }))
    expect(kept(all, { keepDaily: 3 })).toEqual([5, 7, 9, 10])
  })

  it('keeps the newest of a day that has several', () => {
    const all = range(1, 48).map(sequence => factsOf(sequence, Date.parse('2026-01-01') + (sequence - 1) * hour))
    expect(kept(all, { keepDaily: 7 })).toEqual([24, 48])
  })

  it('counts days by the wall of its time zone', () => {
    const all = [factsOf(1, '2026-01-01T22:30:00Z'), factsOf(2, '2026-01-01T23:30:00Z')]
    expect(kept(all, { keepDaily: 7 })).toEqual([2])
    expect(kept(all, { keepDaily: 7 }, { ...later, timeZone: 'Europe/Berlin' })).toEqual([1, 2])
  })

  it('counts only days that have a backup, so that a job that stood still ages nothing out', () => {
    const all = [...daily(7), factsOf(8, '2027-06-01T02:00:00Z')]
    expect(kept(all, { keepDaily: 7 })).toEqual(range(2, 8))
  })

  it('of years counts monthly backups', () => {
    const at = (sequence: number, date: string, tier: Tier) => factsOf(sequence, date, { tiers: [tier] })
    const all = [
      at(1, '2023-11-01', 'monthly'),
      at(2, '2023-12-31', 'daily'),
      at(3, '2024-06-01', 'monthly'),
      at(4, '2025-02-01', 'monthly'),
      at(5, '2025-03-01', 'monthly'),
      at(6, '2025-04-01', 'daily'),
    ]
    expect(kept(all, { keepYearly: 3 })).toEqual([1, 3, 5, 6])
    expect(kept(all, { keepYearly: 1 })).toEqual([5, 6])
  })

  it('of the last ones counts all tiers', () => {
    const all = tiers.map((tier, index) => factsOf(index + 1, '2026-01-01', { tiers: [tier] }))
    expect(kept(all, { keepLast: 3 })).toEqual([4, 5, 6])
  })

  it('of a time counts from the newest backup, all tiers', () => {
    const all = daily(20).map((backup, index) => ({ ...backup, tiers: [index % 2 ? 'manual' : 'weekly'] as Tier[] }))
    expect(kept(all, { keepWithin: 5 * day })).toEqual(range(15, 20))
    expect(kept(all, { keepWithin: 5 * day - 1 })).toEqual(range(16, 20))
  })

  it('of a time lets no gap and no clock that jumps make everything before it too old at once', () => {
    const hours = (from: number, count: number, start: string) =>
      range(from, from + count - 1).map(sequence => factsOf(sequence, Date.parse(start) + (sequence - from) * hour))
    const stalled = [...hours(1, 100, '2026-01-01'), ...hours(101, 3, '2026-09-01')]
    expect(kept(stalled, { keepWithin: 48 * hour })).toEqual(range(101 - 23, 103))
    const ahead = [...hours(1, 100, '2026-01-01'), factsOf(101, '2099-01-01')]
    expect(kept(ahead, { keepWithin: 48 * hour })).toEqual(range(101 - 25, 101))
    // Both ways, and right again: what is of these hours stays.
    const back = [...hours(1, 100, '2026-01-01'), factsOf(101, '2099-01-01'), factsOf(102, '2026-01-05T05:00:00Z')]
    expect(kept(back, { keepWithin: 48 * hour })).toEqual(range(54, 102))
  })

  it('of pre-migration and pre-restore backups counts each of them', () => {
    const all = range(1, 40).map(sequence =>
      factsOf(sequence, Date.parse('2026-01-01') + sequence * 3 * day, {
        tiers: [sequence % 2 ? 'pre-migration' : 'pre-restore'],
        level: `v${Math.ceil(sequence / 2)}`,
      }),
    )
    const levels = range(1, 20).map(level => level * 2)
    expect(kept(all, { keepPreMigration: 3 })).toEqual([...levels, 35, 37, 39].sort((a, b) => a - b))
    const oneLevel = all.map(backup => ({ ...backup, level: 'v1', tiers: ['pre-restore'] as Tier[] }))
    expect(kept(oneLevel, { keepPreRestore: 3 })).toEqual([38, 39, 40])
  })

  it('keeps manual backups unless one that counts all is set', () => {
    const all = daily(5).map((backup, index) => ({ ...backup, tiers: [index < 2 ? 'manual' : 'daily'] as Tier[] }))
    expect(kept(all, { keepDaily: 1 })).toEqual([1, 2, 5])
    expect(kept(all, { keepDaily: 1, keepLast: 1 })).toEqual([5])
    expect(kept(all, { keepDaily: 1, keepWithin: hour })).toEqual([3, 4, 5])
  })

  it('that keeps a backup for one of its tiers keeps it', () => {
    const all = daily(30).map((backup, index) => (index === 9 ? { ...backup, tiers: ['daily', 'manual'] } : backup))
    expect(kept(all as RetentionFacts[], { keepDaily: 2 })).toEqual([10, 29, 30])
  })

  it('counts backups that are known to be bad apart, so that they push no good one out and do not pile up', () => {
    const all = daily(20).map(backup => (backup.sequence > 10 ? { ...backup, flaw: 'damaged' } : backup))
    expect(kept(all, { keepDaily: 3 })).toEqual([8, 9, 10, 18, 19, 20])
  })
})

describe('never removed is', () => {
  const policy = { keepDaily: 1 }

  it('anything, while the policy is empty', () => {
    const { blocked, verdicts } = retain(daily(3), nothing, later)
    expect(blocked).toBe('the policy is empty')
    expect(verdicts.map(({ keep, reasons }) => [keep, ...reasons])).toEqual(Array(3).fill([true, blocked]))
  })

  it('anything, while a manifest cannot be read', () => {
    const { blocked, verdicts } = retain(daily(3), { ...nothing, ...policy }, { ...later, unreadable: ['backups/x'] })
    expect(blocked).toBe('backups/x cannot be read')
    expect(verdicts.every(({ keep }) => keep)).toBe(true)
  })

  it('what a person pinned', () => {
    const all = daily(9).map(backup => (backup.sequence === 4 ? { ...backup, pinned: true } : backup))
    expect(kept(all, policy)).toEqual([4, 9])
  })

  it('the last good one', () => {
    const all = daily(9).map(backup =>
      backup.sequence > 5 ? { ...backup, flaw: 'a verification found it bad' } : backup,
    )
    expect(kept(all, { keepWeekly: 1 })).toEqual([5])
    const restores = daily(9).map(backup =>
      backup.sequence > 5 ? { ...backup, tiers: ['pre-restore'] as Tier[] } : backup,
    )
    expect(kept(restores, { keepWeekly: 1 })).toEqual([5, 7, 8, 9])
    expect(kept(daily(9, { tiers: ['pre-restore'] }), policy)).toEqual([7, 8, 9])
  })

  it('the newest, where none is good', () => {
    expect(kept(daily(9, { flaw: 'damaged' }), { keepWeekly: 1 })).toEqual([9])
  })

  it('the last verified one', () => {
    const all = daily(9).map(backup => ({ ...backup, verified: backup.sequence < 4 }))
    expect(kept(all, policy)).toEqual([3, 9])
    const since = all.map(backup => (backup.sequence === 3 ? { ...backup, flaw: 'incomplete' } : backup))
    expect(kept(since, { keepWeekly: 1 })).toEqual([2, 9])
  })

  it('the newest of each schema level, a sound one if there is any', () => {
    const level = (sequence: number) => (sequence < 4 ? 'v1' : sequence < 8 ? 'v2' : 'v3')
    const all = daily(12).map(backup => ({ ...backup, level: level(backup.sequence) }))
    expect(kept(all, policy)).toEqual([3, 7, 12])
    const flawed = all.map(backup => (backup.sequence === 7 ? { ...backup, flaw: 'damaged' } : backup))
    expect(kept(flawed, { keepWeekly: 1 })).toEqual([3, 6, 12])
    // After a rollback the newest at v1 is a younger one.
    expect(kept([...all, factsOf(13, '2026-02-01'), factsOf(14, '2026-02-02')], policy)).toEqual([7, 12, 14])
  })

  it('the first and the newest of a series of failing deploys, however long it is', () => {
    const attempts = range(11, 60).map(sequence =>
      factsOf(sequence, Date.parse('2026-01-12') + sequence * hour, { tiers: ['pre-migration'] }),
    )
    // Those of the last two days are kept for another reason.
    const after = [factsOf(61, '2026-02-01', { level: 'v2' })]
    expect(kept([...daily(10), ...attempts, ...after], { keepPreMigration: 1 })).toEqual([11, 60, 61])
    expect(kept([...daily(10), ...attempts, ...after], { keepDaily: 1 })).toEqual([11, 60, 61])
    const [first, ...others] = attempts
    const firstBad = [{ ...(first as RetentionFacts), flaw: 'damaged' }, ...others]
    expect(kept([...daily(10), ...firstBad, ...after], { keepWeekly: 1 })).toEqual([12, 60, 61])
  })

  it('what a running deploy or restore may rely on, by the clock here or by that of the newest backup', () => {
    const at = Date.parse('2026-01-01')
    const all = range(1, 100).map(sequence =>
      factsOf(sequence, at + sequence * hour, { tiers: ['pre-migration'], level: `v${sequence % 2}` }),
    )
    const recent = range(52, 100)
    expect(kept(all, policy, { ...later, now: at + 100 * hour })).toEqual(recent)
    expect(kept(all, policy, later)).toEqual(recent)
    const lost = [...all, factsOf(101, '1999-01-01')]
    expect(kept(lost, policy, { ...later, now: at + 100 * hour })).toEqual([...recent, 101])
  })
})

describe('reasons', () => {
  it('are told for what stays and for what goes', () => {
    const all = [
      factsOf(1, '2026-01-01T02:00:00Z', { tiers: ['manual'] }),
      factsOf(2, '2026-01-01T03:00:00Z', { tiers: ['weekly'] }),
      factsOf(3, '2026-01-02T02:00:00Z'),
      factsOf(4, '2026-01-03T01:00:00Z'),
      factsOf(5, '2026-01-03T02:00:00Z', { verified: true }),
      factsOf(6, '2026-01-04T02:00:00Z', { flaw: 'a verification found it bad' }),
    ]
    const { verdicts } = retain(all, { ...nothing, keepDaily: 1 }, later)
    expect(verdicts.map(({ keep, reasons }) => `${keep ? 'keep' : 'remove'}: ${reasons.join('; ')}`)).toEqual([
      'keep: made by hand',
      'remove: no rule for weekly',
      'remove: daily: there are 1 newer days',
      'remove: daily: a newer one of 2026-01-03 stays',
      'keep: last good; last verified; newest at v1; daily 2026-01-03 (1 of 1)',
      'keep: daily 2026-01-04 (counted apart); a verification found it bad',
    ])
  })
})

test('the example of docs/retention.md is what happens', () => {
  const all: RetentionFacts[] = []
  // Nights from one to two years before, and two deploys in the afternoon.
  for (let night = Date.parse('2025-10-01T01:30:00Z'); night < Date.parse('2026-11-26'); night += day) {
    const date = new Date(night)
    const level =
      night < Date.parse('2026-11-10T12:00Z') ? 'v010' : night < Date.parse('2026-11-20T12:00Z') ? 'v011' : 'v012'
    const due: Tier[] = ['daily']
    if (date.getUTCDay() === 0) due.push('weekly')
    if (date.getUTCDate() === 1) due.push('monthly')
    all.push(factsOf(all.length + 1, night, { tiers: due, level }))
    if (['2026-11-10', '2026-11-20'].includes(date.toISOString().slice(0, 10)))
      all.push(factsOf(all.length + 1, night + 12 * hour, { tiers: ['pre-migration'], level }))
  }
  const policy = resolveSettings(rules, {}, {})
  const around = { now: Date.parse('2026-11-25T09:00Z'), timeZone: 'Europe/Berlin', unreadable: [] }
  const stays = retain(all, policy, around).verdicts.filter(({ keep }) => keep)
  const shown = stays.toReversed().map(({ id, reasons }) => `${id.slice(9, 17)} ${reasons.join('; ')}`)
  expect(shown.slice(0, 15)).toEqual([
    '20261125 last good; newest at v012; daily 2026-11-25 (1 of 7)',
    '20261124 daily 2026-11-24 (2 of 7)',
    '20261123 daily 2026-11-23 (3 of 7)',
    '20261122 daily 2026-11-22 (4 of 7); weekly 2026-W47 (1 of 5)',
    '20261121 daily 2026-11-21 (5 of 7)',
    '20261120 newest at v011; pre-migration (1 of 10)',
    '20261120 daily 2026-11-20 (6 of 7)',
    '20261119 daily 2026-11-19 (7 of 7)',
    '20261115 weekly 2026-W46 (2 of 5)',
    '20261110 newest at v010; pre-migration (2 of 10)',
    '20261108 weekly 2026-W45 (3 of 5)',
    '20261101 weekly 2026-W44 (4 of 5); monthly 2026-11 (1 of 12)',
    '20261025 weekly 2026-W43 (5 of 5)',
    '20261001 monthly 2026-10 (2 of 12)',
    '20260901 monthly 2026-09 (3 of 12)',
  ])
  expect(shown).toHaveLength(24)
})

/** Any history whatever: clocks that jump, tiers that mix, levels that go up and down. */
const history = fc
  .array(
    fc.record({
      createdAt: fc.oneof(
        fc.integer({ min: Date.parse('2026-01-01') / hour, max: Date.parse('2026-03-01') / hour }),
        fc.integer({ min: 0, max: Date.parse('2100-01-01') / hour }),
      ),
      tiers: fc.subarray([...tiers], { minLength: 1 }),
      level: fc.constantFrom(null, 'v1', 'v2', 'v3'),
      flaw: fc.option(fc.constant('damaged'), { nil: undefined, freq: 4 }),
      verified: fc.boolean(),
      pinned: fc.boolean(),
      leap: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 60 },
  )
  .map(rows => {
    let sequence = 1
    return rows.map(({ createdAt, leap, ...facts }, index) => {
      sequence += leap
      return {
        ...factsOf(sequence, createdAt * hour, facts),
        id: `${String(sequence).padStart(8, '0')}-${index + 100}`,
      }
    })
  })
const few = fc.integer({ min: 0, max: 4 })
const anyPolicy: fc.Arbitrary<RetentionPolicy> = fc.record({
  keepLast: few,
  keepDaily: few,
  keepWeekly: few,
  keepMonthly: few,
  keepYearly: few,
  keepWithin: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 * day })),
  keepPreMigration: few,
  keepPreRestore: few,
})
const anyTime = fc.record({
  now: fc.integer({ min: 0, max: Date.parse('2100-01-01') }),
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia'),
  unreadable: fc.constant([]),
})

const idsKept = (...args: Parameters<typeof retain>) =>
  new Set(retain(...args).verdicts.flatMap(({ id, keep }) => (keep ? [id] : [])))

describe('whatever the history, the clocks and the policy', () => {
  it('every backup gets one verdict with a reason, in order, whatever order they came in', () => {
    fc.assert(
      fc.property(history, anyPolicy, anyTime, (all, policy, time) => {
        const { verdicts } = retain(all, policy, time)
        expect(verdicts.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
        expect(verdicts.every(({ reasons }) => reasons.length > 0)).toBe(true)
        expect(retain(all.toReversed(), policy, time)).toEqual(retain(all, policy, time))
      }),
    )
  })

  it('something good stays as long as there is something good', () => {
    fc.assert(
      fc.property(history, anyPolicy, anyTime, (all, policy, time) => {
        const stay = idsKept(all, policy, time)
        const isGood = ({ flaw }: RetentionFacts) => flaw === undefined
        expect(all.filter(({ id }) => stay.has(id)).some(isGood)).toBe(all.some(isGood))
        expect(stay.size > 0).toBe(all.length > 0)
      }),
    )
  })

  it('what is never removed depends on the order of the backups and on no clock', () => {
    fc.assert(
      fc.property(history, anyPolicy, anyTime, fc.integer(), (all, policy, time, shift) => {
        const confused = all.map((backup, index) => ({ ...backup, createdAt: Math.abs((shift * (index + 1)) % 4e12) }))
        const stay = idsKept(confused, policy, time)
        for (const { id, pinned } of all) if (pinned) expect(stay).toContain(id)
        const good = all.filter(({ flaw }) => flaw === undefined)
        const latest = good.findLast(({ tiers }) => !tiers.includes('pre-restore')) ?? good.at(-1)
        if (latest !== undefined) expect(stay).toContain(latest.id)
        const verified = good.findLast(backup => backup.verified)
        if (verified !== undefined) expect(stay).toContain(verified.id)
        for (const level of new Set(all.map(backup => backup.level))) {
          const at = (backup: RetentionFacts) => backup.level === level
          expect(stay).toContain((good.findLast(at) ?? all.findLast(at))?.id)
        }
      }),
    )
  })

  it('a rule keeps the newest of as many periods as it says, or of all that there are', () => {
    fc.assert(
      fc.property(history, anyPolicy, anyTime, (all, policy, time) => {
        fc.pre(Object.values(policy).some(value => value > 0))
        const stay = idsKept(all, policy, time)
        const calendar = calendarOf(time.timeZone)
        const rules = [
          ['daily', 'day', policy.keepDaily],
          ['weekly', 'week', policy.keepWeekly],
          ['monthly', 'month', policy.keepMonthly],
          ['monthly', 'year', policy.keepYearly],
        ] as const
        for (const [tier, period, most] of rules) {
          const newest = new Map<string, string>()
          const good = all.filter(backup => backup.flaw === undefined && backup.tiers.includes(tier))
          for (const { id, createdAt } of good.toReversed()) {
            const label = calendar(createdAt)[period]
            if (!newest.has(label)) newest.set(label, id)
          }
          for (const id of [...newest.values()].slice(0, most)) expect(stay).toContain(id)
        }
      }),
    )
  })

  it('a second prune right after the first removes nothing more', () => {
    fc.assert(
      fc.property(history, anyPolicy, anyTime, (all, policy, time) => {
        const stay = idsKept(all, policy, time)
        const left = all.filter(({ id }) => stay.has(id))
        // Two series of failing deploys become one when the last backup between them goes, and lose their inner ends.
        fc.pre(new Set(all.map(({ level }) => level)).size < 2)
        expect(idsKept(left, policy, time)).toEqual(stay)
      }),
    )
  })

  it('a policy that keeps more keeps at least the same', () => {
    fc.assert(
      fc.property(history, anyPolicy, anyPolicy, anyTime, (all, one, other, time) => {
        fc.pre(Object.values(one).some(value => value > 0))
        const more = Object.fromEntries(
          Object.entries(one).map(([rule, most]) => [rule, Math.max(most, other[rule as keyof RetentionPolicy])]),
        ) as unknown as RetentionPolicy
        // A rule that counts all puts an end to keeping all that was made by hand.
        fc.pre(one.keepLast + one.keepWithin > 0 || more.keepLast + more.keepWithin === 0)
        const stay = idsKept(all, more, time)
        for (const id of idsKept(all, one, time)) expect(stay).toContain(id)
      }),
    )
  })
})
