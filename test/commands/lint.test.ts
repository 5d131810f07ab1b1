import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { newPlace, type Workplace } from '../support/workplace.ts'

const first =
  '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);\n-- migrate:down\nDROP TABLE customers;\n'
const losing = '-- migrate:up\nDELETE FROM customers;\nDELETE FROM customers;\n'

function placeWith(second: string): Workplace {
  // Nothing else is to be set: there is no database where this runs.
  const place = newPlace({ DATABASE_URL: undefined, LOCKKEEPER_REPOSITORY: undefined })
  place.migration('v001_customers', first)
  place.migration('v002_next', second)
  return place
}

test('sound migrations are said to be so, without a database', async () => {
  const place = placeWith(
    '-- migrate:up\nALTER TABLE customers ADD COLUMN phone;\n-- migrate:down\nALTER TABLE customers DROP COLUMN phone;\n',
  )
  const ran = await place.run(['lint'])
  expectOk(ran)
  expect(ran.stdout).toBe('2 migrations: 0 to mend, 0 to look at.\n')
  expect(ran.stderr).toBe('')
})

test('a rule that fails is 65, by file and line', async () => {
  const place = placeWith(losing)
  const ran = await place.run(['lint', '--migrations', 'migrations'], { LOCKKEEPER_MIGRATIONS: undefined })
  expect(ran.exit).toBe(65)
  expect(ran.stdout.split('\n')).toEqual([
    'migrations/v002_next.sql:1: warn: it has no down [no-down]',
    'migrations/v002_next.sql:2: fail: deletes rows of customers without a permission [row-loss]',
    'migrations/v002_next.sql:3: fail: deletes rows of customers without a permission [row-loss]',
    '2 migrations: 2 to mend, 1 to look at.',
    '',
  ])
})

test('warnings alone are no failure', async () => {
  const ran = await placeWith('-- migrate:up\nCREATE TABLE t (n);\n').run(['lint'])
  expectOk(ran)
  expect(ran.stdout).toContain('0 to mend, 1 to look at')
})

test('with --json it is one document', async () => {
  const place = placeWith('-- lint-ignore: no-down: none is needed\n-- migrate:up\nDELETE FROM customers;\n')
  const ran = await place.run(['lint', '--json', '--since', 'v001_customers'])
  expect(ran.exit).toBe(65)
  const file = join(place.migrations, 'v002_next.sql')
  const common = {
    severity: expect.any(String),
    version: 'v002_next',
    file,
    line: expect.any(Number),
    message: expect.any(String),
  }
  expect(JSON.parse(ran.stdout)).toEqual({
    folder: place.migrations,
    versions: ['v002_next'],
    sound: false,
    findings: [{ ...common, rule: 'row-loss', severity: 'fail', line: 3 }],
    silenced: [{ ...common, rule: 'no-down', severity: 'warn', reason: 'none is needed' }],
    stoppedAt: null,
  })
})

test('as annotations for GitHub, what would end one is escaped', async () => {
  const place = placeWith(
    '-- migrate:up\nCREATE TABLE "100%,\n:" (n);\nDROP TABLE customers;\n-- migrate:down\nSELECT 1;\n',
  )
  const ran = await place.run(['lint', '--format', 'github'])
  expect(ran.exit).toBe(65)
  expect(ran.stdout.split('\n').filter(line => line.startsWith('::'))).toEqual([
    '::error file=migrations/v002_next.sql,line=4,title=lockkeeper lint%3A row-loss::drops the table customers without a permission',
    expect.stringMatching(
      /^::error file=migrations\/v002_next\.sql,line=5,title=lockkeeper lint%3A broken-down::.*table 100%25,%0A: is left over/,
    ),
  ])
})

test('a file that is no migration, and an unknown format, are refused', async () => {
  expectRefused(await placeWith('DROP TABLE customers;').run(['lint']), 65, 'v002_next.sql', 'migrate:up')
  expectRefused(await placeWith(first).run(['lint', '--format', 'xml']), 64, 'xml', 'github')
  expectRefused(await placeWith(first).run(['lint', '--since', 'v9']), 66, 'v9', 'v001_customers')
})
