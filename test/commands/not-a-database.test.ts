import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop, shopSchema } from '../support/shop.ts'
import { applicationOf, newPlace, traceOf, type Workplace } from '../support/workplace.ts'

function place(): Workplace {
  const made = newPlace()
  made.migration('v001_shop', shopSchema)
  return made
}

const things: readonly [string, (database: string) => void, string][] = [
  ['a text file', database => writeFileSync(database, 'Dear diary,\n'.repeat(100)), 'not a SQLite database'],
  ['a short file', database => writeFileSync(database, 'SQLite'), 'not a SQLite database'],
  ['a folder', database => mkdirSync(database), 'a folder'],
  ['a named pipe', database => execFileSync('mkfifo', [database]), 'not a regular file'],
]

describe.each(things)('%s', (_, make, why) => {
  test.each(['run', 'status', 'plan', 'history', 'validate', 'backup', 'rollback --steps 1'])(
    'is refused by %s and stays as it is',
    async command => {
      const here = place()
      make(here.database)
      const before = why === 'not a regular file' ? {} : traceOf(here.volume)
      expectRefused(await here.run(command.split(' ')), 65, here.database, why)
      if (why !== 'not a regular file') expect(traceOf(here.volume)).toEqual(before)
    },
  )
})

test('a database whose pages are damaged is refused, with the way back', async () => {
  const here = await shop()
  const bytes = readFileSync(here.database)
  bytes.fill(0xff, 100, 4096)
  writeFileSync(here.database, bytes)
  const before = traceOf(here.volume)
  expectRefused(await here.run(['run']), 65, here.database, 'lockkeeper restore --latest')
  expect(traceOf(here.volume)).toEqual(before)
})

test('a log that is left of a database that is gone is not thrown away', async () => {
  const here = place()
  writeFileSync(`${here.database}-wal`, 'the last transactions')
  const before = traceOf(here.volume)
  expectRefused(await here.run(['run']), 65, 'app.db-wal', 'keep')
  expect(traceOf(here.volume)).toEqual(before)
})

describe('a path', () => {
  test('into a folder that is not there is refused, and the folder is not made', async () => {
    const here = place()
    const database = join(here.folder, 'nowhere', 'app.db')
    const ran = await here.run(['run'], { DATABASE_URL: database })
    expect([66, 77]).toContain(ran.exit)
    expectRefused(ran, ran.exit!, join(here.folder, 'nowhere'))
    expect(traceOf(join(here.folder, 'nowhere'))).toEqual({})
  })

  test('through a file is refused', async () => {
    const here = await shop()
    const ran = await here.run(['run'], { DATABASE_URL: join(here.database, 'app.db') })
    expectRefused(ran, 66, 'app.db')
  })

  test('that is too long is refused', async () => {
    const here = place()
    expectRefused(await here.run(['run'], { DATABASE_URL: join(here.volume, 'x'.repeat(300)) }), 78, 'name too long')
  })

  test('that is a link leads to the database itself', async () => {
    const here = await shop({ mode: 'wal' })
    const link = join(here.folder, 'link.db')
    symlinkSync(here.database, link)
    here.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await here.run(['run'], { DATABASE_URL: link }))
    expect(applicationOf(here.database).rows).toHaveProperty('carts')
    expect(Object.keys(traceOf(here.folder)).filter(name => name.startsWith('link.db'))).toEqual(['link.db'])
  })

  test('that is a link to nothing is refused, and nothing is made at either end', async () => {
    const here = place()
    symlinkSync(join(here.volume, 'unmounted', 'app.db'), here.database)
    const ran = await here.run(['run'])
    expect([66, 77]).toContain(ran.exit)
    expectRefused(ran, ran.exit!, 'app.db')
    rmSync(here.database)
    expect(Object.keys(traceOf(here.volume))).toEqual([''])
  })

  test('with a space, a question mark, a percent sign and letters from elsewhere is taken as it is', async () => {
    const here = place()
    const database = join(here.volume, 'my app? 100% früh #1.db')
    const run = (args: string[]) => here.run(args, { DATABASE_URL: database })
    expectOk(await run(['run']))
    pythonSql(database, "INSERT INTO customers VALUES (1, 'Ada')")
    here.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    expectOk(await run(['run']))
    expect(applicationOf(database).rows).toMatchObject({ customers: [{ id: 1, name: 'Ada' }], carts: [] })
    expectOk(await run(['restore', '--latest']))
    expect(applicationOf(database).rows).not.toHaveProperty('carts')
    expect(Object.keys(traceOf(here.volume))).toEqual(['', 'my app? 100% früh #1.db'])
  })
})
