import { describe, expect, it } from 'vitest'
import {
  directiveNames,
  looksEffective,
  mergeDirectives,
  parseDirectivesFile,
  type RawDirectives,
  readDirective,
  settled,
} from '../../src/migrations/directives.ts'
import { distance, meantName } from '../../src/migrations/misspelt.ts'

function read(...comments: string[]): RawDirectives {
  const said: RawDirectives = {}
  for (const comment of comments) readDirective(said, comment)
  return said
}

describe('a directive in a comment', () => {
  const said: [string, RawDirectives][] = [
    ['description: what it does: all of it ', { description: 'what it does: all of it' }],
    ['depends: v001_a, v002-b.c', { dependencies: ['v001_a', 'v002-b.c'] }],
    ['transaction: off', { transaction: false }],
    ['foreign_keys: on', { foreignKeys: true }],
    ['allow-row-loss: old_logs, Other', { allowRowLoss: ['old_logs', 'Other'] }],
    ['compatible: true', { compatible: true }],
    ['Allow-Row-Loss :x', { allowRowLoss: ['x'] }],
    ['   TRANSACTION:FALSE', { transaction: false }],
    ['compatible: no', { compatible: false }],
    ['allow-row-loss: "a, ""b""", c', { allowRowLoss: ['a, "b"', 'c'] }],
  ]
  it.each(said)('%j says %j', (comment, directives) => {
    expect(read(comment)).toEqual(directives)
  })

  it('adds to a list, and may be said twice in the same way', () => {
    expect(read('depends: a', 'depends: b', 'transaction: off', 'transaction: no')).toEqual({
      dependencies: ['a', 'b'],
      transaction: false,
    })
  })

  it.each(['transaction: maybe', 'transaction:', 'compatible: 1', 'foreign_keys: yes please'])(
    '%j is refused, since it takes on or off',
    comment => {
      expect(() => read(comment)).toThrow('takes on or off')
    },
  )

  it.each(['depends:', 'allow-row-loss: ,'])('%j is refused, since it names nothing', comment => {
    expect(() => read(comment)).toThrow('names nothing')
  })

  it('that contradicts another one is refused', () => {
    expect(() => read('transaction: off', 'transaction: on')).toThrow('said twice')
  })
})

describe('a misspelt directive', () => {
  const misspelt: [string, string][] = [
    ['allow-row-los: x', 'allow-row-loss'],
    ['allow_row_loss: x', 'allow-row-loss'],
    ['allow row loss: x', 'allow-row-loss'],
    ['alow-row-los: x', 'allow-row-loss'],
    ['allow-data-loss: x', 'allow-row-loss'],
    ['foreign-keys: on', 'foreign_keys'],
    ['foreignkeys: on', 'foreign_keys'],
    ['foreign_key: on', 'foreign_keys'],
    ['Transactoin: off', 'transaction'],
    ['no-transaction: true', 'transaction'],
    ['transaction = off', 'transaction'],
    ['depends-on: a', 'depends'],
    ['dependencies: a', 'depends'],
    ['depend: a', 'depends'],
    ['compatable: true', 'compatible'],
    ['desciption: x', 'description'],
  ]
  it.each(misspelt)('such as %j is refused and %j suggested', (comment, meant) => {
    expect(() => read(comment)).toThrow(`write "${meant}: ..."`)
  })

  it.each([
    'Note: the table is small',
    'transition: from old to new',
    'describes: nothing',
    'author: somebody',
    'see https://example.org',
    'incompatible: with nothing',
    'this depends on the order of rows: it must not change',
    'a = b',
    'x: y',
    'allow-row-loss is what this file needs not',
    '',
  ])('is not to be seen in %j', comment => {
    expect(read(comment)).toEqual({})
  })
})

describe('how far two words are apart', () => {
  const pairs: [string, string, number][] = [
    ['', 'abc', 3],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['abc', 'xabc', 1],
    ['abc', 'ac', 1],
    ['kitten', 'sitting', 3],
  ]
  it.each(pairs)('%j and %j: %i', (a, b, far) => {
    expect(distance(a, b)).toBe(far)
    expect(distance(b, a)).toBe(far)
  })

  it('every name is meant by itself', () => {
    for (const name of directiveNames) expect(meantName(name, directiveNames)).toBe(name)
  })
})

it.each([
  ['allow-row-loss: x', true],
  [' transaction: off', true],
  ['foreign_keys: on', true],
  ['transaction: of money', false],
  ['description: a column', false],
  ['depends: on what', false],
  ['nothing', false],
])('that %j changes how a migration runs is %j', (comment, effective) => {
  expect(looksEffective(comment)).toBe(effective)
})

describe('lockkeeper.json', () => {
  it('says the same by version, in lists and with true and false', () => {
    const content = JSON.stringify({
      $schema: 'https://example.org/schema.json',
      $unmarked: 'up',
      v1: { 'allow-row-loss': ['a, b', 'c'], transaction: false, description: 'x' },
      v2: { depends: 'v1, v0', foreign_keys: 'on', compatible: true },
    })
    const { directives, unmarkedIsUp } = parseDirectivesFile(content)
    expect(unmarkedIsUp).toBe(true)
    expect([...directives]).toEqual([
      ['v1', { allowRowLoss: ['a, b', 'c'], transaction: false, description: 'x' }],
      ['v2', { dependencies: ['v1', 'v0'], foreignKeys: true, compatible: true }],
    ])
  })

  const wrong: [string, string][] = [
    ['{', 'JSON'],
    ['[]', 'not an object'],
    ['{"$unmarked": true}', '"$unmarked" takes "up"'],
    ['{"v1": true}', '"v1" is not an object'],
    ['{"v1": {"allow_row_loss": []}}', 'did you mean "allow-row-loss"?'],
    ['{"v1": {"colour": "red"}}', 'known: description, depends'],
    ['{"v1": {"transaction": "of"}}', '"v1": "transaction: of" takes on or off'],
    ['{"v1": {"transaction": ["on"]}}', 'takes on or off'],
    ['{"v1": {"depends": true}}', 'takes names'],
    ['{"v1": {"depends": []}}', 'names nothing'],
    ['{"v1": {"depends": [1]}}', 'takes a text, a list of texts'],
    ['{"v1": {"description": null}}', 'takes a text, a list of texts'],
    ['{"v1": {"description": true}}', '"description" takes a text'],
  ]
  it.each(wrong)('%s is refused', (content, why) => {
    expect(() => parseDirectivesFile(content)).toThrow(why)
  })
})

it('what is said in two places adds up: of lists all, otherwise the later word', () => {
  const merged = mergeDirectives(
    { dependencies: ['a'], allowRowLoss: ['x'], transaction: true, description: 'file' },
    { dependencies: ['a', 'b'], transaction: false },
  )
  expect(merged).toEqual({ dependencies: ['a', 'b'], allowRowLoss: ['x'], transaction: false, description: 'file' })
  expect(settled(merged)).toMatchObject({
    transaction: false,
    foreignKeys: false,
    allowRowLoss: ['x'],
    compatible: false,
  })
})

it('without a word: in a transaction, without foreign keys, without loss, not compatible', () => {
  expect(settled({})).toEqual({
    transaction: true,
    foreignKeys: false,
    allowRowLoss: [],
    compatible: false,
    doubleQuotedStrings: false,
  })
})
