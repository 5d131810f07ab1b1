import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSqlMigration } from '../../../src/migrations/formats/house.ts'
import { sectionsOf } from '../../../src/migrations/formats/markers.ts'
import type { Migration } from '../../../src/migrations/model.ts'
import { tokenize } from '../../../src/schema/tokens.ts'
import { assembledScript } from '../scripts.ts'

const parse = (text: string): Migration => parseSqlMigration('v1', 'v1.sql', text)
const scripts = (text: string) => {
  const { up, down } = parse(text)
  return [up, down].map(script => (script?.kind === 'sql' ? script.sql : undefined))
}

describe('an SQL migration', () => {
  it('has an up, a down, a description, dependencies and directives', () => {
    const migration = parse(
      '-- description: users\n-- depends: v0\n-- allow-row-loss: t\n\n-- migrate:up\nSELECT 1;\n\n-- migrate:down\nSELECT 2;\n',
    )
    expect(migration).toMatchObject({
      version: 'v1',
      description: 'users',
      dependencies: ['v0'],
      file: 'v1.sql',
      up: { kind: 'sql', sql: '-- migrate:up\nSELECT 1;\n\n', line: 5 },
      down: { kind: 'sql', sql: '-- migrate:down\nSELECT 2;\n', line: 8 },
      directives: { transaction: true, foreignKeys: false, allowRowLoss: ['t'], compatible: false },
    })
  })

  it('may have no down, and no statements at all', () => {
    expect(parse('-- migrate:up')).toMatchObject({ description: '', dependencies: [], down: undefined })
    expect(parse('-- migrate:up\n-- migrate:down').down).toMatchObject({ sql: '-- migrate:down', line: 2 })
  })

  it('takes directives before and behind the marker, in comments of one line and of several', () => {
    const text =
      '/* A note.\n * depends: a, b\n */\n-- migrate:up\n-- transaction: off\n/* compatible: true */\nSELECT 1;'
    expect(parse(text)).toMatchObject({
      dependencies: ['a', 'b'],
      directives: { transaction: false, compatible: true },
    })
  })

  it('names what is wrong with a directive', () => {
    expect(() => parse('-- allow-row-los: t\n-- migrate:up\n')).toThrow('write "allow-row-loss: ..."')
  })

  it.each([
    'SELECT 1;\n-- allow-row-loss: t\nDELETE FROM t;',
    'SELECT 1;\n-- migrate:down\n-- transaction: off\nVACUUM;',
  ])('refuses a directive that comes too late to be heard: %j', rest => {
    expect(() => parse(`-- migrate:up\n${rest}`)).toThrow('has to stand before the first statement')
  })

  it('leaves comments inside and between its statements alone', () => {
    const body = [
      'CREATE TABLE t (',
      '  -- description: what it is',
      '  -- transaction: on which day',
      '  a TEXT -- compatible: yes',
      ');',
      '-- depends: on nothing',
      'SELECT 1; -- allow-row-loss: behind a statement',
    ].join('\n')
    expect(parse(`-- migrate:up\n${body}`).directives.allowRowLoss).toEqual([])
  })
})

describe('a marker', () => {
  it.each(['-- migrate:up', '--migrate:up', '  --  MIGRATE:Up  ', '\t-- migrate:up'])('is read from %j', marker => {
    expect(scripts(`${marker}\nSELECT 1;\n${marker.replace(/up/i, 'down')}\nSELECT 2;`)).toEqual([
      expect.stringContaining('SELECT 1;'),
      expect.stringContaining('SELECT 2;'),
    ])
  })

  it.each([
    '-- migrate: down',
    '-- migrate down',
    '-- migrate:dwon',
    '-- migrate:downwards',
    '-- migrate=down',
    '--- migrate:down',
    '-- migration:down',
    'SELECT 1; -- migrate:down',
  ])('that is only nearly one is refused, since the down would run as part of the up: %j', line => {
    expect(() => parse(`-- migrate:up\nCREATE TABLE t(a);\n${line}\nDROP TABLE t;`)).toThrow(
      'line 3 is nearly a marker',
    )
  })

  it('is not found in strings, in quoted names and in comments of several lines', () => {
    const up = `INSERT INTO t VALUES ('it''s\n-- migrate:down\n'), ("a\n-- migrate:up\n");
      /* \n-- migrate:down\n*/ SELECT \`\n-- migrate:up\n\`, [\n-- migrate:down\n];\n`
    expect(scripts(`-- migrate:up\n${up}-- migrate:down\nSELECT 3;`)).toEqual([
      `-- migrate:up\n${up}`,
      '-- migrate:down\nSELECT 3;',
    ])
  })

  it('is not found in prose', () => {
    expect(parse('-- migrate the users to the new table\n-- migrate:up\nSELECT 1;').up).toMatchObject({ line: 2 })
  })

  const wrong: [string, string][] = [
    ['', 'no line "-- migrate:up"'],
    ['CREATE TABLE t(a);', 'no line "-- migrate:up"'],
    ['-- migrate:down\n', 'no line "-- migrate:up"'],
    ['-- migrate:up\n-- migrate:up\n', 'more than one'],
    ['-- migrate:up\n-- migrate:down\n-- migrate:down\n', 'more than one'],
    ['-- migrate:up\n-- migrate:down\n-- migrate:up\n', 'more than one'],
    ['-- migrate:down\n-- migrate:up\n', 'comes before'],
    ['-- a\n  CREATE TABLE t(a); -- b\n-- migrate:up\n', 'line 2 has a statement before "-- migrate:up"'],
    ["'\n'\n-- migrate:up\n", 'line 1 has a statement before'],
  ]
  it.each(wrong)('is missed or out of place in %j', (text, why) => {
    expect(() => parse(text)).toThrow(why)
  })
})

describe("dbmate's options", () => {
  it.each(['transaction:false', ' transaction: false ', 'Transaction:FALSE'])(
    '%j behind the marker means off',
    option => {
      expect(parse(`-- migrate:up ${option}\nVACUUM;\n-- migrate:down\n`).directives.transaction).toBe(false)
    },
  )

  it('hold for both directions', () => {
    expect(parse('-- migrate:up transaction:false\n-- migrate:down transaction:false').directives.transaction).toBe(
      false,
    )
    expect(() => parse('-- migrate:up\n-- migrate:down transaction:false')).toThrow('only its down')
  })

  it('that nobody knows are refused', () => {
    expect(() => parse('-- migrate:up transactoin:false')).toThrow('takes transaction:false, not "transactoin:"')
    expect(() => parse('-- migrate:up transaction:later')).toThrow('takes on or off')
  })

  it('must not contradict a directive', () => {
    expect(() => parse('-- transaction: on\n-- migrate:up transaction:false')).toThrow('said twice')
  })
})

it('any script can stand between the markers, and comes out as it was', () => {
  fc.assert(
    fc.property(assembledScript, assembledScript, (up, down) => {
      const text = `-- migrate:up\n${up.script};\n-- migrate:down\n${down.script}`
      // A comment of several lines that is not closed would hide the second marker from SQLite, too.
      const { up: first, down: second } = sectionsOf(text)
      expect(text.slice(first.start, first.end)).toBe(`-- migrate:up\n${up.script};\n`)
      expect(second && text.slice(second.start)).toBe(`-- migrate:down\n${down.script}`)
    }),
    { numRuns: 1_000 },
  )
})

it("what it takes for a comment before the first statement is what SQLite's tokenizer takes for one", () => {
  const piece = fc.constantFrom('-- a\n', '/* b\n*/', ' ', '\n', '--c\r\n', '/*d*/', '\t', '/* -- e */', '-- /* f\n')
  fc.assert(
    fc.property(fc.array(piece), pieces => {
      const header = pieces.join('')
      const expected = [...tokenize(header)].filter(({ kind }) => kind === 'comment')
      const { comments } = sectionsOf(`${header}\n-- migrate:up\n`)
      expect(comments.join('\n').match(/[a-f]/g) ?? []).toEqual(
        expected.flatMap(({ text }) => text.match(/[a-f]/g) ?? []),
      )
    }),
    { numRuns: 500 },
  )
})
