import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, messagesOf } from '../support/cli.ts'
import { pythonSql, sqlite3 } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, journalModeOf, type Workplace } from '../support/workplace.ts'

const rowsOf = (place: Workplace, table: string) => applicationOf(place.database).rows[table]

function directives(place: Workplace, content: object): void {
  writeFileSync(join(place.migrations, 'lockkeeper.json'), JSON.stringify(content))
}

describe('allow-row-loss', () => {
  test('lets the named tables lose rows, and vanish', async () => {
    const place = await shop()
    place.migration(
      'v002_tidy',
      '-- allow-row-loss: orders, customers\n-- migrate:up\nDROP TABLE orders;\nDELETE FROM customers WHERE id > 1;',
    )
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(applicationOf(place.database).rows).toEqual({ customers: [{ id: 1, name: 'Ada' }] })
    expect(ran.stdout).toContain('customers: 3 rows before, 1 now')
    expect(ran.stdout).toContain('orders: 4 rows before, the table is gone')
  })

  test('says nothing about other tables', async () => {
    const place = await shop()
    place.migration('v002_tidy', '-- migrate:up\n-- allow-row-loss: customers\nDELETE FROM orders;')
    expectRefused(await place.run(['run']), 65, 'orders had 4 rows and would have 0')
    expect(rowsOf(place, 'orders')).toHaveLength(4)
  })

  test('of one migration says nothing about another', async () => {
    const place = await shop()
    place.migration('v002_tidy', '-- allow-row-loss: orders\n-- migrate:up\nDELETE FROM orders WHERE id = 1;')
    place.migration('v003_tidy', '-- migrate:up\nDELETE FROM orders WHERE id = 2;')
    expectRefused(await place.run(['run']), 65, 'v003_tidy')
    expect(rowsOf(place, 'orders')).toHaveLength(4)
  })

  test('does not let a trigger take rows of a table that is not named', async () => {
    const place = await shop()
    place.migration(
      'v002_trigger',
      '-- migrate:up\nCREATE TRIGGER sweep AFTER DELETE ON customers BEGIN DELETE FROM orders WHERE customer_id = old.id; END;',
    )
    expectOk(await place.run(['run']))
    place.migration('v003_tidy', '-- allow-row-loss: customers\n-- migrate:up\nDELETE FROM customers WHERE id = 1;')
    expectRefused(await place.run(['run']), 65, 'orders had 4 rows and would have 2')
  })
})

describe('lockkeeper.json', () => {
  test('gives directives to files that cannot be edited', async () => {
    const place = await shop()
    place.migration('v002_tidy', '-- migrate:up\nDELETE FROM orders;')
    directives(place, { v002_tidy: { description: 'no orders', 'allow-row-loss': ['orders'], depends: ['v001_shop'] } })
    expectOk(await place.run(['run']))
    expect(rowsOf(place, 'orders')).toEqual([])
    expect(place.query("SELECT description FROM schema_migrations WHERE version = 'v002_tidy'")).toEqual([
      { description: 'no orders' },
    ])
  })

  test.each([
    ['is not JSON', '{', 'lockkeeper.json'],
    ['names a version that is not there', '{"v009": {}}', 'v009'],
    ['has a directive that is not known', '{"v001_shop": {"allow-row-los": ["orders"]}}', 'allow-row-los'],
  ])('that %s is refused', async (_, content, culprit) => {
    const place = await shop()
    writeFileSync(join(place.migrations, 'lockkeeper.json'), content)
    expectRefused(await place.run(['run']), 65, 'lockkeeper.json', culprit)
  })
})

describe('transaction: off', () => {
  test('lets a migration VACUUM, on its own between two transactions', async () => {
    const place = await shop()
    pythonSql(
      place.database,
      'CREATE TABLE ballast (b); INSERT INTO ballast VALUES (zeroblob(2000000)); DROP TABLE ballast',
    )
    place.migration('v002_before', '-- migrate:up\nCREATE TABLE carts (n);')
    place.migration('v003_vacuum', '-- transaction: off\n-- migrate:up\nVACUUM;')
    place.migration('v004_after', '-- migrate:up\nCREATE TABLE baskets (n);')
    const plan = JSON.parse((await place.run(['plan', '--json'])).stdout)
    expect(plan.migrations.map(({ batch }: { batch: number }) => batch)).toEqual([1, 2, 3])
    expectOk(await place.run(['run']))
    expect(sqlite3(place.database, 'PRAGMA freelist_count')).toBe('0\n')
    expect(rowsOf(place, 'orders')).toHaveLength(4)
    expect((await place.run(['run'])).stdout).toContain('Nothing to do')
  })

  test('works in WAL mode, which stays', async () => {
    const place = await shop({ mode: 'wal' })
    place.migration('v002_vacuum', '-- transaction: off\n-- migrate:up\nVACUUM;')
    expectOk(await place.run(['run']))
    expect(journalModeOf(place.database)).toBe('wal')
  })

  test('keeps what was committed before a later batch failed, and says so', async () => {
    const place = await shop()
    place.migration('v002_before', '-- migrate:up\nCREATE TABLE carts (n);')
    place.migration('v003_vacuum', '-- transaction: off\n-- migrate:up\nVACUUM;')
    place.migration('v004_bad', '-- migrate:up\nCREATE TABLE baskets (n);\nINSERT INTO nowhere VALUES (1);')
    const ran = await place.run(['run', '--json'])
    expectRefused(ran, 1, 'v004_bad', 'still applied: v002_before, v003_vacuum')
    expect(JSON.parse(ran.stdout).error.details.committed).toEqual(['v002_before', 'v003_vacuum'])
    expect(Object.keys(applicationOf(place.database).rows)).toEqual(['carts', 'customers', 'orders'])
    place.migration('v004_bad', '-- migrate:up\nCREATE TABLE baskets (n);')
    expectOk(await place.run(['run']))
  })
})

describe('foreign_keys: on', () => {
  const cascading = `-- migrate:up
    CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id) ON DELETE CASCADE);
    INSERT INTO parents VALUES (1), (2);
    INSERT INTO children VALUES (1, 1), (2, 1), (3, 2);`

  test('lets a delete cascade, if the loss is allowed', async () => {
    const place = await shop()
    place.migration('v002_family', cascading)
    place.migration(
      'v003_move',
      '-- foreign_keys: on\n-- allow-row-loss: parents, children\n-- migrate:up\nDELETE FROM parents WHERE id = 1;',
    )
    expectOk(await place.run(['run']))
    expect(rowsOf(place, 'children')).toEqual([{ id: 3, parent: 2 }])
  })

  test('does not let a cascade take rows that nobody allowed it to take', async () => {
    const place = await shop()
    place.migration('v002_family', cascading)
    expectOk(await place.run(['run']))
    place.migration(
      'v003_move',
      '-- foreign_keys: on\n-- allow-row-loss: parents\n-- migrate:up\nDELETE FROM parents WHERE id = 1;',
    )
    expectRefused(await place.run(['run']), 65, 'children had 3 rows and would have 1')
    expect(rowsOf(place, 'children')).toHaveLength(3)
  })

  test('is off without it, so that rebuilding a parent does not empty its children', async () => {
    const place = await shop()
    place.migration('v002_family', cascading)
    place.migration(
      'v003_rebuild',
      `-- migrate:up
      PRAGMA foreign_keys = ON;
      CREATE TABLE parents_new (id INTEGER PRIMARY KEY, name TEXT);
      INSERT INTO parents_new SELECT id, NULL FROM parents;
      DROP TABLE parents;
      ALTER TABLE parents_new RENAME TO parents;`,
    )
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(rowsOf(place, 'children')).toHaveLength(3)
    expect(messagesOf(ran, 'migrate').join('\n')).toMatch(/v003_rebuild\.sql:2 left out/)
  })
})

test('what other tools write into their files is left out, and said', async () => {
  const place = await shop()
  place.migration('v002_carts', '-- migrate:up\nBEGIN;\nCREATE TABLE carts (n);\nCOMMIT;')
  const ran = await place.run(['run'])
  expectOk(ran)
  expect(messagesOf(ran, 'migrate').filter(message => message.includes('left out'))).toHaveLength(2)
})

describe('a migration in TypeScript', () => {
  const module = `
    export const description: string = 'shouting'
    export const dependencies = ['v001_shop']
    export function up(db: { function(name: string, body: (text: string) => string): void; exec(sql: string): void }) {
      db.exec('ALTER TABLE customers ADD COLUMN loud TEXT')
      db.function('shout', text => String(text).toUpperCase() + '!')
      db.exec('UPDATE customers SET loud = shout(name)')
    }
    export function down(db: { exec(sql: string): void }) {
      db.exec('ALTER TABLE customers DROP COLUMN loud')
    }
  `

  test('goes up with a function of its own, and down', async () => {
    const place = await shop()
    const before = applicationOf(place.database)
    place.migration('v002_shout.ts', module)
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(rowsOf(place, 'customers')?.[0]).toEqual({ id: 1, name: 'Ada', loud: 'ADA!' })
    expect(place.query("SELECT description FROM schema_migrations WHERE version = 'v002_shout'")).toEqual([
      { description: 'shouting' },
    ])
    expect((await place.run(['run'])).stdout).toContain('Nothing to do')
    expectOk(await place.run(['rollback', '--version', 'v002_shout']))
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('that throws is named and undone', async () => {
    const place = await shop()
    const before = applicationOf(place.database)
    place.migration(
      'v002_bad.ts',
      `export function up(db) { db.exec('CREATE TABLE carts (n)'); throw new Error('out of luck') }`,
    )
    expectRefused(await place.run(['run']), 1, 'v002_bad', 'out of luck', 'v002_bad.ts')
    expect(applicationOf(place.database)).toEqual(before)
  })

  test.each([
    ['commit', `db.exec('COMMIT')`, 'COMMIT'],
    ['attach another database', `db.exec("ATTACH ':memory:' AS other")`, 'ATTACH'],
    ['delete rows unsaid', `db.exec('DELETE FROM orders')`, 'orders had 4 rows'],
  ])('cannot %s', async (_, body, culprit) => {
    const place = await shop()
    const before = applicationOf(place.database)
    place.migration('v002_bad.js', `export async function up(db) { ${body} }`)
    const ran = await place.run(['run'])
    expectRefused(ran, ran.exit === 65 ? 65 : 1, 'v002_bad', culprit)
    expect(applicationOf(place.database)).toEqual(before)
  })

  test('that does not compile is refused before anything is touched', async () => {
    const place = await shop()
    place.migration('v002_bad.ts', 'export function up( {')
    expectRefused(await place.run(['run']), 65, 'v002_bad.ts', 'cannot be imported')
    expect(place.backups()).toEqual([])
  })
})
