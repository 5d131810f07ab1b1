import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonCell, readJson } from '../../src/fossawork/json.ts'

const read = (text: string) => readJson(Buffer.from(text))

test('whatever JSON it is, it is read as it is, also behind a byte order mark', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const text = JSON.stringify(value, null, 1)
      expect(read(`\ufeff${text}`)).toEqual({ value: JSON.parse(text) })
    }),
  )
})

test.each([
  ['{"a": 1, "b": {"a": 2}, "a": 3}', /the key "a" twice/],
  ['[{"x": "\\"{"}, {"a\\u0062": 1, "ab": 2}]', /the key "ab" twice/],
  ['{"n": 12345678901234567890}', /too large/],
  ['[1e999]', /too large/],
  ['[-9007199254740993]', /too large/],
  ['', /is not JSON/],
  ['{"a": 1,}', /is not JSON/],
])('%s is refused, for something would be lost', (text, wrong) => {
  expect(read(text)).toEqual({ wrong: expect.stringMatching(wrong) })
})

test.each(['9007199254740992', '1e300', '0.1', '-0.5e-7', '{"html": "12345678901234567891"}'])(
  '%s is exact enough',
  text => {
    expect(read(text)).toEqual({ value: JSON.parse(text) })
  },
)

test('a mistake is told by its place, without what stands there', () => {
  expect(read('{\n  "password": "top-secret",\n}')).toEqual({ wrong: 'is not JSON at line 3, column 1' })
  for (const text of ['top-secret', '{"password": top-secret}', '{"password": "top-secret'])
    expect(JSON.stringify(read(text))).not.toContain('top')
})

test('what is not UTF-8 is refused', () => {
  expect(readJson(Buffer.from([0x22, 0xff, 0x22]))).toEqual({ wrong: 'is not UTF-8' })
})

test('a column of type JSON never gets what SQLite would make a number of', () => {
  expect([5, '5', true, null, undefined, [], { a: 1 }].map(jsonCell)).toEqual([
    '{"value":5}',
    '{"value":"5"}',
    '{"value":true}',
    null,
    null,
    '[]',
    '{"a":1}',
  ])
})
