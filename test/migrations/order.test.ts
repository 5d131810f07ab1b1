import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultDirectives, type Migration } from '../../src/migrations/model.ts'
import { compareVersions, orderMigrations } from '../../src/migrations/order.ts'

const migration = (version: string, ...dependencies: string[]): Migration => ({
  version,
  dependencies,
  description: '',
  file: `${version}.sql`,
  checksum: '',
  up: { kind: 'sql', sql: '', line: 1 },
  down: undefined,
  directives: defaultDirectives,
  lintIgnore: [],
})
const order = (...migrations: Migration[]) => orderMigrations(migrations).migrations.map(({ version }) => version)
const problems = (...migrations: Migration[]) => orderMigrations(migrations).problems

describe('versions', () => {
  it.each([
    [
      ['20260201000000_b', '2026-03-01-000000_c', '2026-01-01-000000_a', '00000000000000_setup'],
      ['00000000000000_setup', '2026-01-01-000000_a', '20260201000000_b', '2026-03-01-000000_c'],
    ],
    [
      ['v2', 'v10', 'v1'],
      ['v1', 'v2', 'v10'],
    ],
    [
      ['010', '9', '0', '00011'],
      ['0', '9', '010', '00011'],
    ],
    [
      ['20240102_b', '20240101_z', '3_x'],
      ['3_x', '20240101_z', '20240102_b'],
    ],
    [
      ['1.10.0', '1.9.0', '1.9'],
      ['1.9', '1.9.0', '1.10.0'],
    ],
    [
      ['v1_b', 'v01_a', 'v1_a'],
      ['v01_a', 'v1_a', 'v1_b'],
    ],
    [
      ['b', 'B', 'a'],
      ['B', 'a', 'b'],
    ],
    [
      ['12345678901234567891', '12345678901234567890'],
      ['12345678901234567890', '12345678901234567891'],
    ],
    [
      ['v001', 'v001_x', 'v'],
      ['v', 'v001', 'v001_x'],
    ],
  ])('%j are sorted to %j: numbers as numbers', (given, expected) => {
    expect(given.toSorted(compareVersions)).toEqual(expected)
  })

  it('are compared by their first difference as they would be part by part', () => {
    const partsOf = (version: string) => version.match(/\d+|\D+/g) ?? []
    const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
    const partByPart = (a: string, b: string) => {
      const others = partsOf(b)
      for (const [at, part] of partsOf(a).entries()) {
        const other = others[at]
        if (other === undefined) return 1
        const numbers = /^\d/.test(part) && /^\d/.test(other) ? Number(BigInt(part) - BigInt(other)) : text(part, other)
        if (numbers !== 0) return Math.sign(numbers)
      }
      return Math.sign(partsOf(a).length - others.length) || text(a, b)
    }
    const version = fc.stringMatching(/^(v|v0|v1_)[0-9_a]{0,4}$/)
    fc.assert(
      fc.property(version, version, (a, b) => {
        expect(Math.sign(compareVersions(a, b))).toBe(partByPart(a, b))
      }),
      { numRuns: 2000 },
    )
  })

  it('have one order, whichever they are and however they were listed', () => {
    const version = fc.stringMatching(/^[v0-9_a.-]{0,6}$/)
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0)
        expect(compareVersions(a, b) === 0).toBe(a === b)
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('migrations', () => {
  it('run after what they depend on, and otherwise by version', () => {
    expect(order(migration('v3'), migration('v1'), migration('v2', 'v3'))).toEqual(['v1', 'v3', 'v2'])
  })

  it('wait as long as they have to, and no one waits for them', () => {
    expect(order(migration('v1', 'v3'), migration('v2'), migration('v3'), migration('v4'))).toEqual([
      'v2',
      'v3',
      'v1',
      'v4',
    ])
  })

  it('may name a dependency twice', () => {
    expect(order(migration('v2', 'v1', 'v1'), migration('v1'))).toEqual(['v1', 'v2'])
  })

  it('have exactly one order: among those that may run, always the lowest version', () => {
    const graph = fc
      .integer({ min: 1, max: 12 })
      .chain(size =>
        fc.tuple(
          fc.shuffledSubarray([...Array(size).keys()], { minLength: size }),
          fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 20 }),
        ),
      )
    fc.assert(
      fc.property(graph, ([ranks, edges]) => {
        // Dependencies lead from a higher rank to a lower one, so that there is no circle.
        const list = ranks.map((rank, n) =>
          migration(`v${n}`, ...edges.filter(([a, b]) => a === n && ranks[b]! < rank).map(([, b]) => `v${b}`)),
        )
        const left = list.toSorted((a, b) => compareVersions(a.version, b.version))
        const expected: string[] = []
        while (left.length > 0) {
          const next = left.findIndex(({ dependencies }) => dependencies.every(version => expected.includes(version)))
          expected.push(left.splice(next, 1)[0]!.version)
        }
        expect(order(...list)).toEqual(expected)
        expect(problems(...list)).toEqual([])
      }),
      { numRuns: 1_000 },
    )
  })

  it('may be a chain of thousands, in the wrong order', () => {
    const name = (n: number) => `v${20_000 - n}`
    const chain = Array.from({ length: 10_000 }, (_, n) => migration(name(n), ...(n > 0 ? [name(n - 1)] : [])))
    expect(order(...chain)).toEqual(chain.map(({ version }) => version))
  })
})

describe('an order is refused', () => {
  it('for a version that is there twice', () => {
    const list = [migration('v001'), { ...migration('v001'), file: 'v001.ts' }]
    expect(problems(...list)).toEqual(['version v001 is there twice: v001.sql and v001.ts'])
  })

  it('for a dependency that is not there, unless it is one of those that cannot be read', () => {
    expect(problems(migration('v2', 'v1', 'v1'))).toEqual(['v2 depends on v1, which is not there'])
    expect(orderMigrations([migration('v2', 'v1')], new Set(['v1'])).problems).toEqual([])
  })

  it('for one that depends on itself', () => {
    expect(problems(migration('v1', 'v1'), migration('v2'))).toEqual([
      'these depend on each other in a circle: v1 -> v1',
    ])
  })

  it('for each circle once, without those that only lead to it', () => {
    const list = [
      migration('v1', 'v2'),
      migration('v2', 'v3'),
      migration('v3', 'v2'),
      migration('v4', 'v1'),
      migration('v5', 'v6'),
      migration('v6', 'v5'),
      migration('v7'),
    ]
    expect(problems(...list)).toEqual([
      'these depend on each other in a circle: v2 -> v3 -> v2',
      'these depend on each other in a circle: v5 -> v6 -> v5',
    ])
  })

  it('for everything at once', () => {
    expect(problems(migration('v1', 'v0'), migration('v2', 'v2'), migration('v1'))).toHaveLength(3)
  })
})
