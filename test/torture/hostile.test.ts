/** Whatever lies where the database should be: a clear exit in bounded time, and nothing is written. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodes } from '../../src/errors.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'
import { hostile, strays } from './hostile.ts'

const known = Object.values(exitCodes).map(({ exit }) => exit)

test.each(Object.entries(hostile))('a database %s', async (_, make) => {
  const place = await placeWith(make)
  const before = trace(place)
  const look = ['status', 'validate', 'backup'].map(command => place.run([command, '--timeout', '20s']))
  for (const ran of await Promise.all(look)) expectClear(ran)
  expect(trace(place)).toEqual(before)
  const ran = await place.run(['run', '--timeout', '20s'])
  expectClear(ran)
  if (ran.exit !== 0) expect(trace(place)).toEqual(before)
})

test.each(Object.entries(strays))(
  'beside %s: what only looks writes nothing, and a deploy goes no further',
  async (_, make) => {
    const place = await placeWith(make)
    const before = contentOf(place)
    for (const ran of await Promise.all(['status', 'validate'].map(command => place.run([command])))) expectClear(ran)
    expect(contentOf(place)).toMatchObject(before)
    const ran = await place.run(['run', '--timeout', '20s'])
    expectClear(ran)
    expect(ran.exit, ran.output).toBe(exitCodes.invalid.exit)
  },
)

/** The shop with 2,000 rows, a migration pending, and this done to it. */
async function placeWith(make: (database: string) => void): Promise<Workplace> {
  const place = await shop()
  pythonSql(
    place.database,
    `WITH RECURSIVE c (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM c WHERE i < 2000)
     INSERT INTO orders SELECT i, 1 + i % 3, hex(randomblob(30)) FROM c`,
  )
  make(place.database)
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);\nUPDATE customers SET name = upper(name);\n')
  return place
}

/** The bytes of the database and of what is beside it; a reader may leave the index of a log. */
function contentOf(place: Workplace): Record<string, string> {
  const names = readdirSync(place.volume).filter(name => !name.endsWith('-shm'))
  return Object.fromEntries(names.map(name => [name, readFileSync(join(place.volume, name)).toString('base64')]))
}

function expectClear({ exit, output, signal }: { exit: number | null; output: string; signal: string | null }): void {
  expect(signal, output).toBeNull()
  expect(known, output).toContain(exit)
  expect(exit, output).not.toBe(exitCodes.internal.exit)
  expect(output).not.toMatch(/^\s+at .*:\d+:\d+/m)
}

function trace(place: Workplace): unknown {
  const regular = readdirSync(place.volume).every(name => lstatSync(join(place.volume, name)).isFile())
  return regular ? traceOf(place.volume) : readdirSync(place.volume)
}
