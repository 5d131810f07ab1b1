import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, messagesOf } from '../support/cli.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, traceOf, type Workplace } from '../support/workplace.ts'

/** The shop with a backup of its rows, and then none of them left. */
async function emptiedShop(): Promise<{ place: Workplace; id: string; full: ReturnType<typeof applicationOf> }> {
  const place = await shop()
  const full = applicationOf(place.database)
  expectOk(await place.run(['backup']))
  const [id] = place.backups()
  pythonSql(place.database, 'DELETE FROM orders; DELETE FROM customers')
  return { place, id: id!, full }
}

const deploy = (place: Workplace, value: string) => place.run(['run'], { LOCKKEEPER_RESTORE: value })
const ordersOf = (place: Workplace) => place.query('SELECT count(*) AS n FROM orders')[0]?.['n']
const restoresOf = (place: Workplace) => readdirSync(join(place.repository, 'restores'))
const rowsOf = (place: Workplace) => place.query('SELECT value, backup_id, confirmed_at FROM lockkeeper_restores')

describe('LOCKKEEPER_RESTORE', () => {
  test('restores before the deploy goes on, and once only: what came since stays', async () => {
    const { place, id, full } = await emptiedShop()
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    const ran = await deploy(place, id)
    expectOk(ran)
    expect(ran.stdout).toContain(`Restored ${id}. 1 migration applied`)
    expect(applicationOf(place.database).rows).toMatchObject({ ...full.rows, carts: [] })
    expect(rowsOf(place)).toEqual([{ value: id, backup_id: id, confirmed_at: expect.stringMatching(/^\d{4}-/) }])
    expect(restoresOf(place)).toHaveLength(1)
    pythonSql(place.database, "INSERT INTO orders VALUES (99, 1, 'since')")
    const again = await deploy(place, id)
    expectOk(again)
    expect(again.stdout).toContain('Nothing to do')
    expect(messagesOf(again, 'restore').join()).toContain('was restored before')
    expect(ordersOf(place)).toBe(5)
  })

  test('takes a moment as well, and another value restores the same once more', async () => {
    const { place, id } = await emptiedShop()
    const { createdAt } = JSON.parse(readFileSync(join(place.repository, 'backups', `${id}.json`), 'utf8'))
    expectOk(await deploy(place, createdAt))
    expect(ordersOf(place)).toBe(4)
    pythonSql(place.database, 'DELETE FROM orders')
    expectOk(await deploy(place, createdAt))
    expect(ordersOf(place)).toBe(0)
    expectOk(await deploy(place, `${createdAt}#2`))
    expect(ordersOf(place)).toBe(4)
    expect(restoresOf(place)).toHaveLength(2)
    expect(rowsOf(place)).toHaveLength(2)
  })

  test('once done asks no repository again, so that a restart does not depend on one', async () => {
    const { place, id } = await emptiedShop()
    expectOk(await deploy(place, id))
    rmSync(place.repository, { recursive: true })
    const before = traceOf(place.volume)
    expectOk(await deploy(place, id))
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('is not repeated by a database that does not know of it: it went back to an older state', async () => {
    const { place, id } = await emptiedShop()
    const snapshot = readFileSync(place.database)
    expectOk(await deploy(place, id))
    writeFileSync(place.database, snapshot)
    const ran = await deploy(place, id)
    expectOk(ran)
    expect(ordersOf(place)).toBe(0)
    expect(ran.stderr).toContain(`${id}#2`)
    expectOk(await deploy(place, `${id}#2`))
    expect(ordersOf(place)).toBe(4)
  })

  test('is remembered although a person restores an older backup afterwards', async () => {
    const { place, id } = await emptiedShop()
    expectOk(await deploy(place, id))
    expectOk(await place.run(['restore', '--undo']))
    expect(rowsOf(place)).toMatchObject([{ value: id, confirmed_at: expect.any(String) }])
    rmSync(join(place.repository, 'restores'), { recursive: true })
    expectOk(await deploy(place, id))
    expect(ordersOf(place)).toBe(0)
  })

  test('that was killed after the content was in place is not repeated, but finished', async () => {
    const { place, id } = await emptiedShop()
    expectOk(await deploy(place, id))
    // As a kill before the last two steps leaves it; then the application wrote.
    rmSync(join(place.repository, 'restores'), { recursive: true })
    pythonSql(
      place.database,
      "UPDATE lockkeeper_restores SET confirmed_at = NULL; INSERT INTO orders VALUES (99, 1, 'since')",
    )
    expectOk(await deploy(place, id))
    expect(ordersOf(place)).toBe(5)
    expect(restoresOf(place)).toHaveLength(1)
    expect(rowsOf(place)).toMatchObject([{ confirmed_at: expect.any(String) }])
  })

  test('killed at any moment is done once: neither forgotten nor repeated', { timeout: 300_000 }, async () => {
    const kills = Number(process.env['LOCKKEEPER_TEST_KILLS'] ?? 5)
    const { place, id } = await emptiedShop()
    const emptied = readFileSync(place.database)
    const { milliseconds } = await deploy(place, id)
    for (let kill = 0; kill < kills; kill++) {
      rmSync(join(place.repository, 'restores'), { recursive: true, force: true })
      for (const suffix of ['-wal', '-shm', '-journal']) rmSync(place.database + suffix, { force: true })
      writeFileSync(place.database, emptied)
      place.env['LOCKKEEPER_RESTORE'] = id
      const running = place.start(['run'])
      await Promise.race([after((milliseconds * (kill + 1)) / kills), running.done])
      running.process.kill('SIGKILL')
      await running.done
      expectOk(await place.run(['run']))
      expect(ordersOf(place)).toBe(4)
      pythonSql(place.database, "INSERT INTO orders VALUES (99, 1, 'since')")
      expectOk(await place.run(['run']))
      expect(ordersOf(place)).toBe(5)
      expect(rowsOf(place)).toMatchObject([{ value: id, confirmed_at: expect.any(String) }])
      expect(restoresOf(place)).toHaveLength(1)
    }
  })

  test('whose record in the repository is damaged counts as done', async () => {
    const { place, id } = await emptiedShop()
    const snapshot = readFileSync(place.database)
    expectOk(await deploy(place, id))
    const [name] = restoresOf(place)
    truncateSync(join(place.repository, 'restores', name!), 10)
    writeFileSync(place.database, snapshot)
    expectOk(await deploy(place, id))
    expect(ordersOf(place)).toBe(0)
  })

  test('brings back a missing database and a damaged one', async () => {
    const { place, id, full } = await emptiedShop()
    rmSync(place.database)
    expectOk(await deploy(place, id))
    expect(applicationOf(place.database)).toEqual(full)
    writeFileSync(place.database, 'Dear diary,\n'.repeat(1000))
    expectRefused(await deploy(place, id), 65, 'not a SQLite database')
    expectOk(await deploy(place, `${id}#2`))
    expect(applicationOf(place.database)).toEqual(full)
  })

  test('of a backup that this image cannot go on from is refused before anything is touched', async () => {
    const { place } = await emptiedShop()
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await place.run(['run']))
    expectOk(await place.run(['backup']))
    const newer = place.backups().at(-1)!
    rmSync(join(place.migrations, 'v002_carts.sql'))
    const before = [traceOf(place.volume), traceOf(place.repository)]
    expectRefused(await deploy(place, newer), 76, newer, 'v002_carts', 'Nothing was touched')
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('is done once by two pods at the same time', async () => {
    const { place, id } = await emptiedShop()
    const both = await Promise.all([deploy(place, id), deploy(place, id)])
    for (const ran of both) expectOk(ran)
    expect(place.backups().filter(name => name.includes('pre-restore'))).toHaveLength(1)
    expect(ordersOf(place)).toBe(4)
  })

  test('waits for the application, and then finds what it had written in the backup before the restore', async () => {
    const { place, id } = await emptiedShop()
    const holder = await hold(place.database, "BEGIN; INSERT INTO customers VALUES (7, 'late')")
    const running = deploy(place, id)
    await holder.release('COMMIT')
    expectOk(await running)
    expectOk(await place.run(['restore', '--undo']))
    expect(place.query('SELECT name FROM customers')).toEqual([{ name: 'late' }])
  })

  test.each([
    ['tomorrow', 'LOCKKEEPER_RESTORE'],
    ['2026-11-23', 'with its time and its zone'],
    ['2999-01-01T00:00:00Z', 'a time to come'],
    ['#2', 'id of a backup'],
  ])('%s is refused', async (value, culprit) => {
    const { place } = await emptiedShop()
    expectRefused(await deploy(place, value), 78, culprit)
  })

  test('of a backup that is not there is refused, and so it is without a repository and beside --first-install', async () => {
    const { place, id } = await emptiedShop()
    expectRefused(await deploy(place, '00000099'), 66, '00000099', id)
    const without = { LOCKKEEPER_RESTORE: id, LOCKKEEPER_REPOSITORY: undefined }
    expectRefused(await place.run(['run'], without), 78, 'LOCKKEEPER_REPOSITORY')
    expectRefused(await place.run(['run', '--first-install'], { LOCKKEEPER_RESTORE: id }), 78, 'LOCKKEEPER_RESTORE')
    expect(ordersOf(place)).toBe(0)
  })

  test('of a database without bookkeeping of ours leaves its tables to be taken over as before', async () => {
    const { place } = await emptiedShop()
    rmSync(place.repository, { recursive: true })
    pythonSql(
      place.database,
      "DROP TABLE schema_migrations; DROP TABLE schema_migration_events; INSERT INTO customers VALUES (1, 'Ada')",
    )
    expectOk(await place.run(['backup']))
    const id = place.backups().at(-1)!
    pythonSql(place.database, 'DELETE FROM customers')
    expectRefused(await deploy(place, id), 65, 'no bookkeeping', '--adopt')
    expectOk(await place.run(['run', '--adopt'], { LOCKKEEPER_RESTORE: id }))
    expect(place.query('SELECT name FROM customers')).toEqual([{ name: 'Ada' }])
    expectOk(await place.run(['validate']))
  })
})

describe('--if-missing restore', () => {
  test.each([
    ['there is no file', (place: Workplace) => rmSync(place.database)],
    ['the file has 0 bytes', (place: Workplace) => truncateSync(place.database)],
    [
      'there is nothing in it',
      (place: Workplace) => {
        rmSync(place.database)
        pythonSql(place.database, 'CREATE TABLE t (n); DROP TABLE t')
      },
    ],
  ])('brings the newest good backup back where %s, and the deploy goes on', async (_, lose) => {
    const { place, id, full } = await emptiedShop()
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    lose(place)
    const ran = await place.run(['run', '--if-missing', 'restore'])
    expectOk(ran)
    expect(ran.stdout).toContain(`Restored ${id}`)
    expect(applicationOf(place.database).rows).toMatchObject({ ...full.rows, carts: [] })
  })

  test('does nothing where there is a database, and is a first install where there is no backup', async () => {
    const { place } = await emptiedShop()
    expectOk(await place.run(['run', '--if-missing', 'restore']))
    expect(ordersOf(place)).toBe(0)
    rmSync(place.database)
    rmSync(place.repository, { recursive: true })
    const ran = await place.run(['run', '--if-missing', 'restore'])
    expectOk(ran)
    expect(ran.stdout).not.toContain('Restored')
    expectRefused(await place.run(['run', '--if-missing', 'restore', '--first-install']), 78, 'LOCKKEEPER_IF_MISSING')
  })

  test('is done once by two pods at the same time', async () => {
    const { place, full } = await emptiedShop()
    rmSync(place.database)
    const both = await Promise.all([0, 1].map(() => place.run(['run', '--if-missing', 'restore'])))
    for (const ran of both) expectOk(ran)
    expect(applicationOf(place.database)).toEqual(full)
    expect(place.backups()).toHaveLength(1)
  })
})
