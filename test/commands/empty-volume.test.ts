import { rmSync, truncateSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, newPlace, traceOf, type Workplace } from '../support/workplace.ts'

/** Ways in which a volume can come up without the database that was on it. */
const losses = [
  ['there is no file', (place: Workplace) => wipe(place)],
  [
    'the file has 0 bytes',
    (place: Workplace) => {
      wipe(place)
      pythonSql(place.database, 'CREATE TABLE t (n)')
      truncateSync(place.database)
    },
  ],
  [
    'there is nothing in it',
    (place: Workplace) => {
      wipe(place)
      pythonSql(place.database, 'CREATE TABLE t (n); DROP TABLE t')
    },
  ],
  [
    'there is nothing in it, in WAL mode',
    (place: Workplace) => {
      wipe(place)
      pythonSql(place.database, 'PRAGMA journal_mode = wal; CREATE TABLE t (n); DROP TABLE t')
    },
  ],
] as const

function wipe({ database }: Workplace): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(database + suffix, { force: true })
}

async function shopWithBackup(): Promise<Workplace> {
  const place = await shop()
  expectOk(await place.run(['backup', '--tier', 'daily']))
  return place
}

describe.each(losses)('the database is gone although backups of it exist: %s', (_, lose) => {
  test('the deploy stops, names the backup and the ways on, and changes nothing', async () => {
    const place = await shopWithBackup()
    lose(place)
    const before = [traceOf(place.volume), traceOf(place.repository)]
    const [newest] = place.backups()
    expectRefused(await place.run(['run']), 66, newest!, 'restore --latest', '--first-install')
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('restore --latest brings it back, and the deploy goes on', async () => {
    const place = await shopWithBackup()
    const before = applicationOf(place.database)
    lose(place)
    expectOk(await place.run(['restore', '--latest']))
    expect(applicationOf(place.database)).toEqual(before)
    const after = await place.run(['run'])
    expectOk(after)
    expect(after.stdout).toContain('Nothing to do: the database is at v001_shop')
  })

  test('--first-install begins with an empty one, and the old backups stay', async () => {
    const place = await shopWithBackup()
    const backups = place.backups()
    lose(place)
    expectOk(await place.run(['run', '--first-install']))
    expect(applicationOf(place.database).rows).toEqual({ customers: [], orders: [] })
    expect(place.backups()).toEqual(backups)
  })
})

test('LOCKKEEPER_FIRST_INSTALL says the same as the flag', async () => {
  const place = await shopWithBackup()
  wipe(place)
  expectOk(await place.run(['run'], { LOCKKEEPER_FIRST_INSTALL: 'true' }))
})

test('a manifest that cannot be read counts as a backup that may be there', async () => {
  const place = await shopWithBackup()
  const [manifest] = place.backups()
  truncateSync(`${place.repository}/backups/${manifest}.json`, 10)
  wipe(place)
  expectRefused(await place.run(['run']), 65, 'cannot be read', '--first-install')
  expect(traceOf(place.volume)).not.toHaveProperty('app.db')
})

test('an empty database without any backup is a first install', async () => {
  const place = newPlace()
  place.migration('v001_shop', '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY);')
  expectOk(await place.run(['run']))
  wipe(place)
  expectOk(await place.run(['run']))
  expect(applicationOf(place.database).rows).toEqual({ customers: [] })
})

test('a repository of another database is refused, so that no backup is mistaken for one of this', async () => {
  const place = await shopWithBackup()
  const ran = await place.run(['run'], { DATABASE_URL: `${place.volume}/other.db` })
  expectRefused(ran, 78, 'app.db', 'other.db', '--allow-other-database')
  expect(Object.keys(traceOf(place.volume))).toEqual(['', 'app.db'])
  expectOk(
    await place.run(['run', '--allow-other-database', '--first-install'], { DATABASE_URL: `${place.volume}/other.db` }),
  )
})
