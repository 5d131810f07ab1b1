import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parts } from '../../src/validation/findings.ts'
import { expectOk, expectRefused, type Ran } from '../support/cli.ts'
import { hold, pythonSql, sqlite3 } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { newPlace, traceOf, type Workplace } from '../support/workplace.ts'

interface Report {
  readonly valid: boolean
  readonly level: string
  readonly parts: readonly string[]
  readonly findings: readonly { part: string; severity: string; message: string; mend?: string }[]
}

const reportOf = (ran: Ran): Report => JSON.parse(ran.stdout)

async function privateShop(): Promise<Workplace> {
  const place = await shop()
  chmodSync(place.database, 0o600)
  return place
}

test('a database that is as it should be is valid, and was not touched', async () => {
  const place = await privateShop()
  const before = traceOf(place.volume)
  const ran = await place.run(['validate'])
  expectOk(ran)
  expect(ran.stdout).toBe('Valid at v001_shop.\n')
  expect(reportOf(await place.run(['validate', '--json']))).toMatchObject({ valid: true, findings: [], parts })
  expect(traceOf(place.volume)).toEqual(before)
})

/** What is wrong, done how, in which part of the report, and what it names. */
const faults: readonly [string, (place: Workplace) => void, string, RegExp][] = [
  [
    'a column added by hand',
    ({ database }) => pythonSql(database, 'ALTER TABLE customers ADD COLUMN vip'),
    'schema',
    /customers.*vip/,
  ],
  [
    'an index that is missing',
    ({ database }) => pythonSql(database, 'DROP INDEX orders_by_customer'),
    'indexes',
    /orders_by_customer/,
  ],
  [
    'an orphan',
    ({ database }) => pythonSql(database, "INSERT INTO orders VALUES (9, 99, 'x')"),
    'constraints',
    /1 row of orders.*customers/,
  ],
  [
    'a row that breaks NOT NULL',
    ({ database }) =>
      pythonSql(
        database,
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'name TEXT NOT NULL', 'name TEXT') WHERE name = 'customers'; PRAGMA writable_schema = RESET; INSERT INTO customers VALUES (9, NULL); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'name TEXT', 'name TEXT NOT NULL') WHERE name = 'customers'",
      ),
    'constraints',
    /^1 row of customers have no value in name, which is NOT NULL: id 9$/,
  ],
  [
    'a check of the application that finds rows',
    place => {
      mkdirSync(join(place.migrations, 'checks'))
      writeFileSync(
        join(place.migrations, 'checks', 'no-clu.sql'),
        "-- nobody orders clu\nSELECT id, what FROM orders WHERE what = 'clu';\n",
      )
    },
    'data',
    /^the check no-clu \(nobody orders clu\) finds \(id 4, what clu\)$/,
  ],
  [
    'a file that everybody may write',
    ({ database }) => chmodSync(database, 0o666),
    'security',
    /written by every user \(mode 666\)/,
  ],
  [
    'an edited migration',
    place => place.migration('v001_shop', '-- migrate:up\nSELECT 1;'),
    'migrations',
    /v001_shop was edited/,
  ],
]

describe.each(faults)('%s', (_, spoil, part, says) => {
  test(`is found as ${part}, with exit code 65`, async () => {
    const place = await privateShop()
    spoil(place)
    const ran = await place.run(['validate', '--only', part, '--json'])
    expect(ran.exit).toBe(65)
    const report = reportOf(ran)
    expect(report).toMatchObject({ valid: false, parts: [part] })
    expect(report.findings).toMatchObject([{ part, severity: 'fail', message: expect.stringMatching(says) }])
  })

  test('is not looked for where only other parts are asked for', async () => {
    const place = await privateShop()
    spoil(place)
    const others = parts.filter(other => other !== part && !(part === 'migrations' && /schema|indexes/.test(other)))
    const ran = await place.run(['validate', '--only', others.join(','), '--json'])
    expectOk(ran)
    expect(reportOf(ran)).toMatchObject({ valid: true, parts: others })
  })
})

test('all that is wrong is said at once, to a person line by line', async () => {
  const place = await shop()
  pythonSql(
    place.database,
    "DROP INDEX orders_by_customer; INSERT INTO orders VALUES (9, 99, 'x'); CREATE TABLE extra (n)",
  )
  chmodSync(place.database, 0o644)
  const ran = await place.run(['validate'])
  expect(ran.exit).toBe(65)
  expect(ran.stdout).toMatch(
    /^fail {2}indexes +.*orders_by_customer.*\n {19}CREATE INDEX orders_by_customer ON orders \(customer_id\);$/m,
  )
  expect(ran.stdout).toMatch(/^fail {2}constraints +.*orders/m)
  expect(ran.stdout).toMatch(/^warn {2}schema +.*extra/m)
  expect(ran.stdout).toMatch(/^warn {2}security +.*mode 644/m)
  expect(ran.stdout).toMatch(/Not valid: 2 things are wrong at v001_shop\.\n$/)
})

test('the SQL that mends what drifted makes it valid, and keeps every row', async () => {
  const place = await privateShop()
  pythonSql(
    place.database,
    `ALTER TABLE customers ADD COLUMN vip; DROP TABLE orders; CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, what);
     INSERT INTO orders VALUES (1, 1, 'engine'); CREATE TABLE jobs (n)`,
  )
  const report = reportOf(await place.run(['validate', '--only', 'schema,indexes', '--json']))
  expect(report.findings.filter(({ severity }) => severity === 'fail').length).toBeGreaterThan(2)
  sqlite3(place.database, report.findings.flatMap(({ mend = '' }) => mend).join('\n'))
  const ran = await place.run(['validate'])
  expectOk(ran)
  expect(ran.stdout).toMatch(/^warn {2}schema +table jobs/)
  expect(place.query('SELECT * FROM orders')).toEqual([{ id: 1, customer_id: 1, what: 'engine' }])
  expect(place.query('SELECT name FROM customers')).toHaveLength(3)
})

test('a live database is checked beside a writer, and a check that takes too long is stopped', async () => {
  const place = await shop({ mode: 'wal' })
  mkdirSync(join(place.migrations, 'checks'))
  const check = join(place.migrations, 'checks', 'endless.sql')
  const peer = await hold(
    place.database,
    "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; INSERT INTO customers VALUES (9, 'Edith')",
  )
  expectOk(await place.run(['validate']))
  writeFileSync(check, 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0')
  expectRefused(await place.run(['validate', '--timeout', '5s']), 75, '5 s')
  await peer.release('COMMIT')
  expect(place.query('SELECT name FROM customers WHERE id = 9')).toEqual([{ name: 'Edith' }])
})

test('--drift warn and --ignore are as in a deploy', async () => {
  const place = await privateShop()
  pythonSql(place.database, 'DROP INDEX orders_by_customer')
  const warned = await place.run(['validate', '--drift', 'warn', '--json'])
  expectOk(warned)
  expect(reportOf(warned).findings).toMatchObject([{ severity: 'warn', part: 'indexes' }])
  const ignored = await place.run(['validate', '--ignore', 'orders_by_customer', '--json'])
  expect(reportOf(ignored)).toMatchObject({ valid: true, findings: [] })
})

test('without a database there is nothing to validate', async () => {
  const place = newPlace()
  place.migration('v001_t', '-- migrate:up\nCREATE TABLE t (n);')
  expectRefused(await place.run(['validate']), 66, place.database, 'DATABASE_URL')
  expect(Object.keys(traceOf(place.volume))).toEqual([''])
})
