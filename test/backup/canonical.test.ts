import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical, type Json, jsonBytes } from '../../src/backup/canonical.ts'

describe('canonical JSON', () => {
  it('sorts keys at every depth and has no white space', () => {
    const value = { b: [{ z: 1, a: [] }, null, true], a: { '10': 'x', '9': 'y' }, '': -0 }
    expect(canonical(value)).toBe('{"":0,"a":{"10":"x","9":"y"},"b":[{"a":[],"z":1},null,true]}')
  })

  it('is what RFC 8785 gives as its example', () => {
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '€$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(canonical(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('orders keys by UTF-16, as RFC 8785 wants', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 }
    expect([...canonical(value).matchAll(/:(\d)/g)].map(match => match[1]).join('')).toBe('2467153')
  })

  it('reads back as the same value, and is the same for every order of the keys', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), json => {
        const text = canonical(json as Json)
        expect(canonical(JSON.parse(text))).toBe(text)
        expect(canonical(reversed(json as Json))).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(json)))
      }),
    )
  })

  it('is what jq -jcS makes of it', () => {
    const value = { b: 'Größe "x" \\ / \n', a: [1, 2.5, { d: null, c: false }], ID: 9007199254740991, 'a b': '日本' }
    expect(execFileSync('jq', ['-jcS', '.'], { input: JSON.stringify(value), encoding: 'utf8' })).toBe(canonical(value))
  })

  it('leaves out what is undefined and keeps a key called __proto__', () => {
    expect(canonical({ a: undefined, b: 1 })).toBe('{"b":1}')
    expect(canonical(JSON.parse('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}')
  })

  it('refuses numbers that JSON does not have, and absurd depth', () => {
    expect(() => canonical([Number.NaN])).toThrow(RangeError)
    expect(() => canonical({ a: Number.POSITIVE_INFINITY })).toThrow(RangeError)
    expect(() => canonical(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))).toThrow('levels deep')
  })

  it('ends with a line feed as an object', () => {
    expect(Buffer.from(jsonBytes({ a: 1 })).toString()).toBe('{"a":1}\n')
  })
})

function reversed(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, reversed(field ?? null)]),
  )
}
