/** `backup` and `backups`. */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { newPlace, traceOf } from '../support/workplace.ts'

describe('backup', () => {
  test('stores the database, says where it stands, and leaves it alone', async () => {
    const place = await shop({ mode: 'wal' })
    const before = traceOf(place.volume)
    const ran = await place.run(['backup', '--tier', 'weekly,daily', '--note', 'before the audit', '--json'])
    expectOk(ran)
    const { id, manifest, stored } = JSON.parse(ran.stdout)
    expect(place.backups()).toEqual([id])
    expect(id).toMatch(/^00000001-\d{8}T\d{6}Z-daily\+?.*v001_shop$/)
    expect(manifest).toMatchObject({
      tiers: ['daily', 'weekly'],
      note: 'before the audit',
      schema: { level: 'v001_shop', applied: 1 },
      database: { name: 'app.db', journalMode: 'wal' },
    })
    expect(stored.chunks).toBe(1)
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('stores nothing twice: the second one of the same bytes is only a manifest', async () => {
    const place = await shop()
    expectOk(await place.run(['backup']))
    const ran = await place.run(['backup', '--json'])
    expect(JSON.parse(ran.stdout)).toMatchObject({ stored: { chunks: 0, bytes: 0 }, reused: { chunks: 1 } })
    expect(place.backups()).toHaveLength(2)
  })

  test('tells in rollback mode that writers had to wait', async () => {
    const place = await shop()
    expect((await place.run(['backup'])).stderr).toContain('WAL mode')
  })

  test.each([
    ['there is no database', () => {}],
    ['the database has 0 bytes', (database: string) => writeFileSync(database, '')],
  ])('is refused where %s', async (_, make) => {
    const place = newPlace()
    make(place.database)
    expectRefused(await place.run(['backup']), 66, 'nothing to back up', place.database)
    expect(traceOf(place.repository)).toEqual({})
  })

  test('is refused without a repository', async () => {
    const place = await shop()
    expectRefused(await place.run(['backup'], { LOCKKEEPER_REPOSITORY: undefined }), 78, 'LOCKKEEPER_REPOSITORY')
  })

  test('leaves nothing in the temporary folder', async () => {
    const place = await shop()
    const tmpdir = join(place.folder, 'tmp')
    mkdirSync(tmpdir)
    expectOk(await place.run(['backup', '--tmpdir', tmpdir]))
    expectOk(await place.run(['restore', '--latest'], { LOCKKEEPER_TMPDIR: tmpdir }))
    expect(Object.keys(traceOf(tmpdir))).toEqual([''])
  })

  test('names a temporary folder that it cannot use', async () => {
    const place = await shop()
    expectRefused(await place.run(['backup', '--tmpdir', '/nowhere/tmp']), 66, '/nowhere/tmp', 'LOCKKEEPER_TMPDIR')
  })
})

describe('backups', () => {
  test('lists them, the newest first, with age, tier, size and level', async () => {
    const place = await shop()
    for (const tier of ['daily', 'monthly']) {
      pythonSql(place.database, `INSERT INTO customers (name) VALUES ('${tier}')`)
      expectOk(await place.run(['backup', '--tier', tier]))
    }
    const text = (await place.run(['backups'])).stdout
    expect(text).toMatch(
      /^age +tier +size +new +level +verified +id +kept\n.* monthly .*\n.* daily +28\.0 KiB .* v001_shop +- +00000001-/,
    )
    expect(text).toMatch(/2 backups in file:\/\/.*\.\n$/)
    const { backups, problems } = JSON.parse((await place.run(['backups', '--json'])).stdout)
    expect(backups.map(({ id }: { id: string }) => id)).toEqual(place.backups().toReversed())
    expect(problems).toEqual([])
  })

  test('says what cannot be read, beside the good ones', async () => {
    const place = await shop()
    expectOk(await place.run(['backup']))
    writeFileSync(join(place.repository, 'backups', '00000009-20261123T000000Z-daily-x.json'), '{')
    const ran = await place.run(['backups'])
    expectOk(ran)
    expect(ran.stdout).toMatch(/problem: .*00000009-20261123T000000Z-daily-x/)
    expect(ran.stdout).toContain('1 backup in')
  })

  test('is refused where there is no repository yet, and makes none', async () => {
    const place = await shop()
    expectRefused(await place.run(['backups']), 66, 'no backup yet', place.repository)
    expect(traceOf(place.repository)).toEqual({})
  })

  test('needs no migrations and no database', async () => {
    const place = await shop()
    expectOk(await place.run(['backup']))
    expectOk(await place.run(['backups'], { LOCKKEEPER_MIGRATIONS: '/nowhere', DATABASE_URL: '/elsewhere/app.db' }))
  })
})

test('a repository says in one file what it is', async () => {
  const place = await shop()
  expectOk(await place.run(['backup']))
  expect(JSON.parse(readFileSync(join(place.repository, 'repository.json'), 'utf8'))).toMatchObject({
    format: 1,
    databaseName: 'app.db',
    chunkSize: 2 ** 20,
  })
})

test('of a file that is replaced meanwhile there is none', async () => {
  const place = await shop({ mode: 'wal' })
  const holder = await hold(place.database, "INSERT INTO customers VALUES (59, 'seen')")
  copyFileSync(place.database, `${place.database}.new`)
  const running = place.start(['backup'])
  await running.shows('is held still')
  running.process.kill('SIGSTOP')
  renameSync(`${place.database}.new`, place.database)
  running.process.kill('SIGCONT')
  expectRefused(await running.done, 75, 'was replaced while it was backed up')
  expect(place.backups()).toEqual([])
  await holder.kill()
})
