/** When something is due by a cron expression and the clocks of a zone, above all where these are changed. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Timetable } from '../../src/schedule/timetable.ts'
import { Zone } from '../../src/schedule/zone.ts'

/** The next so many moments, as the clocks there show them and in UTC. */
function following(expression: string, zone: string, after: string, count: number): string[] {
  const timetable = new Timetable(expression, new Zone(zone))
  const moments: string[] = []
  for (let moment = new Date(after); moments.length < count; ) {
    moment = timetable.next(moment)
    moments.push(
      `${moment.toLocaleString('sv', { timeZone: zone }).slice(5, 16)} ${moment.toISOString().slice(11, 16)}Z`,
    )
  }
  return moments
}

describe('a daily time', () => {
  test.each([
    [
      'Europe/Berlin',
      '15 2 * * *',
      '2026-03-27T12:00Z',
      ['03-28 02:15 01:15Z', '03-29 03:15 01:15Z', '03-30 02:15 00:15Z'],
    ],
    [
      'America/New_York',
      '30 2 * * *',
      '2026-03-06T12:00Z',
      ['03-07 02:30 07:30Z', '03-08 03:30 07:30Z', '03-09 02:30 06:30Z'],
    ],
    [
      'Australia/Lord_Howe',
      '15 2 * * *',
      '2026-10-02T12:00Z',
      ['10-03 02:15 15:45Z', '10-04 02:45 15:45Z', '10-05 02:15 15:15Z'],
    ],
    [
      'America/Sao_Paulo',
      '10 0 * * *',
      '2018-11-02T12:00Z',
      ['11-03 00:10 03:10Z', '11-04 01:10 03:10Z', '11-05 00:10 02:10Z'],
    ],
    [
      'Asia/Beirut',
      '0 0 * * *',
      '2026-03-27T12:00Z',
      ['03-28 00:00 22:00Z', '03-29 01:00 22:00Z', '03-30 00:00 21:00Z'],
    ],
    // From 23:00 to midnight.
    [
      'America/Nuuk',
      '30 23 * * *',
      '2026-03-27T12:00Z',
      ['03-27 23:30 01:30Z', '03-28 22:59 00:59Z', '03-29 23:30 00:30Z'],
    ],
  ])('that clocks in %s leave out is due all the same that day', (zone, expression, after, expected) => {
    expect(following(expression, zone, after, 3)).toEqual(expected)
  })

  test.each([
    [
      'Europe/Berlin',
      '15 2 * * *',
      '2026-10-23T12:00Z',
      ['10-24 02:15 00:15Z', '10-25 02:15 00:15Z', '10-26 02:15 01:15Z'],
    ],
    [
      'America/New_York',
      '30 1 * * *',
      '2026-10-30T12:00Z',
      ['10-31 01:30 05:30Z', '11-01 01:30 05:30Z', '11-02 01:30 06:30Z'],
    ],
    [
      'Australia/Lord_Howe',
      '45 1 * * *',
      '2026-04-03T12:00Z',
      ['04-04 01:45 14:45Z', '04-05 01:45 14:45Z', '04-06 01:45 15:15Z'],
    ],
    [
      'America/Sao_Paulo',
      '10 23 * * *',
      '2018-02-16T12:00Z',
      ['02-16 23:10 01:10Z', '02-17 23:10 01:10Z', '02-18 23:10 02:10Z'],
    ],
  ])('that clocks in %s show twice is due once, the first time', (zone, expression, after, expected) => {
    expect(following(expression, zone, after, 3)).toEqual(expected)
  })

  test('is due once on each day around every change of the clocks, in any zone and at any minute', () => {
    const anyTime = fc.tuple(fc.constantFrom(...zones), fc.nat(1), fc.nat(23), fc.nat(59))
    fc.assert(
      fc.property(anyTime, ([name, which, hour, minute]) => {
        const zone = new Zone(name)
        const timetable = new Timetable(`${minute} ${hour} * * *`, zone)
        const change = changesOf(zone)[which] ?? Number.NaN
        let at = timetable.next(new Date(change - 2 * day))
        const first = Date.parse(zone.format(at).slice(0, 10))
        for (let count = 0; count < 5; count++, at = timetable.next(at))
          expect(zone.format(at).slice(0, 10)).toBe(new Date(first + count * day).toISOString().slice(0, 10))
      }),
      { numRuns: 40, examples: [[['America/Nuuk', 0, 23, 0]]] },
    )
  })
})

const day = 86_400_000

/** Clocks that are changed at 0, 1, 2, 3, 22 and 24 o'clock, by an hour and by half of one, in both halves of the year. */
const zones = [
  'Africa/Cairo',
  'America/Havana',
  'America/New_York',
  'America/Nuuk',
  'America/Santiago',
  'America/St_Johns',
  'Asia/Beirut',
  'Asia/Jerusalem',
  'Atlantic/Azores',
  'Australia/Adelaide',
  'Australia/Lord_Howe',
  'Europe/Athens',
  'Europe/Berlin',
  'Europe/London',
  'Pacific/Chatham',
]

/** The days of 2026 on which clocks are changed. */
function changesOf(zone: Zone): number[] {
  const offset = (moment: number) => zone.wallClockAt(new Date(moment)) - moment
  const days = Array.from({ length: 365 }, (_, number) => Date.UTC(2026, 0, number + 1))
  return days.filter(moment => offset(moment) !== offset(moment + day))
}

describe('every hour', () => {
  test('is every hour that passes, also the one that clocks show again', () => {
    expect(following('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30Z', 4)).toEqual([
      '10-25 02:00 00:00Z',
      '10-25 02:00 01:00Z',
      '10-25 03:00 02:00Z',
      '10-25 04:00 03:00Z',
    ])
    expect(following('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:15Z', 3)).toEqual([
      '03-29 01:30 00:30Z',
      '03-29 03:00 01:00Z',
      '03-29 03:30 01:30Z',
    ])
  })
})

test.each(['0 * * * *', '0 */1 * * *', '0 0-23 * * *'])(
  '%s is no more often where an hour is left out before midnight',
  expression => {
    expect(following(expression, 'America/Nuuk', '2026-03-28T23:30Z', 3)).toEqual([
      '03-28 22:00 00:00Z',
      '03-29 00:00 01:00Z',
      '03-29 01:00 02:00Z',
    ])
  },
)

describe('an expression', () => {
  test.each([
    ['0 5 * * 0', '2026-11-28T12:00Z', ['11-29 05:00 05:00Z', '12-06 05:00 05:00Z']],
    ['0 5 * * sun', '2026-11-28T12:00Z', ['11-29 05:00 05:00Z', '12-06 05:00 05:00Z']],
    ['0 5 1 * *', '2026-11-28T12:00Z', ['12-01 05:00 05:00Z', '01-01 05:00 05:00Z']],
    ['0 0,12 * * 1-5', '2026-11-27T12:00Z', ['11-30 00:00 00:00Z', '11-30 12:00 12:00Z']],
    ['@monthly', '2026-11-28T12:00Z', ['12-01 00:00 00:00Z', '01-01 00:00 00:00Z']],
    [' 5 4 29 2 * ', '2026-11-28T12:00Z', ['02-29 04:05 04:05Z']],
  ])('%s is understood', (expression, after, expected) => {
    expect(following(expression, 'UTC', after, expected.length)).toEqual(expected)
  })

  test.each([
    ['', 'five fields'],
    ['15 4 * *', 'five fields'],
    ['* * * * * *', 'five fields'],
    ['@often', 'five fields'],
    ['61 4 * * *', 'out of range'],
    ['0 4 * * funday', 'alias'],
    ['0 0 31 2 *', 'no day fits it'],
  ])('"%s" is refused, with what is wrong', (expression, why) => {
    expect(() => new Timetable(expression, new Zone('UTC'))).toThrow(
      new RegExp(`is not a cron expression such as .*${why}`),
    )
  })
})
