import { describe, expect, test } from 'vitest'
import { failingMigrations } from '../fixtures/failing-migrations.ts'
import { expectOk, expectRefused, messagesOf } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, journalModeOf, newPlace } from '../support/workplace.ts'

const mended =
  '-- migrate:up\nALTER TABLE customers ADD COLUMN city TEXT;\n-- migrate:down\nALTER TABLE customers DROP COLUMN city;'

describe.each(['delete', 'wal'] as const)('in %s mode, a migration that', mode => {
  test.each(failingMigrations)(
    '$name is stopped, named and undone, and the next one succeeds',
    async ({ exit, up, culprits }) => {
      const place = await shop({ mode })
      const before = applicationOf(place.database)
      const modeBefore = journalModeOf(place.database)
      place.migration('v002_change', `-- migrate:up\n${up}`)

      expectRefused(await place.run(['run']), exit, ...culprits)

      expect(applicationOf(place.database)).toEqual(before)
      expect(journalModeOf(place.database)).toBe(modeBefore)
      const [backup, ...others] = place.backups()
      expect(others).toEqual([])
      const [failed] = JSON.parse((await place.run(['history', '--json'])).stdout).attempts
      expect(failed).toMatchObject({
        action: 'migrate',
        outcome: 'failed',
        from_level: 'v001_shop',
        to_level: 'v001_shop',
      })
      expect(failed).toMatchObject({ backup_id: backup, versions_json: '["v002_change"]' })
      expect(failed.error_message).toMatch(culprits[0]!)

      place.migration('v002_change', mended)
      expectOk(await place.run(['run']))
      expect(place.query('SELECT version, status, error_message FROM schema_migrations ORDER BY version')).toEqual([
        { version: 'v001_shop', status: 'applied', error_message: null },
        { version: 'v002_change', status: 'applied', error_message: null },
      ])
      expect(applicationOf(place.database).rows['customers']).toHaveLength(3)
    },
  )
})

test('what failed is shown by status, plan and history, also to a person', async () => {
  const place = await shop()
  place.migration('v002_change', '-- migrate:up\nINSERT INTO nowhere VALUES (1);')
  expectRefused(await place.run(['run']), 1, 'nowhere')
  const shown = async (command: string) => (await place.run([command])).stdout
  expect(await shown('status')).toMatch(/pending +v002_change\n/)
  expect(await shown('status')).toMatch(/last +migrate at .*: failed[\s\S]*no such table: nowhere/)
  expect(await shown('plan')).toMatch(/v002_change +failed at .*nowhere/)
  expect(await shown('history')).toMatch(/migrate +failed +v001_shop to v001_shop[\s\S]*no such table: nowhere/)
})

test('all that came before it in the same deploy is undone with it', async () => {
  const place = await shop()
  const before = applicationOf(place.database)
  place.migration('v002_good', '-- migrate:up\nCREATE TABLE carts (n);')
  place.migration('v003_good', "-- migrate:up\nINSERT INTO carts VALUES (1);\nUPDATE customers SET name = 'x';")
  place.migration('v004_bad', '-- migrate:up\nDELETE FROM orders;')
  expectRefused(await place.run(['run']), 65, 'v004_bad', 'orders had 4 rows and would have 0')
  expect(applicationOf(place.database)).toEqual(before)
  expect(place.query("SELECT version FROM schema_migrations WHERE status = 'applied'")).toEqual([
    { version: 'v001_shop' },
  ])
})

test('the rows that went are named as they were before, whatever an earlier migration did to their table', async () => {
  const place = await shop()
  place.migration('v002_rename', '-- migrate:up\nALTER TABLE orders RENAME TO purchases;')
  place.migration('v003_bad', '-- migrate:up\nDELETE FROM purchases WHERE id IN (2, 4);')
  expectRefused(await place.run(['run']), 65, 'purchases had 4 rows and would have 2: gone id 2, 4')
})

test('more than five rows that went are not all named', async () => {
  const place = await shop()
  pythonSql(
    place.database,
    'INSERT INTO orders SELECT id + 10 * customer_id, 1, what FROM orders; INSERT INTO orders SELECT id + 100, 1, what FROM orders',
  )
  place.migration('v002_bad', '-- migrate:up\nDELETE FROM orders WHERE id > 3;')
  expectRefused(await place.run(['run']), 65, /orders had 16 rows and would have 3: gone id 4, 11, 12, 23, 34 and more/)
})

test('a number that was given out once is not given out again after a rebuild', async () => {
  const place = await shop()
  const table = '(id INTEGER PRIMARY KEY AUTOINCREMENT, n)'
  place.migration('v002_tickets', `-- migrate:up\nCREATE TABLE tickets ${table};`)
  expectOk(await place.run(['run']))
  pythonSql(place.database, 'INSERT INTO tickets VALUES (7, 1); DELETE FROM tickets')
  place.migration(
    'v003_rebuild',
    `-- migrate:up\nCREATE TABLE n ${table};\nINSERT INTO n SELECT * FROM tickets;\nDROP TABLE tickets;\nALTER TABLE n RENAME TO tickets;`,
  )
  const ran = await place.run(['run'])
  expectOk(ran)
  expect(messagesOf(ran, 'migrate').join('\n')).toContain('the AUTOINCREMENT counter of tickets stays at 7')
  pythonSql(place.database, 'INSERT INTO tickets (n) VALUES (1)')
  expect(place.query('SELECT id FROM tickets')).toEqual([{ id: 8 }])
})

test('a function that a module defined is not there for a migration after it, whether they run together or not', async () => {
  const place = await shop()
  place.migration('v002_shout.ts', "export function up(db: any) { db.function('shout', (text: string) => text + '!') }")
  place.migration('v003_uses_it', '-- migrate:up\nUPDATE customers SET name = shout(name);')
  expectRefused(await place.run(['run']), 65, 'v003_uses_it', 'no such function: shout', '.ts')
})

test('a table schema_migrations of the application is its own: the record gets another name', async () => {
  const place = newPlace()
  place.migration(
    'v001_rails',
    "-- migrate:up\nCREATE TABLE schema_migrations (version TEXT PRIMARY KEY);\nINSERT INTO schema_migrations VALUES ('2024');",
  )
  expectOk(await place.run(['run']))
  expect(place.query('SELECT version, status FROM lockkeeper_migrations')).toEqual([
    { version: 'v001_rails', status: 'applied' },
  ])
  expect(place.query('SELECT * FROM schema_migrations')).toEqual([{ version: '2024' }])
  expect((await place.run(['run'])).stdout).toContain('Nothing to do')
})

test('and where only a module makes it, the first deploy says so', async () => {
  const place = newPlace()
  place.migration(
    'v001_t.js',
    "export function up(db) { db.exec('CREATE TABLE t (n); ALTER TABLE t RENAME TO schema_migrations') }",
  )
  expectRefused(await place.run(['run']), 65, 'schema_migrations', 'not Lockkeeper')
})

describe('a view that did not work before', () => {
  async function broken() {
    const place = await shop()
    pythonSql(place.database, 'CREATE VIEW wishes AS SELECT nonsense FROM orders')
    return place
  }

  test('keeps SQLite from a rename, and the message says what to do', async () => {
    const place = await broken()
    place.migration('v002_change', '-- migrate:up\nALTER TABLE orders RENAME TO purchases;')
    expectRefused(await place.run(['run']), 1, 'error in view wishes', 'mend or drop it earlier')
    place.migration(
      'v002_change',
      '-- migrate:up\nDROP VIEW IF EXISTS wishes;\nALTER TABLE orders RENAME TO purchases;',
    )
    expectOk(await place.run(['run']))
  })

  test('is none that the migration has broken, although it now fails in another way', async () => {
    const place = await broken()
    const rename = 'PRAGMA legacy_alter_table = ON;\nALTER TABLE orders RENAME TO purchases;'
    place.migration('v002_change', `-- migrate:up\n${rename}`)
    expectOk(await place.run(['run']))
    expect(place.query('SELECT count(*) AS n FROM purchases')).toEqual([{ n: 4 }])
  })

  test('for the want of a function of the application can be broken by one', async () => {
    const place = await shop()
    pythonSql(place.database, 'CREATE VIEW wishes AS SELECT shout(what) FROM orders')
    const rename = 'PRAGMA legacy_alter_table = ON;\nALTER TABLE orders RENAME TO purchases;'
    place.migration('v002_change', `-- migrate:up\n${rename}`)
    expectRefused(await place.run(['run']), 65, 'wishes', 'no such table: main.orders')
  })
})

describe('rows that were orphans before', () => {
  async function shopWithOrphan() {
    const place = await shop()
    pythonSql(place.database, "INSERT INTO orders VALUES (9, 77, 'nobody knows')")
    return place
  }

  test('do not stop a migration that leaves them alone', async () => {
    const place = await shopWithOrphan()
    place.migration('v002_change', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await place.run(['run']))
  })

  test('do not stop a migration that touches their table, and are warned of', async () => {
    const place = await shopWithOrphan()
    place.migration('v002_change', '-- migrate:up\nUPDATE orders SET what = upper(what);')
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(messagesOf(ran, 'validate').join('\n')).toMatch(/1 row of orders refer.*as before/)
    expect(place.query('SELECT what FROM orders WHERE id = 9')).toEqual([{ what: 'NOBODY KNOWS' }])
  })

  test('do not hide those that a migration makes', async () => {
    const place = await shopWithOrphan()
    const before = applicationOf(place.database)
    place.migration('v002_change', '-- migrate:up\nUPDATE orders SET customer_id = 78 WHERE id = 1;')
    expectRefused(await place.run(['run']), 65, '1 row of orders refer by customer_id', 'id 1', 'foreign_keys: on')
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('do not make up for another one that a migration breaks while it mends them', async () => {
    const place = await shopWithOrphan()
    const before = applicationOf(place.database)
    place.migration(
      'v002_change',
      '-- migrate:up\nUPDATE orders SET customer_id = CASE id WHEN 9 THEN 1 WHEN 1 THEN 77 ELSE customer_id END;',
    )
    expectRefused(await place.run(['run']), 65, '1 row of orders refer by customer_id', 'id 1')
    expect(applicationOf(place.database)).toEqual(before)
  })

  test.each([
    'ALTER TABLE orders RENAME TO purchases;',
    'ALTER TABLE orders RENAME COLUMN customer_id TO buyer;',
    'ALTER TABLE customers RENAME TO people;',
  ])('do not stop a migration that renames: %s', async up => {
    const place = await shopWithOrphan()
    place.migration('v002_change', `-- migrate:up\n${up}`)
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(messagesOf(ran, 'validate').join('\n')).toMatch(/1 row of \w+ refer.*as before/)
  })
})

test('a first install that fails leaves no table, and is one again the next time', async () => {
  const place = newPlace()
  place.migration(
    'v001_shop',
    '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);',
  )
  expectRefused(await place.run(['run']), 1, 'v001_shop', 'nowhere')
  expect(applicationOf(place.database).schema).toEqual([])
  place.migration('v001_shop', '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY);')
  expectOk(await place.run(['run']))
  expect(applicationOf(place.database).rows).toEqual({ customers: [] })
})
