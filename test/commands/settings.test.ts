/** Settings as the program reads them: from flags, from the environment, from DATABASE_URL in all its forms. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

const forms: readonly [string, (place: Workplace) => string][] = [
  ['an absolute path', ({ database }) => database],
  ['a relative path', () => 'volume/app.db'],
  ['an absolute file: URL', ({ database }) => pathToFileURL(database).href],
  ['a relative file: URL', () => 'file:volume/app.db?mode=rw'],
  ['an absolute sqlite: URL', ({ database }) => `sqlite:///${database}`],
  ['an absolute sqlite: URL with a driver', ({ database }) => `sqlite+aiosqlite:///${database}?timeout=5`],
  ['a relative sqlite: URL', () => 'sqlite:///volume/app.db'],
  ["the application's own", () => 'sqlite:///./volume/app.db'],
]

test.each(forms)('DATABASE_URL as %s leads to the database', async (_, write) => {
  const place = await shop()
  const ran = await place.run(['status', '--json'], { DATABASE_URL: write(place) })
  expectOk(ran)
  expect(JSON.parse(ran.stdout)).toMatchObject({ database: place.database, level: 'v001_shop' })
})

test('three slashes that could mean two files that are both there are refused with both', async () => {
  const place = await shop()
  const relative = join(place.folder, place.database)
  mkdirSync(dirname(relative), { recursive: true })
  copyFileSync(place.database, relative)
  const before = traceOf(place.folder)
  expectRefused(
    await place.run(['run'], { DATABASE_URL: `sqlite://${place.database}` }),
    78,
    place.database,
    relative,
    'four slashes',
  )
  expect(traceOf(place.folder)).toEqual(before)
})

test.each([['postgres://me:hidden@host/db'], [':memory:'], ['sqlite://']])('%s is refused', async url => {
  const place = await shop()
  const ran = await place.run(['run'], { DATABASE_URL: url })
  expectRefused(ran, 78, 'DATABASE_URL', 'sqlite:////absolute/path.db')
  expect(ran.output).not.toContain('hidden')
})

describe('what is wrong with the settings', () => {
  test('is said all at once, before anything is read', async () => {
    const place = await shop()
    const env = {
      DATABASE_URL: undefined,
      LOCKKEEPER_TIMEOUT: 'soon',
      LOCKKEEPER_DRIFT: 'perhaps',
      LOCKKEEPER_REPOSITORY: '/backups',
    }
    const ran = await place.run(['run', '--lock-timeout', '5', '--migrations', '/nowhere'], env)
    expectRefused(
      ran,
      78,
      'DATABASE_URL (--database <url>) is not set',
      'LOCKKEEPER_TIMEOUT (--timeout <duration>): "soon" is not a duration',
      'LOCKKEEPER_DRIFT (--drift <fail|warn>) should be one of [fail, warn], not "perhaps"',
      'LOCKKEEPER_REPOSITORY (--repository <url>): a repository is a URL: file:///backups',
      'LOCKKEEPER_LOCK_TIMEOUT (--lock-timeout <duration>): "5" is not a duration',
    )
    expect(ran.output).not.toContain('/nowhere')
  })

  test('is no matter where a flag says it right', async () => {
    const place = await shop()
    expectOk(await place.run(['run', '--timeout', '5m'], { LOCKKEEPER_TIMEOUT: 'soon' }))
  })
})

test('flags win over the environment', async () => {
  const place = await shop()
  const ran = await place.run(['status', '--json', '--database', place.database], { DATABASE_URL: '/elsewhere/app.db' })
  expect(JSON.parse(ran.stdout).database).toBe(place.database)
})

test('an empty variable is as if it were not set', async () => {
  const place = await shop()
  expectOk(
    await place.run(['run'], {
      LOCKKEEPER_TIMEOUT: '',
      LOCKKEEPER_ADOPT: '',
      LOCKKEEPER_IGNORE: '',
      LOCKKEEPER_LOG_FORMAT: '',
    }),
  )
})
