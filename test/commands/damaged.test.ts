/** A database whose file is damaged where a look at its schema and its bookkeeping does not see it. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

type Mode = 'delete' | 'wal'

async function bigShop(mode: Mode): Promise<Workplace> {
  const place = await shop({ mode })
  const orders = `WITH RECURSIVE c (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM c WHERE i < 2000)
    INSERT INTO orders SELECT i, 1, 'order ' || i FROM c;`
  pythonSql(place.database, orders)
  return place
}

/** Overwrites a leaf of the orders in the middle of the file, as a disk that lost a write does. */
function damage(place: Workplace): void {
  const pages = place.query("SELECT pageno FROM dbstat WHERE name = 'orders' AND pagetype = 'leaf' ORDER BY pageno")
  const page = Number(pages[Math.floor(pages.length / 2)]?.['pageno'])
  const file = openSync(place.database, 'r+')
  writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, (page - 1) * 4096)
  closeSync(file)
}

async function damagedShop(mode: Mode): Promise<Workplace> {
  const place = await bigShop(mode)
  expectOk(await place.run(['backup', '--tier', 'daily']))
  damage(place)
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;')
  return place
}

function manifestOf(place: Workplace, id: string) {
  return JSON.parse(readFileSync(join(place.repository, 'backups', `${id}.json`), 'utf8'))
}

describe.each(['delete', 'wal'] as const)('a damaged database, in %s mode', mode => {
  test('is not migrated, and its bytes are kept as a backup that is marked', async () => {
    const place = await damagedShop(mode)
    const before = readFileSync(place.database)
    const ran = await place.run(['run'])
    const [, kept = ''] = place.backups()
    expectRefused(ran, 65, 'is damaged', kept, 'lockkeeper restore --latest')
    expect(readFileSync(place.database)).toEqual(before)
    expect(manifestOf(place, kept)).toMatchObject({
      tiers: ['pre-migration'],
      damaged: { reason: expect.stringMatching(/page|malformed/) },
    })
    // A container that restarts over and over fills nothing.
    expectRefused(await place.run(['run']), 65, kept)
    expect(place.backups()).toHaveLength(2)
  })

  test('is brought back from the newest good backup, past the marked ones', async () => {
    const place = await damagedShop(mode)
    expectRefused(await place.run(['run']), 65)
    expect(await place.run(['backup'])).toMatchObject({ exit: 65 })
    const [good = '', ...marked] = place.backups()
    expect(marked).toHaveLength(2)
    const ran = await place.run(['restore', '--latest', '--json'])
    expectOk(ran)
    expect(JSON.parse(ran.stdout)).toMatchObject({ restored: good })
    expect(manifestOf(place, place.backups().at(-1) ?? '')).toMatchObject({
      tiers: ['pre-restore'],
      damaged: { reason: expect.any(String) },
    })
    expectOk(await place.run(['run']))
  })

  test('is not migrated without a backup either', async () => {
    const place = await damagedShop(mode)
    const before = readFileSync(place.database)
    expectRefused(await place.run(['run', '--no-backup']), 65, 'is damaged', 'Nothing was changed')
    expect(readFileSync(place.database)).toEqual(before)
  })

  test('is not rolled back', async () => {
    const place = await bigShop(mode)
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;')
    expectOk(await place.run(['run']))
    damage(place)
    const before = readFileSync(place.database)
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'is damaged')
    expect(readFileSync(place.database)).toEqual(before)
  })

  test('is backed up beside the application, and that says what it is worth', async () => {
    const place = await damagedShop(mode)
    const before = traceOf(place.volume)
    const ran = await place.run(['backup', '--json'])
    expect(ran).toMatchObject({ exit: 65 })
    expect(JSON.parse(ran.stdout).manifest.damaged.reason).toMatch(/page|malformed/)
    expect(traceOf(place.volume)).toEqual(before)
  })
})

test('a database whose schema cannot be read is backed up for whoever wants to save something of it', async () => {
  const place = await shop()
  pythonSql(
    place.database,
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE nonsense(' WHERE name = 'orders'",
  )
  expectRefused(await place.run(['run']), 65)
  const ran = await place.run(['backup', '--json'])
  expect(ran).toMatchObject({ exit: 65 })
  expect(JSON.parse(ran.stdout).manifest).toMatchObject({
    schema: { level: null, fingerprint: null, applied: 0 },
    damaged: { reason: expect.stringContaining('malformed') },
  })
})

test('rows that break a CHECK or a NOT NULL of their table are no damage', async () => {
  const place = await shop()
  place.migration('v002_checked', '-- migrate:up\nCREATE TABLE checked (a INTEGER CHECK (a > 0), b TEXT NOT NULL);')
  expectOk(await place.run(['run']))
  pythonSql(
    place.database,
    `PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (-1, 'x');
     PRAGMA writable_schema = ON;
     UPDATE sqlite_master SET sql = replace(sql, 'what TEXT', 'what TEXT NOT NULL') WHERE name = 'orders';
     PRAGMA writable_schema = RESET; PRAGMA writable_schema = OFF;`,
  )
  pythonSql(place.database, "PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (-2, 'y')")
  expectOk(await place.run(['backup']))
  place.migration('v003_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  expectOk(await place.run(['run', '--drift', 'warn']))
})
