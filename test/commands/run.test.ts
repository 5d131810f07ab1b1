import { describe, expect, test } from 'vitest'
import type { Level } from '../fixtures/fossawork/rows.ts'
import { expectInStep, find } from '../fossawork/search-checks.ts'
import { expectedAt, structureOf } from '../fossawork/structure.ts'
import { expectOk, logOf, messagesOf } from '../support/cli.ts'
import { type Ending, fillByPython } from '../support/fossawork.ts'
import { pythonSql } from '../support/peers.ts'
import {
  applicationOf,
  expectEveryRow,
  fossaworkPlace,
  journalModeOf,
  newest,
  readCopy,
  traceOf,
  type Workplace,
} from '../support/workplace.ts'

/** Lockkeeper's own tables, and one that the search keeps for itself. */
const notInSchema = ['schema_migrations', 'schema_migration_events', 'work_orders_fts_ids']

/** The schema is the one that schema.txt describes, read by SQLite's pragmas, and SQLite finds nothing wrong. */
function expectNewest({ database }: Workplace): void {
  readCopy(database, db => {
    expect(structureOf(db, notInSchema)).toEqual(expectedAt(newest))
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([])
    expectInStep(db)
  })
}

/** Runs once more: nothing to do, and nothing touched. */
async function expectNothingToDo(place: Workplace): Promise<void> {
  const before = [traceOf(place.volume), traceOf(place.repository)]
  const again = await place.run(['run'])
  expectOk(again)
  expect(again.stdout).toBe(`Nothing to do: the database is at ${newest}.\n`)
  expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
}

async function placeAt(level: Level, mode: 'delete' | 'wal', ending?: Ending): Promise<Workplace> {
  const place = fossaworkPlace()
  const version = place.migrationNames().find(name => name.startsWith(level))!
  expectOk(await place.run(['run', '--to', version]))
  fillByPython(place.database, level, mode, ending)
  return place
}

describe('a first install', () => {
  test('creates the database, stores no backup, and says so', async () => {
    const place = fossaworkPlace()
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(ran.stdout).toMatch(
      /^6 migrations applied: the database went from nothing to v006_add_monitoring_tables\.$/m,
    )
    expect(messagesOf(ran, 'lock')[0]).toContain('a first install')
    expect(place.backups()).toEqual([])
    expectNewest(place)
    expect(journalModeOf(place.database)).toBe('rollback')
    await expectNothingToDo(place)
  })

  test.each(['delete', 'wal'] as const)('goes into an empty database in %s mode, which stays in it', async mode => {
    const place = fossaworkPlace()
    pythonSql(place.database, `PRAGMA journal_mode = ${mode}; CREATE TABLE gone (n); DROP TABLE gone`)
    const before = journalModeOf(place.database)
    expectOk(await place.run(['run']))
    expect(journalModeOf(place.database)).toBe(before)
    expectNewest(place)
    await expectNothingToDo(place)
  })
})

describe.each(['delete', 'wal'] as const)('a database in %s mode with rows of another program', mode => {
  test('at v003 reaches v006 with every row, and then there is nothing to do', async () => {
    const place = await placeAt('v003', mode)
    const before = applicationOf(place.database).rows
    const modeBefore = journalModeOf(place.database)

    const ran = await place.run(['run'])

    expectOk(ran)
    expect(ran.stdout).toContain(
      '3 migrations applied: the database went from v003_add_indexes to v006_add_monitoring_tables.',
    )
    expect(Object.keys(before).length).toBeGreaterThan(30)
    expectEveryRow(applicationOf(place.database).rows, before)
    expect(journalModeOf(place.database)).toBe(modeBefore)
    expectNewest(place)
    expect(place.read(db => find(db, 'site_name : station'))).not.toEqual([])
    await expectNothingToDo(place)
  })

  test('at v006 is left as it is', async () => {
    await expectNothingToDo(await placeAt('v006', mode))
  })
})

test('rows that are still in the log of an application that was killed are kept', async () => {
  const place = await placeAt('v003', 'wal', 'vanish')
  const before = applicationOf(place.database).rows
  expect(before['work_orders']).toHaveLength(12)
  expectOk(await place.run(['run']))
  expectEveryRow(applicationOf(place.database).rows, before)
  expect(journalModeOf(place.database)).toBe('wal')
  expectNewest(place)
})

test('each step is one line on the log, in order and with its time', async () => {
  const place = await placeAt('v003', 'wal')
  const lines = logOf(await place.run(['run']))
  const steps = lines.filter(line => line.ms !== undefined)
  expect([...new Set(steps.map(line => line.step))]).toEqual([
    'read',
    'look',
    'lock',
    'backup',
    'migrate',
    'validate',
    'commit',
  ])
  for (const { level, ms, msg, time } of steps) {
    expect(level).toBe('info')
    expect(ms).toBeGreaterThanOrEqual(0)
    expect(msg).toMatch(/\S/)
    expect(Date.parse(time)).toBeGreaterThan(Date.now() - 600_000)
  }
})

test('the level on the way is the one that --to names', async () => {
  const place = fossaworkPlace()
  const ran = await place.run(['run', '--to', 'v003_add_indexes'])
  expectOk(ran)
  readCopy(place.database, db => expect(structureOf(db, notInSchema)).toEqual(expectedAt('v003_add_indexes')))
  expect((await place.run(['run', '--to', 'v003_add_indexes'])).stdout).toContain(
    'Nothing to do: the database is at v003',
  )
})

test('migrate is another name for it', async () => {
  const place = fossaworkPlace()
  expectOk(await place.run(['migrate']))
  expectNewest(place)
})
