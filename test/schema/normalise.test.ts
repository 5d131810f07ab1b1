import { describe, expect, it } from 'vitest'
import { fold } from '../../src/schema/model.ts'
import { normaliseDefault, normaliseText, rulesForBody } from '../../src/schema/normalise.ts'
import { significantTokens } from '../../src/schema/tokens.ts'

describe('normalised text', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['A  +\n-- c\n /* d */ B', 'a + b'],
    ['Lower( A ,"B" )IN(1,2)', 'lower(a, b) in(1, 2)'],
    ["'It''s  A'||X'0Ab'", "'It''s  A' || x'0ab'"],
    ['[a b] . `c` . "d""e"', '"a b".c."d""e"'],
    ['"NULL" IS NULL', '"null" is null'],
    ['(-1) - - 1', '(-1) - - 1'],
    ['-1', '-1'],
    ['f(a,-1)', 'f(a, -1)'],
    ['1E5 + 0XfF', '1e5 + 0xff'],
    ['count ( * )', 'count(*)'],
    ['a IN ( SELECT 1 ) ; b', 'a in(select 1); b'],
    [':Param', ':Param'],
    ['"ÄB"', 'Äb'],
  ]
  it.each(cases)('of %j is %j', (sql, normal) => {
    expect(normaliseText(sql)).toBe(normal)
  })

  it('is its own normalised text', () => {
    for (const [, normal] of cases) expect(normaliseText(normal)).toBe(normal)
  })

  it('takes double quotes that name nothing for a string', () => {
    const rules = { isName: (name: string) => name === 'status' }
    expect(normaliseText('"Status" IN ("Open", "it\'s", `Open`, [Open])', rules)).toBe(
      "status in('Open', 'it''s', open, open)",
    )
  })

  it('takes them for a name where only a name can stand', () => {
    const rules = { isName: () => false }
    expect(normaliseText('"T"."C" COLLATE "NoCase" || "Lower"(x)', rules)).toBe('t.c collate nocase || lower(x)')
  })
})

describe('in a view or a trigger', () => {
  const body = (sql: string, ...names: string[]) =>
    normaliseText(sql, rulesForBody(significantTokens(sql), new Set(names)))

  it('names come from the schema', () => {
    expect(body('SELECT "Name" FROM "Users" WHERE x = "Open"', 'name', 'users')).toBe(
      "select name from users where x = 'Open'",
    )
  })

  it('names come from aliases and from the words of the text', () => {
    expect(body('SELECT 1 AS "One", (2) "Two", x, "X" ORDER BY "One", "Two"')).toBe(
      'select 1 as one, (2) two, x, x order by one, two',
    )
  })
})

describe('a default', () => {
  const cases: [string | null, string | null][] = [
    [null, null],
    ['NULL', null],
    ['null', null],
    ['"NULL"', "'NULL'"],
    ['TRUE', '1'],
    ['False', '0'],
    ['"true"', "'true'"],
    ['pending', "'pending'"],
    ["[it's]", "'it''s'"],
    ['Current_Date', 'current_date'],
    ["'Current_Date'", "'Current_Date'"],
    ['0', '0'],
    ["'0'", "'0'"],
    ['- 1', '-1'],
    ["DateTime( 'now' )", "datetime('now')"],
  ]
  it.each(cases)('%j counts as %j', (sql, normal) => {
    expect(normaliseDefault(sql)).toBe(normal)
  })
})

it('folds the letters A to Z and no others, as SQLite does', () => {
  expect(['ABC_Z', 'ÄBÇ', 'İ', 'ΑΒ', ''].map(fold)).toEqual(['abc_z', 'ÄbÇ', 'İ', 'ΑΒ', ''])
})
