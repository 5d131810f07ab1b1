import { describe, expect, it } from 'vitest'
import { calendarOf } from '../../src/backup/periods.ts'

const at = (timeZone: string, moment: string) => calendarOf(timeZone)(Date.parse(moment))

describe('a calendar', () => {
  it('shows day, week, month and year of a moment', () => {
    expect(at('UTC', '2026-11-23T11:40:00Z')).toEqual({
      day: '2026-11-23',
      week: '2026-W48',
      month: '2026-11',
      year: '2026',
    })
  })

  it('is that of the time zone', () => {
    expect(at('America/New_York', '2026-03-01T04:59:59Z')).toMatchObject({ day: '2026-02-28', month: '2026-02' })
    expect(at('America/New_York', '2026-03-01T05:00:00Z')).toMatchObject({ day: '2026-03-01', month: '2026-03' })
    expect(at('Pacific/Kiritimati', '2025-12-31T10:00:00Z')).toMatchObject({ day: '2026-01-01', year: '2026' })
  })

  it.each([
    // From ISO 8601's own cases: the week belongs to the year of its Thursday.
    ['2005-01-01', '2004-W53'],
    ['2005-01-02', '2004-W53'],
    ['2005-12-31', '2005-W52'],
    ['2007-01-01', '2007-W01'],
    ['2007-12-30', '2007-W52'],
    ['2007-12-31', '2008-W01'],
    ['2008-12-29', '2009-W01'],
    ['2010-01-03', '2009-W53'],
  ])('has %s in week %s', (date, week) => {
    expect(at('UTC', `${date}T12:00:00Z`).week).toBe(week)
  })

  it.each([
    ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['Europe/Berlin', '2026-10-25', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
    // There midnight itself is skipped or comes twice.
    ['America/Santiago', '2026-09-06', '2026-09-06T04:00:00Z', '2026-09-07T03:00:00Z'],
    ['Australia/Lord_Howe', '2026-10-04', '2026-10-03T13:30:00Z', '2026-10-04T13:00:00Z'],
  ])('in %s has %s from its first second to its last, whatever the clocks do', (zone, date, first, next) => {
    expect(at(zone, first).day).toBe(date)
    expect(calendarOf(zone)(Date.parse(first) - 1).day).not.toBe(date)
    expect(calendarOf(zone)(Date.parse(next) - 1).day).toBe(date)
    expect(at(zone, next).day).not.toBe(date)
  })

  it('takes any moment that a manifest can name', () => {
    expect(at('UTC', '1970-01-01T00:00:00Z').day).toBe('1970-01-01')
    expect(at('Europe/Berlin', '0001-06-15T00:00:00Z').day).toMatch(/^\d+-06-1\d$/)
    expect(at('UTC', '9999-12-31T23:59:59Z')).toMatchObject({ day: '9999-12-31', week: '9999-W52' })
  })
})
