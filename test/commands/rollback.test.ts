import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectedAt, structureOf } from '../fossawork/structure.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { fillByPython } from '../support/fossawork.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import {
  applicationOf,
  fossaworkPlace,
  journalModeOf,
  newPlace,
  readCopy,
  traceOf,
  type Workplace,
} from '../support/workplace.ts'

const notInSchema = ['schema_migrations', 'schema_migration_events', 'work_orders_fts_ids']

/** The shop with two more tables, the second of which depends on the first. */
async function shopOfThree(mode: 'delete' | 'wal' = 'delete'): Promise<Workplace> {
  const place = await shop({ mode })
  place.migration(
    'v002_carts',
    '-- migrate:up\nCREATE TABLE carts (n INTEGER PRIMARY KEY);\n-- migrate:down\nDROP TABLE carts;',
  )
  place.migration(
    'v003_items',
    '-- depends: v002_carts\n-- migrate:up\nCREATE TABLE items (cart REFERENCES carts (n));\n-- migrate:down\nDROP TABLE items;',
  )
  expectOk(await place.run(['run']))
  return place
}

const tablesOf = (place: Workplace) => Object.keys(applicationOf(place.database).rows)

describe('goes back', () => {
  test.each([
    ['--version', 'v003_items', ['carts', 'customers', 'orders']],
    ['--to', 'v001_shop', ['customers', 'orders']],
    ['--to', 'v002_carts', ['carts', 'customers', 'orders']],
    ['--steps', '2', ['customers', 'orders']],
  ])('%s %s', async (flag, value, left) => {
    const place = await shopOfThree()
    const before = applicationOf(place.database)
    const ran = await place.run(['rollback', flag, value])
    expectOk(ran)
    expect(tablesOf(place)).toEqual(left)
    expect(applicationOf(place.database).rows['customers']).toEqual(before.rows['customers'])
    expect(place.backups()).toHaveLength(2)
    const again = await place.run(['run'])
    expectOk(again)
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('and records it, in the same places as a deploy', async () => {
    const place = await shopOfThree('wal')
    const ran = await place.run(['rollback', '--steps', '1', '--json'])
    expectOk(ran)
    const result = JSON.parse(ran.stdout)
    expect(result).toMatchObject({
      outcome: 'changed',
      from: 'v003_items',
      level: 'v002_carts',
      versions: [{ version: 'v003_items' }],
    })
    expect(result.backup).toBe(place.backups().at(-1))
    const { attempts, migrations } = JSON.parse((await place.run(['history', '--json'])).stdout)
    expect(attempts[0]).toMatchObject({
      action: 'rollback',
      outcome: 'ok',
      from_level: 'v003_items',
      to_level: 'v002_carts',
    })
    expect(migrations[2]).toMatchObject({ version: 'v003_items', status: 'rolled_back', rollback_applied: 1 })
    expect(Date.parse(migrations[2].rollback_at)).toBeGreaterThan(Date.now() - 600_000)
    expect((await place.run(['plan'])).stdout).toMatch(/v003_items +was taken back at/)
    expect(journalModeOf(place.database)).toBe('wal')
  })

  test('with the reference application, every level and every row below it', async () => {
    const place = fossaworkPlace()
    expectOk(await place.run(['run', '--to', 'v002_add_security_tables']))
    fillByPython(place.database, 'v002', 'wal')
    const before = applicationOf(place.database)
    expectOk(await place.run(['run']))
    pythonSql(
      place.database,
      "UPDATE data_retention_policies SET retention_days = 1 WHERE data_type = 'user_activities'",
    )
    expectRefused(
      await place.run(['rollback', '--to', 'v002_add_security_tables']),
      65,
      'data_retention_policies had 8 rows',
      '--allow-row-loss',
    )
    // What the migrations put in themselves, and nobody has changed, they may take away again.
    pythonSql(
      place.database,
      "UPDATE data_retention_policies SET retention_days = 365 WHERE data_type = 'user_activities'",
    )
    expectOk(await place.run(['rollback', '--to', 'v003_add_indexes']))
    // The search holds what the work orders say, which is no seed.
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'work_orders_fts had 12 rows')
    expectOk(await place.run(['rollback', '--steps', '1', '--allow-row-loss']))
    readCopy(place.database, db => expect(structureOf(db, notInSchema)).toEqual(expectedAt('v002_add_security_tables')))
    const { rows } = applicationOf(place.database)
    expect({ ...rows, sqlite_sequence: [] }).toEqual({ ...before.rows, sqlite_sequence: [] })
  })

  test('by the down that was stored, where the file is gone: an older image can still go back', async () => {
    const place = await shopOfThree()
    rmSync(join(place.migrations, 'v003_items.sql'))
    expectRefused(await place.run(['run']), 76, 'v003_items')
    expectOk(await place.run(['rollback', '--to', 'v002_carts']))
    expect(tablesOf(place)).toEqual(['carts', 'customers', 'orders'])
    expect((await place.run(['run'])).stdout).toContain('Nothing to do: the database is at v002_carts')
  })

  test.each(['-- transaction: off', '-- foreign_keys: on'])(
    'by an older image that knows none of them, where one needs a transaction of its own (%s)',
    async directive => {
      const place = await shop()
      const before = applicationOf(place.database)
      const column = (name: string) =>
        `-- migrate:up\nALTER TABLE orders ADD COLUMN ${name};\n-- migrate:down\nALTER TABLE orders DROP COLUMN ${name};\n`
      place.migration('v002_price', column('price'))
      place.migration('v003_weight', `${directive}\n${column('weight')}`)
      expectOk(await place.run(['run']))
      for (const version of ['v002_price', 'v003_weight']) rmSync(join(place.migrations, `${version}.sql`))
      expectOk(await place.run(['run', '--on-newer-schema', 'rollback']))
      expect(applicationOf(place.database)).toEqual(before)
      expect((await place.run(['run'])).stdout).toContain('Nothing to do: the database is at v001_shop')
    },
  )

  test('by an older image that goes on where it was stopped before', async () => {
    const place = await shop()
    const before = applicationOf(place.database)
    place.migration(
      'v002_price',
      '-- transaction: off\n-- migrate:up\nALTER TABLE orders ADD COLUMN price;\n-- migrate:down\nALTER TABLE orders DROP COLUMN price;\nDROP TABLE nowhere;',
    )
    expectOk(await place.run(['run']))
    rmSync(join(place.migrations, 'v002_price.sql'))
    expectRefused(await place.run(['run', '--on-newer-schema', 'rollback']), 1, 'nowhere')
    for (const policy of ['fail', 'allow'])
      expectRefused(await place.run(['run', '--on-newer-schema', policy]), 76, 'v002_price was stopped in the middle')
    pythonSql(place.database, 'CREATE TABLE nowhere (n)')
    expectOk(await place.run(['run', '--on-newer-schema', 'rollback']))
    expect(applicationOf(place.database)).toEqual(before)
  })
})

describe('is refused, and nothing is touched', () => {
  const refusals: readonly [string, readonly string[], number, readonly (string | RegExp)[]][] = [
    [
      'a version on which an applied one depends',
      ['--version', 'v002_carts'],
      65,
      ['v003_items depends on v002_carts'],
    ],
    ['a version that is not applied', ['--version', 'v009_nothing'], 66, ['v009_nothing is not applied', 'v003_items']],
    ['a level that is not applied', ['--to', 'v009_nothing'], 66, ['v009_nothing is not applied']],
    ['more steps than there are', ['--steps', '4'], 66, ['4 steps', 'only 3']],
  ]
  test.each(refusals)('%s', async (_, args, exit, culprits) => {
    const place = await shopOfThree()
    const before = [traceOf(place.volume), traceOf(place.repository)]
    expectRefused(await place.run(['rollback', ...args]), exit, ...culprits)
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('a migration without a down, file and record alike', async () => {
    const place = await shop()
    place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await place.run(['run']))
    const before = [traceOf(place.volume), traceOf(place.repository)]
    const [backup = ''] = place.backups()
    expectRefused(
      await place.run(['rollback', '--steps', '1']),
      65,
      'v002_carts has no down',
      `lockkeeper restore --id ${backup}`,
    )
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('where there is no database', async () => {
    const place = newPlace()
    place.migration('v001_t', '-- migrate:up\nCREATE TABLE t (n);')
    expectRefused(await place.run(['rollback', '--steps', '1']), 66, place.database)
    expect(Object.keys(traceOf(place.volume))).toEqual([''])
  })

  test('without a repository', async () => {
    const place = await shopOfThree()
    expectRefused(
      await place.run(['rollback', '--steps', '1'], { LOCKKEEPER_REPOSITORY: undefined }),
      78,
      '--no-backup',
    )
    expectOk(await place.run(['rollback', '--steps', '1', '--no-backup'], { LOCKKEEPER_REPOSITORY: undefined }))
  })

  test('while somebody uses the database', async () => {
    const place = await shopOfThree()
    const holder = await hold(place.database, 'BEGIN IMMEDIATE')
    expectRefused(await place.run(['rollback', '--steps', '1', '--lock-timeout', '200ms']), 75, 'in use')
    await holder.release()
  })
})

describe('a loss of rows', () => {
  test('is refused by table and number, and undone', async () => {
    const place = await shopOfThree()
    pythonSql(place.database, 'INSERT INTO carts VALUES (1), (2)')
    const before = applicationOf(place.database)
    expectRefused(
      await place.run(['rollback', '--to', 'v001_shop']),
      65,
      'carts had 2 rows and is gone',
      '--allow-row-loss',
    )
    expect(applicationOf(place.database)).toEqual(before)
    const [failed] = JSON.parse((await place.run(['history', '--json'])).stdout).attempts
    expect(failed).toMatchObject({ action: 'rollback', outcome: 'failed' })
    expect(place.query("SELECT count(*) AS n FROM schema_migrations WHERE status = 'applied'")).toEqual([{ n: 3 }])
  })

  test.each([
    [['--allow-row-loss'], {}],
    [[], { LOCKKEEPER_ALLOW_ROW_LOSS: 'true' }],
  ])('is allowed with %j %j', async (args, env) => {
    const place = await shopOfThree()
    pythonSql(place.database, 'INSERT INTO carts VALUES (1), (2)')
    const ran = await place.run(['rollback', '--to', 'v001_shop', ...args], env)
    expectOk(ran)
    expect(ran.stdout).toContain('carts: 2 rows before, the table is gone')
    expect(ran.stdout).toContain('1 table dropped, without rows: items')
  })
})

describe('rows that the up itself put in', () => {
  const seeds = `-- migrate:up
    CREATE TABLE plans (name TEXT PRIMARY KEY, price);
    INSERT INTO plans VALUES ('free', 0), ('paid', 9);
    CREATE TABLE names AS SELECT name FROM customers;
    INSERT INTO customers VALUES (100, 'nobody');
    INSERT OR IGNORE INTO customers VALUES (1, 'Ada');
    -- migrate:down
    DROP TABLE plans;
    DROP TABLE names;
    DELETE FROM customers WHERE id IN (1, 100);`

  async function seeded() {
    const place = await shop()
    pythonSql(place.database, 'DELETE FROM orders WHERE customer_id = 1')
    place.migration('v002_seeds', seeds)
    expectOk(await place.run(['run']))
    return place
  }

  test('are those that it puts into an empty database as well, and none that were there', async () => {
    const place = await seeded()
    const [row] = place.query("SELECT metadata_json FROM schema_migrations WHERE version = 'v002_seeds'")
    const { own } = JSON.parse(String(row?.['metadata_json']))
    expect(Object.keys(own).toSorted()).toEqual(['customers', 'plans'])
    expect(Object.keys(own.plans)).toEqual(['free', 'paid'])
    expect(Object.keys(own.customers)).toEqual(['100'])
    // Ada was there before, and the names are hers and others'.
    expectRefused(
      await place.run(['rollback', '--steps', '1']),
      65,
      'names had 3 rows and is gone',
      'customers had 4 rows and would have 2',
    )
    pythonSql(place.database, 'DELETE FROM names; DELETE FROM customers WHERE id = 1')
    expectOk(await place.run(['rollback', '--steps', '1']))
    expect(place.query('SELECT id FROM customers')).toEqual([{ id: 2 }, { id: 3 }])
  })

  test.each([
    ['changed', "UPDATE plans SET price = 10 WHERE name = 'paid'", 'plans had 2 rows and is gone'],
    ['joined by others', "INSERT INTO plans VALUES ('gold', 99)", 'plans had 3 rows and is gone'],
  ])('need a permission to go once they are %s', async (_, change, culprit) => {
    const place = await seeded()
    pythonSql(place.database, `DELETE FROM names; DELETE FROM customers WHERE id = 1; ${change}`)
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, culprit, '--allow-row-loss')
  })

  test.each([
    ['without a column', "DELETE FROM plans WHERE name LIKE 'mine%'; ALTER TABLE plans DROP COLUMN price;"],
    [
      'in a table that was rebuilt',
      `CREATE TABLE new_plans (name TEXT PRIMARY KEY);
       INSERT INTO new_plans SELECT name FROM plans WHERE name NOT LIKE 'mine%';
       DROP TABLE plans;
       ALTER TABLE new_plans RENAME TO plans;`,
    ],
    [
      'in a table that was rebuilt without its key',
      `CREATE TABLE new_plans AS SELECT * FROM plans WHERE name NOT LIKE 'mine%';
       DROP TABLE plans;
       ALTER TABLE new_plans RENAME TO plans;`,
    ],
  ])('let no others go in their stead while they are there %s', async (_, down) => {
    const place = await shop()
    place.migration(
      'v002_plans',
      '-- migrate:up\nCREATE TABLE plans (name TEXT PRIMARY KEY);\n-- migrate:down\nSELECT 1;',
    )
    place.migration(
      'v003_prices',
      `-- migrate:up
       ALTER TABLE plans ADD COLUMN price;
       INSERT INTO plans VALUES ('free', 0), ('paid', 9);
       -- migrate:down
       ${down}`,
    )
    expectOk(await place.run(['run']))
    pythonSql(place.database, "INSERT INTO plans VALUES ('mine1', 1), ('mine2', 2)")
    expectRefused(
      await place.run(['rollback', '--steps', '1']),
      65,
      'plans had 4 rows and would have 2',
      '--allow-row-loss',
    )
    expect(place.query('SELECT count(*) AS n FROM plans')).toEqual([{ n: 4 }])
  })
})

test('a down that fails is named and undone, and what it should have undone stays applied', async () => {
  const place = await shop()
  place.migration(
    'v002_carts',
    '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;\nDROP TABLE nowhere;',
  )
  expectOk(await place.run(['run']))
  const before = applicationOf(place.database)
  expectRefused(await place.run(['rollback', '--steps', '1']), 1, 'v002_carts', 'v002_carts.sql:5', 'nowhere')
  expect(applicationOf(place.database)).toEqual(before)
  expect((await place.run(['run'])).stdout).toContain('Nothing to do: the database is at v002_carts')
})

test('a down that does not lead back to the schema before is undone', async () => {
  const place = await shop()
  place.migration(
    'v002_index',
    '-- migrate:up\nCREATE INDEX orders_by_what ON orders (what);\n-- migrate:down\nDROP INDEX orders_by_what;\nDROP INDEX orders_by_customer;',
  )
  expectOk(await place.run(['run']))
  const before = applicationOf(place.database)
  expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'orders_by_customer')
  expect(applicationOf(place.database)).toEqual(before)
})

test('there is nothing to do where the database is at the level already', async () => {
  const place = await shopOfThree()
  const before = [traceOf(place.volume), traceOf(place.repository)]
  const ran = await place.run(['rollback', '--to', 'v003_items'])
  expectOk(ran)
  expect(ran.stdout).toBe('Nothing to do: the database is at v003_items.\n')
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
})

test('all the way back leaves an empty schema, from which a deploy goes up again', async () => {
  const place = await shopOfThree()
  expectOk(await place.run(['rollback', '--steps', '3', '--allow-row-loss']))
  expect(applicationOf(place.database).schema).toEqual([])
  expectOk(await place.run(['run']))
  expect(tablesOf(place)).toEqual(['carts', 'customers', 'items', 'orders'])
})
