/** A rehearsal ends as the real run then does, on every fixture, and touches nothing. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  backUp,
  type DeployOptions,
  deploy,
  LockkeeperError,
  type Rehearsal,
  type RollbackOptions,
  rehearse,
  rehearseRollback,
  rollBack,
} from '../../src/index.ts'
import { failingMigrations } from '../fixtures/failing-migrations.ts'
import { deployOptions } from '../support/jobs.ts'
import { hold, pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

function optionsOf(place: Workplace, more: Partial<DeployOptions> = {}) {
  const tmpdir = join(place.folder, 'tmp')
  mkdirSync(tmpdir, { recursive: true })
  return { ...deployOptions(place, { lockTimeout: 1000, ...more }), tmpdir }
}

/** How it ends: the error's code and words, or from where to where it went. */
async function verdictOf(work: Promise<Pick<Rehearsal, 'result'>['result']>): Promise<unknown> {
  try {
    const { adopted, database, from, level, outcome, rows, versions, warnings } = await work
    const ran = versions.map(({ direction, version }) => `${direction} ${version}`)
    return { adopted, database, from, level, outcome, rows, ran, warnings }
  } catch (error) {
    if (!(error instanceof LockkeeperError)) throw error
    return { code: error.code, message: error.message }
  }
}

/** Rehearses, sees that nothing was touched, and does it. */
async function bothWays(place: Workplace, more: Partial<DeployOptions> = {}) {
  const options = optionsOf(place, more)
  const before = [traceOf(place.volume), traceOf(place.repository)]
  const rehearsed = await verdictOf(rehearse(options).then(({ result }) => result))
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  expect(traceOf(options.tmpdir)).toEqual({ '': expect.anything() })
  // With a backup before it a real run has one warning less.
  const real = await verdictOf(deploy(options))
  return { rehearsed, real }
}

/** All of them in one mode, and some in the other. */
const failing = failingMigrations.flatMap((each, at) => [
  { ...each, mode: 'delete' as const },
  ...(at % 4 === 0 ? [{ ...each, mode: 'wal' as const }] : []),
])

describe('the rehearsal of a migration that', () => {
  test.each(failing)('$name ends as the deploy does, in $mode mode', async ({ mode, up }) => {
    const place = await shop({ mode })
    place.migration('v002_change', `-- migrate:up\n${up}`)
    const { real, rehearsed } = await bothWays(place)
    expect(rehearsed).toEqual(real)
    expect(rehearsed).toHaveProperty('code')
  })
})

const good =
  '-- migrate:up\nALTER TABLE customers ADD COLUMN city TEXT;\n-- migrate:down\nALTER TABLE customers DROP COLUMN city;\n'
const edit = (place: Workplace) =>
  place.migration('v001_shop', `${readFileSync(join(place.migrations, 'v001_shop.sql'), 'utf8')}\n-- edited`)

const situations: [string, (place: Workplace) => void | Promise<void>, Partial<DeployOptions>, string?][] = [
  ['goes well', place => place.migration('v002_city', good), {}],
  ['has nothing to do', () => {}, {}],
  [
    'commits by itself',
    place => place.migration('v002_off', '-- transaction: off\n-- migrate:up\nVACUUM;\nCREATE TABLE b (x);'),
    {},
  ],
  [
    'commits by itself and fails',
    place => place.migration('v002_off', '-- transaction: off\n-- migrate:up\nCREATE TABLE b (x);\nSELEC 1;'),
    {},
    'failed',
  ],
  [
    'has its second batch fail',
    place => {
      place.migration('v002_city', good)
      place.migration('v003_off', '-- transaction: off\n-- migrate:up\nVACUUM;')
      place.migration('v004_bad', '-- migrate:up\nDELETE FROM orders;')
    },
    {},
    'invalid',
  ],
  [
    'is a module that fails',
    place => place.migration('v002.js', 'export function up() { throw new Error("no") }'),
    {},
    'failed',
  ],
  ['was edited', edit, {}, 'invalid'],
  ['is not sound', place => place.migration('v002_city', 'no marker'), {}, 'invalid'],
  [
    'finds drift',
    place => {
      place.migration('v002_city', good)
      pythonSql(place.database, 'DROP INDEX orders_by_customer')
    },
    {},
    'invalid',
  ],
  [
    'finds a newer schema',
    async place => {
      place.migration('v002_city', good)
      await deploy(optionsOf(place))
      rmSync(join(place.migrations, 'v002_city.sql'))
    },
    {},
    'newer',
  ],
  [
    'takes a newer schema back',
    async place => {
      place.migration('v002_city', good)
      await deploy(optionsOf(place))
      rmSync(join(place.migrations, 'v002_city.sql'))
    },
    { onNewerSchema: 'rollback' },
  ],
  [
    'finds orphans of before',
    place => {
      pythonSql(place.database, "INSERT INTO orders VALUES (9, 77, 'x')")
      place.migration('v002_touch', '-- migrate:up\nUPDATE orders SET what = upper(what);')
    },
    {},
  ],
  ['has no repository', place => place.migration('v002_city', good), { repository: undefined }, 'config'],
  [
    'finds something else in the place of its repository',
    place => {
      place.migration('v002_city', good)
      rmSync(place.repository, { recursive: true, force: true })
      mkdirSync(place.repository)
      writeFileSync(join(place.repository, 'notes.txt'), '')
    },
    {},
    'config',
  ],
  [
    'finds a repository of another database',
    async place => {
      const other = join(place.folder, 'other.db')
      copyFileSync(place.database, other)
      await backUp({ ...optionsOf(place), database: other, tiers: ['manual'] })
      place.migration('v002_city', good)
    },
    {},
    'config',
  ],
  [
    'finds the database gone although there are backups',
    async place => {
      await backUp({ ...optionsOf(place), tiers: ['manual'] })
      rmSync(place.database)
    },
    {},
    'missing',
  ],
  ['finds no database', place => rmSync(place.database), {}],
  [
    'finds no database, and its first migration fails',
    place => {
      rmSync(place.database)
      place.migration('v001_shop', '-- migrate:up\nSELEC 1;')
    },
    {},
    'failed',
  ],
  [
    'finds a database without bookkeeping',
    place => pythonSql(place.database, 'DROP TABLE schema_migrations; DROP TABLE schema_migration_events'),
    {},
    'invalid',
  ],
  [
    'takes over a database without bookkeeping',
    place => {
      pythonSql(place.database, 'DROP TABLE schema_migrations; DROP TABLE schema_migration_events')
      place.migration('v002_city', good)
    },
    { adopt: true },
  ],
  [
    'would take over what has lost its history',
    async place => {
      await backUp({ ...optionsOf(place), tiers: ['manual'] })
      pythonSql(place.database, 'DROP TABLE schema_migrations; DROP TABLE schema_migration_events')
    },
    { adopt: true },
    'missing',
  ],
  ['is asked for a version that is not there', () => {}, { to: 'v009' }, 'missing'],
  [
    'goes only so far',
    place => {
      place.migration('v002_city', good)
      place.migration('v003_bad', '-- migrate:up\nSELEC 1;')
    },
    { to: 'v002_city' },
  ],
  ['finds a file that is no database', place => writeFileSync(place.database, 'x'.repeat(5000)), {}, 'invalid'],
  [
    'finds a damaged database',
    place => {
      place.migration('v002_city', good)
      const bytes = readFileSync(place.database)
      bytes.fill(0xff, bytes.length - 3 * 4096, bytes.length - 2 * 4096)
      writeFileSync(place.database, bytes)
    },
    {},
    'invalid',
  ],
]

test.each(situations)('a rehearsal that %s ends as the deploy does', async (_, prepare, more, code) => {
  const place = await shop()
  await prepare(place)
  const { real, rehearsed } = await bothWays(place, more)
  expect(rehearsed).toEqual(real)
  if (code === undefined) expect(rehearsed).not.toHaveProperty('code')
  else expect(rehearsed).toMatchObject({ code })
})

describe('a rehearsal', () => {
  test('tells schema, rows, time, room and the way back', async () => {
    const place = await shop()
    place.migration(
      'v002_city',
      `${good.replace('-- migrate:down', 'CREATE TABLE carts (n);\nINSERT INTO carts SELECT id FROM customers;\n-- migrate:down')}DROP TABLE carts;`,
    )
    const { on, rows, schema, space, time, wayBack } = await rehearse(optionsOf(place))
    expect(on).toMatchObject({ kind: 'database', name: place.database })
    expect(schema).toEqual([
      {
        object: 'table customers',
        before: expect.not.stringContaining('city'),
        after: expect.stringContaining('city'),
      },
      { object: 'table carts', before: null, after: 'CREATE TABLE carts (n)' },
    ])
    expect(rows).toEqual({
      customers: { before: 3, after: 3 },
      orders: { before: 4, after: 4 },
      carts: { before: null, after: 3 },
    })
    expect(time.steps.map(({ step }) => step)).toEqual(['v002_city', 'validate', 'commit'])
    expect(time.steps.map(({ step }) => step)).toContain(time.longest)
    expect(space.most).toBeGreaterThanOrEqual(space.after)
    expect(wayBack).toMatchObject({
      refusal: null,
      losses: [{ table: 'carts', before: 3, after: null }],
      differences: [],
    })
  })

  test('finds a down that does not lead back', async () => {
    const place = await shop()
    place.migration(
      'v002_shout',
      '-- migrate:up\nUPDATE orders SET what = upper(what);\n-- migrate:down\nUPDATE orders SET what = lower(what) WHERE id > 1;',
    )
    expect((await rehearse(optionsOf(place))).wayBack).toMatchObject({
      refusal: null,
      differences: ['the rows of orders have other values'],
    })
    place.migration('v002_shout', '-- migrate:up\nUPDATE orders SET what = upper(what);')
    expect((await rehearse(optionsOf(place))).wayBack).toMatchObject({
      refusal: expect.stringContaining('v002_shout has no down'),
    })
  })

  test('goes on beside an application that writes', async () => {
    const place = await shop({ mode: 'wal' })
    place.migration('v002_city', good)
    const application = await hold(place.database, 'BEGIN IMMEDIATE')
    expect((await rehearse(optionsOf(place))).result).toMatchObject({ outcome: 'changed', level: 'v002_city' })
    await application.release()
  })

  test('on a backup needs no database', async () => {
    const place = await shop({ mode: 'wal' })
    const { id } = await backUp({ ...optionsOf(place), tiers: ['manual'] })
    rmSync(place.database)
    place.migration('v002_city', good)
    const before = traceOf(place.repository)
    for (const from of [{ latest: true }, { id }] as const) {
      const { on, result } = await rehearse({ ...optionsOf(place), from })
      expect(on).toMatchObject({ kind: 'backup', name: id })
      expect(result).toMatchObject({ level: 'v002_city', from: 'v001_shop' })
    }
    expect(traceOf(place.repository)).toEqual(before)
    expect(Object.keys(traceOf(place.volume))).toEqual([''])
  })
})

describe('the rehearsal of a rollback', () => {
  const two: readonly [string, Partial<RollbackOptions>, string?][] = [
    ['goes well', { target: { version: 'v002_city' } }],
    ['would lose rows', { target: { to: 'v001_shop' } }, 'invalid'],
    ['may lose rows', { target: { to: 'v001_shop' }, allowRowLoss: true }],
    ['is asked for what is not applied', { target: { version: 'v009' } }, 'missing'],
    ['has nothing to do', { target: { to: 'v003_carts' } }],
    ['has no repository', { target: { steps: 1 }, repository: undefined }, 'config'],
  ]
  test.each(two)('that %s ends as the rollback does', async (_, more, code) => {
    const place = await shop()
    place.migration('v002_city', good)
    place.migration('v003_carts', '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;')
    await deploy(optionsOf(place))
    pythonSql(place.database, 'INSERT INTO carts VALUES (1)')
    const options = { ...optionsOf(place), allowRowLoss: false, target: { steps: 1 }, ...more }
    const before = [traceOf(place.volume), traceOf(place.repository)]
    const rehearsed = await verdictOf(rehearseRollback(options).then(({ result }) => result))
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
    expect(rehearsed).toEqual(await verdictOf(rollBack(options)))
    if (code === undefined) expect(rehearsed).not.toHaveProperty('code')
    else expect(rehearsed).toMatchObject({ code })
  })
})

test('a database that a killed writer left behind is copied as it is', async () => {
  const place = await shop()
  place.migration('v002_city', good)
  pythonSql(
    place.database,
    `PRAGMA cache_size = 1; PRAGMA journal_mode = DELETE; BEGIN; UPDATE orders SET what = zeroblob(9000);`,
  )
  const { real, rehearsed } = await bothWays(place)
  expect(rehearsed).toEqual(real)
  expect(basename(place.database)).toBe('app.db')
})
