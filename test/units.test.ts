import { describe, expect, test } from 'vitest'
import { counted, formatBytes, formatDuration, parseDuration } from '../src/units.ts'

describe('a duration', () => {
  test.each([
    ['500ms', 500],
    ['90s', 90_000],
    ['15m', 900_000],
    ['48h', 172_800_000],
    ['7d', 604_800_000],
    ['1h30m', 5_400_000],
    ['0s', 0],
    ['1.5s', 1500],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  test.each(['', '5', 's', '-5s', '5 s', '5s!', '5w', 'PT5S', '1e3s', '5S'])('%j is none', text => {
    expect(() => parseDuration(text)).toThrow(`"${text}" is not a duration such as 90s, 15m or 48h`)
  })

  test.each([
    [0, '0 ms'],
    [12.4, '12 ms'],
    [999, '999 ms'],
    [999.7, '1.0 s'],
    [1000, '1.0 s'],
    [59_900, '59.9 s'],
    [60_000, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [11_400_000, '3 h 10 min'],
    [47 * 3_600_000, '47 h'],
    [12 * 86_400_000, '12 d'],
  ])('%d milliseconds are %s to a person', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })

  test('never has 60 seconds', () => {
    for (const ms of [59_960, 59_999, 119_600, 119_999, 3_599_999])
      expect(formatDuration(ms)).not.toMatch(/60(\.0)? (s|min)/)
  })
})

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1024 ** 2 - 1, '1.0 MiB'],
  [100 * 1024, '100 KiB'],
  [1024 ** 2, '1.0 MiB'],
  [2.5 * 1024 ** 3, '2.5 GiB'],
  [5 * 1024 ** 4, '5.0 TiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
])('%d bytes are %s to a person', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test('one is singular, nothing and all others are plural', () => {
  expect([0, 1, 2].map(number => counted(number, 'row'))).toEqual(['0 rows', '1 row', '2 rows'])
})
