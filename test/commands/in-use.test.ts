/** The database is held by somebody else: another program, or another run. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, messagesOf } from '../support/cli.ts'
import { Peer } from '../support/peer.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, newPlace, readCopy, traceOf, type Workplace } from '../support/workplace.ts'

async function shopWithNews(mode: 'delete' | 'wal'): Promise<Workplace> {
  const place = await shop({ mode })
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  return place
}

const holders: readonly [string, 'delete' | 'wal', string][] = [
  ['reads in a transaction', 'delete', 'BEGIN; SELECT count(*) FROM orders'],
  ['is about to write', 'delete', 'BEGIN IMMEDIATE'],
  ['writes', 'delete', 'BEGIN EXCLUSIVE'],
  ['reads in a transaction', 'wal', 'BEGIN; SELECT count(*) FROM orders'],
  ['writes', 'wal', 'BEGIN IMMEDIATE'],
  ['is idle, but has read once', 'wal', 'SELECT count(*) FROM orders'],
]

describe.each(holders)('another process %s, in %s mode', (_, mode, sql) => {
  test('the deploy gives up after the lock time-out, and has changed nothing', async () => {
    const place = await shopWithNews(mode)
    const holder = await hold(place.database, sql)
    const before = applicationOf(place.database)
    const ran = await place.run(['run', '--lock-timeout', '300ms'])
    expectRefused(ran, 75, place.database, 'in use by another process', '--lock-timeout')
    expect(ran.milliseconds).toBeGreaterThan(300)
    expect(place.backups()).toEqual([])
    await holder.release()
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('the deploy waits, says so, and goes on when it lets go', async () => {
    const place = await shopWithNews(mode)
    const holder = await hold(place.database, sql)
    const run = place.start(['run', '--lock-timeout', '60s'])
    await run.shows('in use by another process; waiting')
    await holder.release()
    const ran = await run.done
    expectOk(ran)
    expect(applicationOf(place.database).rows).toHaveProperty('carts')
  })
})

test('what another process commits while the deploy waits is there afterwards', async () => {
  const place = await shopWithNews('wal')
  const holder = await hold(place.database, "BEGIN IMMEDIATE; INSERT INTO customers VALUES (50, 'Edsger')")
  const run = place.start(['run'])
  await run.shows('waiting')
  await holder.release('COMMIT')
  expectOk(await run.done)
  expect(applicationOf(place.database).rows['customers']).toContainEqual({ id: 50, name: 'Edsger' })
})

test('an idle connection in rollback mode is in nobody’s way', async () => {
  const place = await shopWithNews('delete')
  const holder = await hold(place.database, 'SELECT count(*) FROM orders')
  expectOk(await place.run(['run', '--lock-timeout', '300ms']))
  await holder.release("INSERT INTO carts VALUES ('seen')")
  expect(applicationOf(place.database).rows['carts']).toEqual([{ n: 'seen' }])
})

test('a run with nothing to do does not wait for anybody who reads', async () => {
  for (const [mode, sql] of [
    ['delete', 'BEGIN IMMEDIATE'],
    ['wal', 'BEGIN IMMEDIATE'],
  ] as const) {
    const place = await shop({ mode })
    const holder = await hold(place.database, sql)
    const ran = await place.run(['run', '--lock-timeout', '1ms'])
    expectOk(ran)
    expect(ran.stdout).toContain('Nothing to do')
    await holder.release()
  }
})

test('LOCKKEEPER_LOCK_TIMEOUT says the same as the flag', async () => {
  const place = await shopWithNews('delete')
  const holder = await hold(place.database, 'BEGIN EXCLUSIVE')
  expectRefused(await place.run(['run'], { LOCKKEEPER_LOCK_TIMEOUT: '100ms' }), 75, 'waited 0.1 s')
  await holder.release()
})

describe('two runs at the same time on one database', () => {
  async function runTwice(place: Workplace): Promise<void> {
    const both = await Promise.all([place.run(['run', '--json']), place.run(['run', '--json'])])
    for (const ran of both) expectOk(ran)
    const outcomes = both.map(({ stdout }) => JSON.parse(stdout).outcome).sort()
    expect(outcomes).toEqual(['changed', 'unchanged'])
    expect(place.query('SELECT version, count(*) AS n FROM schema_migrations GROUP BY 1 HAVING n > 1')).toEqual([])
  }

  test.each(['delete', 'wal'] as const)('both end well, and the migrations ran once, in %s mode', async mode => {
    const place = await shopWithNews(mode)
    place.migration('v003_count', '-- migrate:up\nINSERT INTO carts VALUES (1);')
    await runTwice(place)
    expect(applicationOf(place.database).rows['carts']).toEqual([{ n: 1 }])
    expect(place.backups()).toHaveLength(1)
  })

  test('also where neither finds a database', async () => {
    const place = newPlace()
    place.migration('v001_count', '-- migrate:up\nCREATE TABLE carts (n);\nINSERT INTO carts VALUES (1);')
    await runTwice(place)
    expect(applicationOf(place.database).rows).toEqual({ carts: [{ n: 1 }] })
  })
})

describe('a run that waits while another one works', () => {
  test.each(['delete', 'wal'] as const)(
    'ends well once nothing is left to do, although the application has the database by then, in %s mode',
    async mode => {
      const place = await shopWithNews(mode)
      const peer = await Peer.open(place.database, { timeout: 10 })
      await peer.run('BEGIN IMMEDIATE')
      const waiting = place.start(['run', '--json'])
      await waiting.shows('waiting')
      await peer.run(...(await whatARunDoes(place)), 'COMMIT', 'BEGIN', 'SELECT count(*) FROM orders')
      const ran = await waiting.done
      expectOk(ran)
      expect(JSON.parse(ran.stdout).outcome).toBe('unchanged')
      expect(messagesOf(ran, 'lock').at(-1)).toContain('another job has done everything')
      expect(await peer.run('SELECT count(*) FROM carts')).toEqual([[0]])
    },
  )

  test('ends with 75 where something is left to do, and says who has the database', async () => {
    const place = await shopWithNews('wal')
    const peer = await Peer.open(place.database)
    await peer.run('SELECT count(*) FROM orders')
    const ran = await place.run(['run', '--lock-timeout', '2500ms'])
    expectRefused(ran, 75, `process ${peer.pid} (python`, 'a shared lock', 'first seen at')
    expect(place.backups()).toEqual([])
  })
})

/** The statements that bring this place to where a run would, as it does on a copy. */
async function whatARunDoes(place: Workplace): Promise<string[]> {
  const other = newPlace({ LOCKKEEPER_MIGRATIONS: place.migrations })
  const before = place.query('SELECT max(id) AS id FROM schema_migration_events')[0]?.['id']
  readCopy(place.database, db => db.exec(`VACUUM INTO '${other.database}'`))
  expectOk(await other.run(['run', '--no-backup']))
  const insert = (table: string, where: string) =>
    other.query(`SELECT * FROM ${table} WHERE ${where}`).map(row => {
      const values = Object.values(row).map(value =>
        value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`,
      )
      return `INSERT INTO ${table} VALUES (${values.join(', ')})`
    })
  return [
    'CREATE TABLE carts (n)',
    ...insert('schema_migrations', "version = 'v002_carts'"),
    ...insert('schema_migration_events', `id > ${before}`),
  ]
}

test('status, plan, history and validate look beside a writer', async () => {
  const place = await shopWithNews('wal')
  const holder = await hold(place.database, "BEGIN IMMEDIATE; INSERT INTO customers VALUES (60, 'unseen')")
  for (const command of ['status', 'plan', 'history', 'validate']) expectOk(await place.run([command, '--json']))
  await holder.release('ROLLBACK')
})

test('a backup is made beside a writer, in WAL mode without holding it up and without room for a copy', async () => {
  const place = await shop({ mode: 'wal' })
  const holder = await hold(
    place.database,
    "INSERT INTO customers VALUES (59, 'seen'); BEGIN IMMEDIATE; INSERT INTO customers VALUES (60, 'unseen')",
  )
  const ran = await place.run(['backup', '--lock-timeout', '1s', '--tmpdir', join(place.folder, 'not there')])
  expectOk(ran)
  await holder.release('COMMIT')
  expect(messagesOf(ran, 'look').at(-1)).toContain('is held still, while others write in its log')
  expect(applicationOf(place.database).rows['customers']).toHaveLength(5)
  const restored = join(place.folder, 'restored.db')
  expectOk(await place.run(['restore', '--latest', '--to', restored]))
  expect(applicationOf(restored).rows['customers']?.at(-1)).toEqual({ id: 59, name: 'seen' })
})

test('a restore is refused while somebody uses the database', async () => {
  const place = await shop()
  expectOk(await place.run(['backup']))
  pythonSql(place.database, 'DELETE FROM orders')
  const holder = await hold(place.database, 'BEGIN IMMEDIATE')
  const before = traceOf(place.volume)
  expectRefused(await place.run(['restore', '--latest', '--lock-timeout', '200ms']), 75, 'in use')
  expect(traceOf(place.volume)).toEqual(before)
  await holder.release()
})
