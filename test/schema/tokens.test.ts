import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nameOf, Scanner, significantTokens, type TokenKind, tokenize } from '../../src/schema/tokens.ts'

const kinds = (sql: string) => [...tokenize(sql)].map(({ kind, text }) => [kind, text])

describe('one token', () => {
  const single: [string, TokenKind][] = [
    ['select', 'word'],
    ['a$1', 'word'],
    ['_x', 'word'],
    ['naïve', 'word'],
    ['名前', 'word'],
    ['a\uFEFFb', 'word'],
    ['x', 'word'],
    ['"a ""b"" ; c"', 'quoted'],
    ['`a``;`', 'quoted'],
    ['[a ; "b]', 'quoted'],
    ['""', 'quoted'],
    ["'it''s; -- /*'", 'string'],
    ["''", 'string'],
    ["x'00fF'", 'blob'],
    ["X''", 'blob'],
    ['1', 'number'],
    ['1.', 'number'],
    ['.5', 'number'],
    ['1.5e-10', 'number'],
    ['1E5', 'number'],
    ['0xFFa', 'number'],
    ['1_000', 'number'],
    ['0x1_f', 'number'],
    ['?', 'variable'],
    ['?12', 'variable'],
    [':name', 'variable'],
    ['@name', 'variable'],
    ['#1', 'variable'],
    ['$a::b(c;d)', 'variable'],
    ['->', 'operator'],
    ['->>', 'operator'],
    ['||', 'operator'],
    ['<>', 'operator'],
    ['==', 'operator'],
    [' \t\r\n\f\v ', 'space'],
    ['\uFEFF', 'space'],
    ['-- to the end ; of the line', 'comment'],
    ['/* over\n lines ; */', 'comment'],
    ['/**/', 'comment'],
    ['/*/ one star is not two */', 'comment'],
    ['/* never closed ; ', 'comment'],
    ["'never closed ;", 'illegal'],
    ["'closed only by two quotes ''", 'illegal'],
    ['"never closed', 'illegal'],
    ['[never closed', 'illegal'],
    ["x'abc'", 'illegal'],
    ["x'zz'", 'illegal'],
    ['12abc', 'illegal'],
    ['0x', 'illegal'],
    ['\v', 'illegal'],
    ['!', 'illegal'],
    ['\\', 'illegal'],
    ['$', 'illegal'],
    ['$a(b', 'illegal'],
    ['\0', 'illegal'],
  ]
  it.each(single)('%j is a %s', (sql, kind) => {
    expect(kinds(sql)).toEqual([[kind, sql]])
  })
})

describe('several tokens', () => {
  it('end a line comment before the line feed, and leave the carriage return in it', () => {
    expect(kinds('-- a\r\n;')).toEqual([
      ['comment', '-- a\r'],
      ['space', '\n'],
      ['operator', ';'],
    ])
  })

  it('are a division and a star where a comment would begin at the very end', () => {
    expect(kinds('1/*')).toEqual([
      ['number', '1'],
      ['operator', '/'],
      ['operator', '*'],
    ])
  })

  it('carry their offsets', () => {
    const tokens = [...tokenize('é = "x"')]
    expect(tokens.map(token => token.start)).toEqual([0, 1, 2, 3, 4])
  })

  it('can be had without spaces and comments', () => {
    expect(significantTokens(' a /* b */ + -- c\n d ').map(token => token.text)).toEqual(['a', '+', 'd'])
  })

  it('are walked without making them', () => {
    const scanner = new Scanner("a 'b'")
    expect([scanner.next(), scanner.kind, scanner.next(), scanner.next(), scanner.text, scanner.next()]).toEqual([
      true,
      'word',
      true,
      true,
      "'b'",
      false,
    ])
  })
})

it('takes a name out of each sort of quotes', () => {
  expect(['a', '"a""b"', '`a``b`', '[a"b]', "'it''s'"].map(nameOf)).toEqual(['a', 'a"b', 'a`b', 'a"b', "it's"])
})

/** Fragments that stand together in nasty ways. */
const fragments = [
  ...`' " \` [ ] ; ( ) -- /* */ / * - > < = ! | & ~ % , . + : :: @ # $ ? \\ { } ^`.split(' '),
  ...[' ', '\n', '\r\n', '\t', '\v', '\f', '\uFEFF', 'é', '名', '😀'],
  ...`a x X b' x' 1 0x 12 1.5 e e+ E-1 _ 0 begin END case trigger create explain temp "q" 'it''s' [b] --c`.split(' '),
]
const nasty = fc.array(fc.constantFrom(...fragments), { maxLength: 14 }).map(parts => parts.join(''))

it('covers any text without a gap', () => {
  fc.assert(
    fc.property(nasty, sql => {
      let end = 0
      for (const { start, text } of tokenize(sql)) {
        expect(start).toBe(end)
        expect(text.length).toBeGreaterThan(0)
        end += text.length
      }
      expect(end).toBe(sql.length)
    }),
    { numRuns: 2_000 },
  )
})

describe('SQLite itself', () => {
  let db: DatabaseSync
  beforeAll(() => {
    db = new DatabaseSync(':memory:')
  })
  afterAll(() => db.close())

  /** After this only the end or a `;` is allowed, so that SQLite names whatever token comes next, as it sees it. */
  function nextTokenBySqlite(sql: string): { text: string; illegal: boolean } | undefined {
    try {
      db.prepare(`COMMIT TRANSACTION [a]${sql}`)
      return undefined
    } catch (error) {
      const message = (error as Error).message
      const near = /^near "(.*)": syntax error$/s.exec(message) ?? /^unrecognized token: "(.*)"$/s.exec(message)
      if (near === null) throw new Error(`SQLite said something else of ${JSON.stringify(sql)}: ${message}`)
      return { text: near[1]!, illegal: message.startsWith('unrecognized') }
    }
  }

  it('finds the same tokens in any text', () => {
    fc.assert(
      fc.property(nasty, sql => {
        const tokens = significantTokens(sql)
        for (const [at, { kind, text, start }] of tokens.entries()) {
          // A `;` ends what is prepared, and needs no other witness.
          if (text === ';' || tokens[at - 1]?.text === ';') continue
          expect(nextTokenBySqlite(sql.slice(start))).toEqual({ text, illegal: kind === 'illegal' })
        }
        if (tokens.length === 0) expect(nextTokenBySqlite(sql)).toBeUndefined()
      }),
      { numRuns: 3_000 },
    )
  })
})

it('takes time in proportion to the length, whatever the text', () => {
  const texts = ["INSERT INTO t VALUES(1,'x');", "''", '/*', '"', '-- ', '$a(', "x'", ';', '[', '1e+', '--\n']
  for (const text of texts) {
    const scanner = new Scanner(text.repeat(1_000_000 / text.length))
    const before = performance.now()
    let count = 0
    while (scanner.next()) count++
    expect(count).toBeGreaterThan(0)
    // A quadratic scanner needs minutes for a megabyte; the machine may be busy.
    expect(performance.now() - before).toBeLessThan(5_000)
  }
})
