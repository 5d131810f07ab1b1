/** A schema that somebody changed by hand. */
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, logOf, type Ran } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, traceOf, type Workplace } from '../support/workplace.ts'

const changes: readonly [string, string, readonly string[]][] = [
  ['a column was added', 'ALTER TABLE customers ADD COLUMN vip INTEGER', ['customers', 'vip']],
  ['an index was dropped', 'DROP INDEX orders_by_customer', ['orders_by_customer']],
  [
    'an index has other columns',
    'DROP INDEX orders_by_customer; CREATE INDEX orders_by_customer ON orders (what)',
    ['orders_by_customer'],
  ],
  ['a table was dropped', 'DROP TABLE orders', ['orders']],
  [
    'a default was changed',
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'what TEXT', 'what TEXT DEFAULT ''thing''') WHERE name = 'orders'",
    ['orders', 'what'],
  ],
]

const warnings = (ran: Ran) => logOf(ran).flatMap(({ level, msg }) => (level === 'warn' ? [msg] : []))

async function shopWithNews(): Promise<Workplace> {
  const place = await shop()
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  return place
}

describe.each(changes)('%s', (_, sql, culprits) => {
  test('stops a deploy with nothing to do, and one with something, by name and without a touch', async () => {
    const place = await shop()
    pythonSql(place.database, sql)
    const before = [traceOf(place.volume), traceOf(place.repository)]
    expectRefused(await place.run(['run']), 65, 'v001_shop', ...culprits)
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectRefused(await place.run(['run']), 65, 'v001_shop', ...culprits)
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('is only warned of with --drift warn, each time', async () => {
    const place = await shopWithNews()
    pythonSql(place.database, sql)
    const kept = applicationOf(place.database).rows['customers']
    const first = await place.run(['run', '--drift', 'warn'])
    expectOk(first)
    for (const culprit of culprits) expect(warnings(first).join('\n')).toContain(culprit)
    expect(applicationOf(place.database).rows['customers']).toEqual(kept)
    const second = await place.run(['run'], { LOCKKEEPER_DRIFT: 'warn' })
    expect(second.stdout).toContain('Nothing to do')
    for (const culprit of culprits) expect(warnings(second).join('\n')).toContain(culprit)
    expectRefused(await place.run(['run']), 65, ...culprits)
  })
})

test('what is undone by hand again is fine again', async () => {
  const place = await shop()
  pythonSql(place.database, 'DROP INDEX orders_by_customer')
  expectRefused(await place.run(['run']), 65, 'orders_by_customer')
  pythonSql(place.database, 'CREATE INDEX orders_by_customer ON orders (customer_id)')
  expectOk(await place.run(['run']))
})

describe('what is there beyond the migrations', () => {
  const extras: readonly [string, string, string][] = [
    ['a table', 'CREATE TABLE apscheduler_jobs (id TEXT PRIMARY KEY)', 'apscheduler_jobs'],
    ['an index', 'CREATE INDEX by_hand ON orders (what)', 'by_hand'],
    ['a view', 'CREATE VIEW by_hand AS SELECT 1 AS one', 'by_hand'],
  ]
  test.each(extras)('%s only warns', async (_, sql, name) => {
    const place = await shopWithNews()
    pythonSql(place.database, sql)
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(warnings(ran)).toEqual([expect.stringContaining(name)])
    expect((await place.run(['run'])).stdout).toContain('Nothing to do')
  })

  test('is not warned of where --ignore names it', async () => {
    const place = await shopWithNews()
    pythonSql(place.database, 'CREATE TABLE apscheduler_jobs (id TEXT PRIMARY KEY); CREATE TABLE _litestream_seq (id)')
    const ran = await place.run(['run', '--ignore', 'apscheduler_*, _litestream_*'])
    expectOk(ran)
    expect(warnings(ran)).toEqual([])
  })
})

test('--ignore leaves out what is missing or different, too', async () => {
  const place = await shop()
  pythonSql(place.database, 'DROP INDEX orders_by_customer')
  expectOk(await place.run(['run'], { LOCKKEEPER_IGNORE: 'orders_by_*' }))
})

test('a migration that ends with another schema than it has in an empty database is undone', async () => {
  const place = await shop()
  const before = applicationOf(place.database)
  // Makes a column for every order, so that the result depends on the rows.
  place.migration(
    'v002_depends.js',
    `export const up = db => { for (const { id } of db.all('SELECT id FROM orders')) db.exec('ALTER TABLE customers ADD COLUMN c' + id + ' TEXT') }`,
  )
  expectRefused(await place.run(['run']), 65, 'customers', 'c1')
  expect(applicationOf(place.database)).toEqual(before)
})
