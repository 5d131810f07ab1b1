import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectOk, expectRefused, type Ran } from '../support/cli.ts'
import { pythonSql, sqlite3 } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { newPlace, traceOf, type Workplace } from '../support/workplace.ts'

const carts =
  '-- migrate:up\nCREATE TABLE carts (n INT);\nALTER TABLE customers ADD COLUMN phone TEXT;\n-- migrate:down\nSELECT 1;\n'

async function placeAhead(): Promise<Workplace> {
  const place = await shop()
  place.migration('v002_carts', carts)
  return place
}
const documentOf = (ran: Ran) => JSON.parse(ran.stdout)

test('the schema of the database is a script that makes it, without the record of Lockkeeper', async () => {
  const place = await shop()
  const before = traceOf(place.volume)
  const ran = await place.run(['schema'])
  expectOk(ran)
  expect(traceOf(place.volume)).toEqual(before)
  const copy = join(place.folder, 'copy.db')
  sqlite3(copy, ran.stdout)
  expect(sqlite3(copy, 'SELECT name FROM sqlite_schema ORDER BY name')).toBe('customers\norders\norders_by_customer\n')
})

test('the SQL from the database to the migrations leads there', async () => {
  const place = await placeAhead()
  const ran = await place.run(['schema', '--diff', 'database', 'migrations'])
  expectOk(ran)
  expect(ran.stdout.split('\n')).toEqual([
    '-- + table carts',
    '-- + column customers.phone',
    '',
    'CREATE TABLE carts (n INT);',
    'ALTER TABLE "customers" ADD COLUMN phone TEXT;',
    '',
    '-- 2 differences between database and migrations.',
    '',
  ])
  sqlite3(place.database, ran.stdout)
  expect((await place.run(['schema', '--diff', 'database', 'migrations'])).stdout).toContain('have the same schema')
  expect(place.query('SELECT name FROM customers')).toHaveLength(3)
})

test('back from there, what would be lost is said', async () => {
  const place = await placeAhead()
  const ran = await place.run(['schema', '--diff', 'migrations', 'migrations@v001_shop', '--json'], {
    DATABASE_URL: undefined,
  })
  expectOk(ran)
  expect(documentOf(ran)).toMatchObject({
    from: 'migrations',
    to: 'migrations@v001_shop',
    differences: [
      { kind: 'extra', object: 'table', name: 'carts' },
      { kind: 'extra', object: 'column', name: 'customers.phone' },
    ],
    sql: expect.stringMatching(/-- What is in it is lost\.\nALTER TABLE "customers" DROP COLUMN "phone";/),
    left: [],
  })
})

test('a backup and a file from elsewhere are read in the sandbox, and are left as they are', async () => {
  const place = await shop()
  expectOk(await place.run(['backup']))
  const file = join(place.folder, 'elsewhere.db')
  copyFileSync(place.database, file)
  pythonSql(file, 'CREATE TABLE more (n)')
  const before = traceOf(place.folder)
  const [id = ''] = place.backups()
  const ran = await place.run(['schema', '--diff', `backup:${id.slice(0, 8)}`, `file:${file}`, '--json'])
  expectOk(ran)
  expect(documentOf(ran)).toMatchObject({
    differences: [{ kind: 'missing', name: 'more' }],
    sql: 'CREATE TABLE more (n);',
  })
  expect(traceOf(place.folder)).toEqual(before)
  expectRefused(await place.run(['schema', 'file:/etc/hostname']), 65, /not a SQLite database|file is not a database/)
})

test('a side that there is not, or that is not set, is refused', async () => {
  const place = await shop()
  expectRefused(await place.run(['schema', 'backups']), 64, 'backups', 'migrations@VERSION')
  expectRefused(await place.run(['schema', 'migrations@v9']), 66, 'v9', 'v001_shop')
  expectRefused(await place.run(['schema', 'file:/nowhere.db']), 66, 'nowhere')
  expectRefused(await place.run(['schema'], { DATABASE_URL: undefined }), 78, 'DATABASE_URL')
  expectRefused(
    await place.run(['schema', 'backup:1'], { LOCKKEEPER_REPOSITORY: undefined }),
    78,
    'LOCKKEEPER_REPOSITORY',
  )
  expect(existsSync('/nowhere.db')).toBe(false)
})

test('a new migration is written like the others, and never over another one', async () => {
  const place = newPlace({ DATABASE_URL: undefined })
  const make = async (name: string) => (await place.run(['new', name])).stdout.trim()
  expect(await make('the first')).toBe(join(place.migrations, 'v001_the_first.sql'))
  expect(await make('Add: phone numbers')).toBe(join(place.migrations, 'v002_add_phone_numbers.sql'))
  expectRefused(await place.run(['new', '...']), 64, 'called by')
  expectRefused(await place.run(['new']), 64, 'name')
})
