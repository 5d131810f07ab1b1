/** What others do to the file between the steps of a job, and what a failed attempt leaves for the next. */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type DeployOptions, deploy, type JobEvent, LockkeeperError, restore } from '../../src/index.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { deployOptions } from '../support/jobs.ts'
import { pythonSql } from '../support/peers.ts'
import { newPlace, type Workplace } from '../support/workplace.ts'

const first = '-- migrate:up\nCREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n-- migrate:down\nDROP TABLE a;\n'
const second = '-- migrate:up\nCREATE TABLE b (x);\n-- migrate:down\nDROP TABLE b;\n'

async function placeAtFirst(): Promise<Workplace> {
  const place = newPlace()
  place.migration('v1', first)
  expectOk(await place.run(['run']))
  return place
}

function options(place: Workplace, listener: (event: JobEvent) => void): DeployOptions {
  return deployOptions(place, { lockTimeout: 1000, viewInProcess: false, listener })
}

/** Does something once, when a step has ended. */
function onceAfter(step: JobEvent['step'], work: () => void): (event: JobEvent) => void {
  let done = false
  return event => {
    if (done || event.kind !== 'step' || event.step !== step) return
    done = true
    work()
  }
}

async function refusal(work: Promise<unknown>): Promise<LockkeeperError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof LockkeeperError) return error
  throw error ?? new Error('it was not refused')
}

describe('the file changes under the job', () => {
  test.each(['wal', 'delete'])('replaced while it is locked (%s): neither file is changed', async mode => {
    const place = await placeAtFirst()
    pythonSql(place.database, `PRAGMA journal_mode = ${mode}`)
    place.migration('v2', second)
    const other = `${place.database}.new`
    pythonSql(other, 'CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)')
    const error = await refusal(
      deploy(
        options(
          place,
          onceAfter('backup', () => {
            renameSync(place.database, `${place.database}.old`)
            renameSync(other, place.database)
          }),
        ),
      ),
    )
    expect([error.code, error.message]).toEqual(['busy', expect.stringContaining('was replaced')])
    expect(place.query('SELECT name FROM sqlite_schema')).toEqual([{ name: 'theirs' }])
    rmSync(place.database)
    renameSync(`${place.database}.old`, place.database)
    expect(place.query('SELECT version FROM schema_migrations')).toEqual([{ version: 'v1' }])
  })

  test('gone between the look and the lock: no new one is created in its place', async () => {
    const place = await placeAtFirst()
    place.migration('v2', second)
    const error = await refusal(
      deploy(
        options(
          place,
          onceAfter('look', () => renameSync(place.database, `${place.database}.old`)),
        ),
      ),
    )
    expect(error.code).toBe('missing')
    expect(existsSync(place.database)).toBe(false)
  })

  test('there after all when a restore has fetched: it is kept as a backup before it is replaced', async () => {
    const place = await placeAtFirst()
    expectOk(await place.run(['backup']))
    rmSync(place.database)
    const { repository, actor, lockTimeout } = options(place, () => {})
    const result = await restore({
      database: place.database,
      repository,
      actor,
      lockTimeout,
      tmpdir: place.folder,
      selection: { latest: true },
      listener: onceAfter('restore', () => pythonSql(place.database, 'CREATE TABLE theirs (x)')),
    })
    expect(result.safety).toContain('pre-restore')
    expect(place.query('SELECT x FROM a')).toEqual([{ x: 1 }])
  })
})

describe('what a failed attempt leaves', () => {
  test('a first install that failed, was backed up by a CronJob and is mended, goes on', async () => {
    const place = newPlace()
    place.migration('v1', `${first.replace('(1)', '(1, 2)')}`)
    expectRefused(await place.run(['run']), 1, 'v1')
    expectOk(await place.run(['backup', '--tier', 'daily']))
    place.migration('v1', first)
    expectOk(await place.run(['run']))
    expect(place.query('SELECT x FROM a')).toEqual([{ x: 1 }])
  })

  test('a first install that failed beside a table of a sidecar goes on once it is mended', async () => {
    const place = newPlace()
    place.migration('v1', `${first.replace('(1)', '(1, 2)')}`)
    expectRefused(await place.run(['run']), 1, 'v1')
    pythonSql(place.database, 'CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY)')
    place.migration('v1', first)
    expectOk(await place.run(['run']))
  })

  test('the only migration, taken back and failed once, is no loss of a database', async () => {
    const place = await placeAtFirst()
    expectOk(await place.run(['rollback', '--steps', '1', '--allow-row-loss']))
    place.migration('v1', `${first.replace('(1)', '(1, 2)')}`)
    expectRefused(await place.run(['run']), 1, 'v1')
    place.migration('v1', first)
    expectOk(await place.run(['run']))
  })

  test('a container that fails again and again adds one backup, not one for each attempt', async () => {
    const place = await placeAtFirst()
    place.migration('v2', `${second.replace('(x)', '(x, x)')}`)
    for (let attempt = 0; attempt < 4; attempt++) expectRefused(await place.run(['run']), 1, 'v2')
    expect(place.backups().length).toBeLessThanOrEqual(2)
  })

  test('rows lost by a migration that commits by itself are not forgotten by the next attempt', async () => {
    const place = await placeAtFirst()
    place.migration('v2', '-- transaction: off\n-- migrate:up\nDELETE FROM a;\n-- migrate:down\n')
    expectRefused(await place.run(['run']), 65, 'v2 has lost rows', 'pre-migration')
    expectRefused(await place.run(['run']), 65, 'v2 has lost rows', place.backups()[0]!)
    place.migration('v2', '-- transaction: off\n-- allow-row-loss: a\n-- migrate:up\nDELETE FROM a;\n-- migrate:down\n')
    expectOk(await place.run(['run']))
  })

  test('a volume that an ORM filled anew is no database to take over when backups know a history', async () => {
    const place = await placeAtFirst()
    expectOk(await place.run(['backup']))
    rmSync(place.database)
    pythonSql(place.database, 'CREATE TABLE a (x)')
    const size = statSync(place.database).size
    expectRefused(await place.run(['run', '--adopt']), 66, 'restore --latest')
    expect(statSync(place.database).size).toBe(size)
  })
})

test('rows that CREATE TABLE AS made are guarded in the same run', async () => {
  const place = await placeAtFirst()
  place.migration('v2', '-- allow-row-loss: a\n-- migrate:up\nCREATE TABLE kept AS SELECT * FROM a;\nDELETE FROM a;\n')
  place.migration('v3', '-- migrate:up\nDELETE FROM kept;\n')
  expectRefused(await place.run(['run']), 65, 'v3 would lose rows', 'kept had 1 row')
  expect(place.query('SELECT x FROM a')).toEqual([{ x: 1 }])
})

test('drift that one run was told to ignore is still drift for the next', async () => {
  const place = await placeAtFirst()
  pythonSql(place.database, 'ALTER TABLE a ADD COLUMN by_hand')
  place.migration('v2', second)
  expectOk(await place.run(['run', '--ignore', 'a']))
  expectRefused(await place.run(['run']), 65, 'a.by_hand')
})
