import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { hold, pythonSql, sqlite3 } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, journalModeOf, readCopy, traceOf, type Workplace } from '../support/workplace.ts'

/** The shop with three backups, each with a customer more than the one before. */
async function shopOfThreeBackups(): Promise<{ place: Workplace; ids: readonly [string, string, string] }> {
  const place = await shop()
  for (const tier of ['daily', 'weekly', 'manual']) {
    pythonSql(place.database, `INSERT INTO customers (name) VALUES ('${tier}')`)
    expectOk(await place.run(['backup', '--tier', tier]))
  }
  const [first, second, third] = place.backups()
  return { place, ids: [first!, second!, third!] }
}

const customers = (database: string) => sqlite3(database, 'SELECT group_concat(name) FROM customers').trim()

describe('chooses', () => {
  test('the newest with --latest', async () => {
    const { place, ids } = await shopOfThreeBackups()
    pythonSql(place.database, 'DELETE FROM customers')
    const ran = await place.run(['restore', '--latest', '--json'])
    expectOk(ran)
    expect(JSON.parse(ran.stdout)).toMatchObject({ restored: ids[2], level: 'v001_shop', database: place.database })
    expect(customers(place.database)).toBe('Ada,Grace,Barbara,daily,weekly,manual')
  })

  test('the newest of a tier with --latest --tier', async () => {
    const { place } = await shopOfThreeBackups()
    expectOk(await place.run(['restore', '--latest', '--tier', 'daily']))
    expect(customers(place.database)).toBe('Ada,Grace,Barbara,daily')
  })

  test('the newest with --latest also after several restores, and says so once', async () => {
    const { place, ids } = await shopOfThreeBackups()
    for (const row of ['one', 'two']) {
      pythonSql(place.database, `INSERT INTO customers (name) VALUES ('${row}')`)
      expectOk(await place.run(['restore', '--id', ids[0]]))
    }
    const [, , , fourth, fifth] = place.backups()
    const { stderr } = await place.run(['restore', '--latest'])
    expect(stderr.split('passed over')).toHaveLength(2)
    expect(stderr).toContain(`passed over ${fifth}, ${fourth}: made before a restore`)
    expect(customers(place.database)).toBe('Ada,Grace,Barbara,daily,weekly,manual')
  })

  test('one by the beginning of its id', async () => {
    const { place } = await shopOfThreeBackups()
    expectOk(await place.run(['restore', '--id', '00000002']))
    expect(customers(place.database)).toBe('Ada,Grace,Barbara,daily,weekly')
  })

  test('refuses a beginning that several have, and one that none has', async () => {
    const { place, ids } = await shopOfThreeBackups()
    const before = traceOf(place.volume)
    expectRefused(await place.run(['restore', '--id', '000']), 64, '3 backups', ...ids)
    expectRefused(await place.run(['restore', '--id', '9']), 66, '"9"', 'lockkeeper backups')
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('the newest that is not younger with --at', async () => {
    const { place, ids } = await shopOfThreeBackups()
    const createdAt = (id: string) =>
      JSON.parse(readFileSync(join(place.repository, 'backups', `${id}.json`), 'utf8')).createdAt
    expectOk(await place.run(['restore', '--at', createdAt(ids[1])]))
    expect(customers(place.database)).toBe('Ada,Grace,Barbara,daily,weekly')
    expectRefused(await place.run(['restore', '--at', '2001-01-01T00:00:00Z']), 66, 'from 2001-01-01')
  })

  test('passes over what was made before a restore, so that --latest twice is not back and forth', async () => {
    const { place, ids } = await shopOfThreeBackups()
    pythonSql(place.database, 'DELETE FROM customers')
    for (let time = 0; time < 2; time++) {
      const ran = await place.run(['restore', '--latest', '--json'])
      expectOk(ran)
      expect(JSON.parse(ran.stdout).restored).toBe(ids[2])
    }
    expect(customers(place.database)).toContain('Ada')
  })
})

describe('before it replaces anything', () => {
  test('keeps what is there, so that it can be had back', async () => {
    const { place } = await shopOfThreeBackups()
    pythonSql(place.database, "UPDATE customers SET name = 'changed'")
    const before = applicationOf(place.database)
    const { safety } = JSON.parse((await place.run(['restore', '--latest', '--json'])).stdout)
    expect(safety).toContain('pre-restore')
    expect(place.backups()).toContain(safety)
    expectOk(await place.run(['restore', '--id', safety]))
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('checks the backup: a damaged chunk stops it by name, and the database stays', async () => {
    const { place, ids } = await shopOfThreeBackups()
    const chunks = join(place.repository, 'chunks')
    for (const name of readdirSync(chunks, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.zst')) {
        const bytes = readFileSync(join(chunks, name))
        bytes[bytes.length >> 1]! ^= 0xff
        writeFileSync(join(chunks, name), bytes)
      }
    const before = traceOf(place.volume)
    expectRefused(await place.run(['restore', '--latest']), 65, 'chunks/')
    expect(traceOf(place.volume)).toEqual(before)
    expect(place.backups()).toEqual(ids)
  })

  test('says which chunk is missing', async () => {
    const { place } = await shopOfThreeBackups()
    rmSync(join(place.repository, 'chunks'), { recursive: true })
    const before = traceOf(place.volume)
    expectRefused(await place.run(['restore', '--latest']), 65, 'chunks/')
    expect(traceOf(place.volume)).toEqual(before)
  })
})

describe.each([
  ['delete', 'wal'],
  ['wal', 'delete'],
  ['wal', 'wal'],
] as const)('from a backup in %s mode into a database in %s mode', (from, to) => {
  test('the content is the backup’s, the mode stays', async () => {
    const place = await shop({ mode: from })
    const before = applicationOf(place.database)
    expectOk(await place.run(['backup']))
    pythonSql(place.database, `PRAGMA journal_mode = ${to}; DELETE FROM orders; CREATE TABLE later (n)`)
    const mode = journalModeOf(place.database)
    expectOk(await place.run(['restore', '--latest']))
    expect(applicationOf(place.database)).toEqual(before)
    expect(journalModeOf(place.database)).toBe(mode)
    expect(readCopy(place.database, db => db.prepare('PRAGMA integrity_check').all())).toEqual([
      { integrity_check: 'ok' },
    ])
    expect((await place.run(['run'])).stdout).toContain('Nothing to do')
  })
})

test('another page size is no obstacle', async () => {
  const place = await shop()
  const before = applicationOf(place.database)
  expectOk(await place.run(['backup']))
  pythonSql(place.database, 'DELETE FROM orders; PRAGMA page_size = 16384; VACUUM; PRAGMA journal_mode = wal')
  expectOk(await place.run(['restore', '--latest']))
  expect(applicationOf(place.database)).toEqual(before)
  expect(journalModeOf(place.database)).toBe('wal')
})

test('an idle connection of an application sees the restored content, and its writes land', async () => {
  const place = await shop()
  expectOk(await place.run(['backup']))
  pythonSql(place.database, 'DELETE FROM orders')
  const holder = await hold(place.database, 'SELECT count(*) FROM orders')
  expectOk(await place.run(['restore', '--latest']))
  await holder.release("UPDATE orders SET what = 'after' WHERE id = 1")
  expect(place.query('SELECT what FROM orders WHERE id = 1')).toEqual([{ what: 'after' }])
})

describe('--to', () => {
  test('restores into a new file and leaves the database alone', async () => {
    const { place } = await shopOfThreeBackups()
    pythonSql(place.database, 'DELETE FROM customers')
    const before = traceOf(place.volume)
    const target = join(place.folder, 'look.db')
    const ran = await place.run(['restore', '--latest', '--to', target])
    expectOk(ran)
    expect(customers(target)).toBe('Ada,Grace,Barbara,daily,weekly,manual')
    expect(statSync(target).mode & 0o777).toBe(0o600)
    expect(readdirSync(place.folder).filter(name => /lock/.test(name))).toEqual([])
    expect(traceOf(place.volume)).toEqual(before)
    expect(place.backups()).toHaveLength(3)
  })

  test('is relative to where the command runs', async () => {
    const { place } = await shopOfThreeBackups()
    expectOk(await place.run(['restore', '--latest', '--to', 'look.db']))
    expect(existsSync(join(place.folder, 'look.db'))).toBe(true)
  })

  test('refuses a path at which there is something', async () => {
    const { place } = await shopOfThreeBackups()
    const target = join(place.folder, 'there.db')
    for (const make of [() => writeFileSync(target, ''), () => writeFileSync(target, 'text')]) {
      make()
      const before = readFileSync(target)
      const ran = await place.run(['restore', '--latest', '--to', target])
      expectRefused(ran, 64, target, 'there already')
      expect(readFileSync(target)).toEqual(before)
    }
    expectRefused(await place.run(['restore', '--latest', '--to', place.database]), 64, place.database)
  })

  test('refuses a path beside which the log of a database that was is left: it would change what is restored', async () => {
    const { place } = await shopOfThreeBackups()
    const target = join(place.folder, 'gone.db')
    writeFileSync(`${target}-wal`, 'frames')
    expectRefused(await place.run(['restore', '--latest', '--to', target]), 65, `${target}-wal`)
    expect(existsSync(target)).toBe(false)
    expect(readFileSync(`${target}-wal`, 'utf8')).toBe('frames')
  })
})

describe('a database that is damaged', () => {
  const damages: readonly [string, (bytes: Buffer) => unknown][] = [
    ['whose header is gone', bytes => bytes.fill(0xff, 0, 100)],
    ['whose schema is gone', bytes => bytes.fill(0xff, 100, 4096)],
  ]
  test.each(damages)('%s is kept as it is, then replaced', async (_, damage) => {
    const place = await shop()
    const before = applicationOf(place.database)
    expectOk(await place.run(['backup']))
    const [good] = place.backups()
    const bytes = readFileSync(place.database)
    damage(bytes)
    writeFileSync(place.database, bytes)
    expectRefused(await place.run(['run']), 65, 'restore --latest')
    const ran = await place.run(['restore', '--latest'])
    expectOk(ran)
    expect(applicationOf(place.database)).toEqual(before)
    const [, kept] = place.backups()
    expect(ran.stdout).toContain(`was damaged; its bytes are kept as they were: ${kept}`)
    // It is no good backup, but its bytes can be had.
    expect(JSON.parse((await place.run(['restore', '--latest', '--json'])).stdout).restored).toBe(good)
    expectRefused(await place.run(['restore', '--id', kept!]), 65, 'damaged database', '--to PATH')
    expectOk(await place.run(['restore', '--id', kept!, '--to', 'damaged.db']))
    expect(readFileSync(join(place.folder, 'damaged.db'))).toEqual(bytes)
  })

  test('does not come back by an undo, which says how its bytes can be had', async () => {
    const place = await shop()
    expectOk(await place.run(['backup']))
    pythonSql(place.database, 'DELETE FROM orders')
    expectOk(await place.run(['restore', '--latest']))
    writeFileSync(place.database, 'Dear diary,\n'.repeat(1000))
    expectOk(await place.run(['restore', '--latest']))
    const trace = traceOf(place.volume)
    expectRefused(await place.run(['restore', '--undo']), 65, place.backups().at(-1)!, '--to PATH')
    expect(traceOf(place.volume)).toEqual(trace)
  })

  test('is kept with the log that lies beside it', async () => {
    const place = await shop({ mode: 'wal' })
    expectOk(await place.run(['backup']))
    const peer = await hold(place.database, "UPDATE orders SET what = 'in the log'")
    await peer.kill()
    const log = readFileSync(`${place.database}-wal`)
    // Without the page that the header is on, SQLite cannot make sense of the log either.
    log.fill(0, 32)
    writeFileSync(`${place.database}-wal`, log)
    writeFileSync(place.database, readFileSync(place.database).fill(0xff, 0, 100))
    expectOk(await place.run(['restore', '--latest']))
    expect(place.query("SELECT count(*) AS n FROM orders WHERE what = 'in the log'")).toEqual([{ n: 0 }])
    const [, first] = place.backups()
    expectOk(await place.run(['restore', '--id', first!, '--to', 'the.log']))
    expect(readFileSync(join(place.folder, 'the.log'))).toEqual(log)
  })

  test.each([
    ['with the first page in it', 'CREATE TABLE later (n)'],
    ['without', "UPDATE orders SET what = 'in the log'"],
  ])('is kept apart from a log that is whole, %s: neither is written into the other', async (_, statement) => {
    const place = await shop({ mode: 'wal' })
    expectOk(await place.run(['backup']))
    const peer = await hold(place.database, statement)
    await peer.kill()
    const log = readFileSync(`${place.database}-wal`)
    const bytes = readFileSync(place.database).fill('Dear diary, ')
    writeFileSync(place.database, bytes)
    expectOk(await place.run(['restore', '--latest']))
    const [, first, second] = place.backups()
    expectOk(await place.run(['restore', '--id', first!, '--to', 'the.log']))
    expect(readFileSync(join(place.folder, 'the.log'))).toEqual(log)
    expectOk(await place.run(['restore', '--id', second!, '--to', 'the.file']))
    expect(readFileSync(join(place.folder, 'the.file'))).toEqual(bytes)
  })

  test('and is gone but for its log: the log is not thrown away', async () => {
    const place = await shop({ mode: 'wal' })
    expectOk(await place.run(['backup']))
    rmSync(place.database)
    writeFileSync(`${place.database}-wal`, 'the last transactions')
    expectRefused(await place.run(['restore', '--latest']), 65, 'app.db-wal', 'keep a copy')
    renameSync(`${place.database}-wal`, `${place.database}-wal.kept`)
    expectOk(await place.run(['restore', '--latest']))
  })
})

describe('a backup that turns out to be damaged', () => {
  /** Damages what only the newest backup has. */
  async function shopWithDamagedBackup() {
    const place = await shop()
    const chunks = () => readdirSync(join(place.repository, 'chunks'), { recursive: true, encoding: 'utf8' })
    expectOk(await place.run(['backup']))
    const before = new Set(chunks())
    pythonSql(place.database, 'DELETE FROM orders')
    expectOk(await place.run(['backup']))
    for (const name of chunks())
      if (name.endsWith('.zst') && !before.has(name)) rmSync(join(place.repository, 'chunks', name))
    const [older, newer] = place.backups()
    return { place, older: older!, newer: newer! }
  }

  test('is passed over for the next older one, with a warning that names the object', async () => {
    const { place, older, newer } = await shopWithDamagedBackup()
    const ran = await place.run(['restore', '--latest', '--json'])
    expectOk(ran)
    const { passedOver, restored } = JSON.parse(ran.stdout)
    expect(restored).toBe(older)
    expect(passedOver).toEqual([{ id: newer, reason: expect.stringMatching(/chunks\/.*missing/) }])
    expect(ran.stderr).toContain('passed over')
  })

  test('is not where it was asked for by name', async () => {
    const { place, newer } = await shopWithDamagedBackup()
    const trace = traceOf(place.volume)
    expectRefused(await place.run(['restore', '--id', newer]), 65, newer, 'chunks/')
    expect(traceOf(place.volume)).toEqual(trace)
  })
})

describe('--undo', () => {
  test('brings back what was there before the last restore, and is undone by another', async () => {
    const { place } = await shopOfThreeBackups()
    pythonSql(place.database, "UPDATE customers SET name = 'changed'")
    expectOk(await place.run(['restore', '--latest']))
    const restored = applicationOf(place.database)
    expectOk(await place.run(['restore', '--undo']))
    expect(customers(place.database)).toBe('changed,changed,changed,changed,changed,changed')
    expectOk(await place.run(['restore', '--undo']))
    expect(applicationOf(place.database)).toEqual(restored)
  })

  test('is refused where there was no restore', async () => {
    const { place, ids } = await shopOfThreeBackups()
    expectRefused(await place.run(['restore', '--undo']), 66, 'nothing to undo', ids[2])
  })
})

test('it is in the history, and the schema need not be looked at anew', async () => {
  const { place, ids } = await shopOfThreeBackups()
  expectOk(await place.run(['restore', '--id', ids[0], '--pod', 'app-0']))
  const { attempts } = JSON.parse((await place.run(['history', '--json'])).stdout)
  expect(attempts[0]).toMatchObject({
    action: 'restore',
    outcome: 'ok',
    backup_id: ids[0],
    from_level: 'v001_shop',
    to_level: 'v001_shop',
    pod: 'app-0',
    schema_fingerprint: attempts[1].schema_fingerprint,
  })
})

describe('says what is next', () => {
  test('where migrations are pending', async () => {
    const { place } = await shopOfThreeBackups()
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await place.run(['run']))
    const ran = await place.run(['restore', '--latest'])
    expect(ran.stdout).toContain('1 of the migrations here is pending, v002_carts: lockkeeper run applies them')
  })

  test('where nothing is', async () => {
    const { place } = await shopOfThreeBackups()
    const ran = await place.run(['restore', '--latest'])
    expect(ran.stdout).toContain('at the level of the migrations here (v001_shop), nothing is pending')
  })

  test('where the backup is newer than the migrations', async () => {
    const { place } = await shopOfThreeBackups()
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await place.run(['run']))
    expectOk(await place.run(['backup']))
    rmSync(join(place.migrations, 'v002_carts.sql'))
    const ran = await place.run(['restore', '--latest'])
    expectOk(ran)
    expect(ran.stdout).toContain('do not fit it: the database is at v002_carts')
  })

  test('and nothing that is not known, where there are no migrations', async () => {
    const { place } = await shopOfThreeBackups()
    rmSync(place.migrations, { recursive: true })
    const ran = await place.run(['restore', '--latest'], { LOCKKEEPER_MIGRATIONS: undefined })
    expectOk(ran)
    expect(ran.output).not.toContain('cannot be read')
    expect(ran.stdout).toContain('lockkeeper status says whether migrations are pending')
  })
})

test('without any backup it is refused', async () => {
  const place = await shop()
  expectRefused(await place.run(['restore', '--latest']), 66, 'no backup')
  expect(traceOf(place.repository)).toEqual({})
})

test('it is in the sentence for a person: what, from when, and what to do next', async () => {
  const { place, ids } = await shopOfThreeBackups()
  const { stdout } = await place.run(['restore', '--latest'])
  expect(stdout).toContain(`${place.database} is ${ids[2]} now, at v001_shop`)
  expect(stdout).toMatch(/what was there before is kept: 0000000\d-.*pre-restore/)
  expect(stdout).toContain('lockkeeper restore --undo')
})
