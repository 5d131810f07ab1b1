/**
 * Two days of `schedule`, the program that ships, over a change of the clocks, with kills in the middle of backups and
 * between them and with downtimes: what is due is made, once, and nothing else.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBackupId } from '../../src/backup/format.ts'
import { shop } from '../support/shop.ts'
import type { Workplace } from '../support/workplace.ts'

const preload = fileURLToPath(new URL('simulated-time.ts', import.meta.url))
const minute = 60_000
const hour = 60 * minute

interface TwoDays {
  readonly zone: string
  readonly from: string
  /** When these are due within the next 48 hours; both also at the start, as there never was one. */
  readonly daily: readonly [cron: string, ...due: string[]]
  readonly weekly: readonly [cron: string, ...due: string[]]
}

const forward: TwoDays = {
  zone: 'Europe/Berlin',
  from: '2026-03-28T00:00Z',
  // 02:15 is left out on the 29th.
  daily: ['15 2 * * *', '03-28T01:15', '03-29T01:15'],
  // At 3, 7, 11 and so on, and at 7 earlier by the sun from the 29th on.
  weekly: [
    '0 3-23/4 * * *',
    ...['03-28T02:00', '03-28T06:00', '03-28T10:00', '03-28T14:00', '03-28T18:00', '03-28T22:00'],
    ...['03-29T01:00', '03-29T05:00', '03-29T09:00', '03-29T13:00', '03-29T17:00', '03-29T21:00'],
  ],
}

const back: TwoDays = {
  zone: 'Europe/Berlin',
  from: '2026-10-24T12:00Z',
  // 02:15 comes twice on the 25th.
  daily: ['15 2 * * *', '10-25T00:15', '10-26T01:15'],
  weekly: [
    '0 2-22/4 * * *',
    ...['10-24T16:00', '10-24T20:00', '10-25T00:00', '10-25T05:00', '10-25T09:00', '10-25T13:00'],
    ...['10-25T17:00', '10-25T21:00', '10-26T01:00', '10-26T05:00', '10-26T09:00'],
  ],
}

const midnight: TwoDays = {
  zone: 'America/Sao_Paulo',
  from: '2018-11-03T12:00Z',
  // 00:10 is left out on the 4th.
  daily: ['10 0 * * *', '11-04T03:10', '11-05T02:10'],
  weekly: [
    '30 */6 * * *',
    '11-03T15:30',
    '11-03T21:30',
    '11-04T03:30',
    '11-04T08:30',
    '11-04T14:30',
    '11-04T20:30',
    '11-05T02:30',
    '11-05T08:30',
  ],
}

const halfHour: TwoDays = {
  zone: 'Australia/Lord_Howe',
  from: '2026-04-03T20:00Z',
  // 01:45 comes twice on the 5th, half an hour apart.
  daily: ['45 1 * * *', '04-04T14:45', '04-05T15:15'],
  weekly: ['0 */8 * * *', '04-03T21:00', '04-04T05:00', '04-04T13:00', '04-04T21:30', '04-05T05:30', '04-05T13:30'],
}

/** How a life ends: at a time of the clock, or so many milliseconds after a backup has begun to be stored. */
type End = { readonly after: number } | { readonly inBackup: number }

const lives = fc.array(
  fc.record({
    end: fc.oneof(
      fc.record({ after: fc.integer({ min: 0, max: 9 * hour }) }),
      fc.record({ inBackup: fc.integer({ min: 0, max: 120 }) }),
    ),
    downtime: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 * hour })),
  }),
  { minLength: 4, maxLength: 8 },
)

const every = process.env['TEST_EVERY_POINT'] !== undefined
const scenarios = every ? [forward, back, midnight, halfHour] : [forward, back]

test.each(scenarios)(
  'over a change of the clocks in $zone, from $from, with kills and downtimes, what is due is made once',
  async scenario => {
    for (const seed of every ? [1, 2, 3] : [1]) {
      const [ends = []] = fc.sample(lives, { seed, numRuns: 1 })
      const place = await shop({ mode: 'wal' })
      const downtimes = await live(place, scenario, ends)
      expect(downtimes.length).toBeGreaterThanOrEqual(3)
      for (const tier of ['daily', 'weekly'] as const) {
        const year = scenario.from.slice(0, 5)
        const [, ...due] = scenario[tier]
        const expected = [scenario.from, ...due.map(time => `${year}${time}Z`)].map(time => Date.parse(time))
        const made = madeOf(place, tier)
        expect(
          made.map(time => latest(expected, time)),
          `${tier} ${seed}: ${made.map(iso).join(' ')}`,
        ).toEqual(expected)
        // Late only where it was down, or killed while it was at it.
        for (const [index, time] of made.entries()) {
          const on = expected[index] ?? 0
          const excuse = downtimes.findLast(({ from, until }) => until >= on && from <= time)
          expect(time - (excuse?.until ?? on)).toBeLessThan(5 * minute)
        }
      }
    }
  },
  every ? 20 * minute : 6 * minute,
)

/** Lives through the two days; each life but the last ends by SIGKILL. @returns when nobody was there */
async function live(
  place: Workplace,
  { daily, from, weekly, zone }: TwoDays,
  lives: readonly { end: End; downtime: number }[],
) {
  const clock = join(place.folder, 'clock')
  const until = Date.parse(from) + 48 * hour
  const downtimes: { from: number; until: number }[] = []
  let now = Date.parse(from)
  const rest = [...lives]
  while (now < until) {
    const life = rest.shift()
    const kill = life !== undefined && 'after' in life.end ? iso(now + life.end.after) : undefined
    writeFileSync(clock, iso(now))
    Object.assign(place.env, {
      NODE_OPTIONS: `--import ${preload}`,
      SIMULATED_CLOCK: clock,
      SIMULATED_FROM: iso(now),
      SIMULATED_UNTIL: iso(until),
      SIMULATED_KILL: kill,
    })
    const times = [
      '--daily-at',
      daily[0],
      '--weekly-at',
      weekly[0],
      '--monthly-at',
      'off',
      '--prune-at',
      'off',
      '--verify-at',
      'off',
    ]
    const running = place.start(['schedule', '--time-zone', zone, ...times])
    if (life !== undefined && 'inBackup' in life.end) {
      await running.shows('"step":"look"')
      await new Promise(resolve => setTimeout(resolve, (life.end as { inBackup: number }).inBackup))
      running.process.kill('SIGKILL')
    }
    const ran = await running.done
    const ended = Date.parse(readFileSync(clock, 'utf8'))
    if (ran.exit === 143) return downtimes
    expect(ran.signal, ran.output).toBe('SIGKILL')
    now = ended + (life?.downtime ?? 0)
    downtimes.push({ from: ended, until: now })
  }
  return downtimes
}

function madeOf(place: Workplace, tier: 'daily' | 'weekly'): number[] {
  return place.backups().flatMap(id => {
    const name = parseBackupId(id)
    return name?.tiers.includes(tier) ? [name.time.getTime()] : []
  })
}

function latest(due: readonly number[], time: number): number | undefined {
  return due.findLast(moment => moment <= time)
}

const iso = (time: number) => new Date(time).toISOString()
