import { copyFileSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { migrationFiles } from '../fossawork/migration-files.ts'
import { expectedAt, structureOf } from '../fossawork/structure.ts'
import { errorOf, expectOk, expectRefused, logOf } from '../support/cli.ts'
import { fillByPython } from '../support/fossawork.ts'
import { hold, pythonSql } from '../support/peers.ts'
import {
  applicationOf,
  expectEveryRow,
  fossaworkPlace,
  journalModeOf,
  newest,
  newPlace,
  readCopy,
  traceOf,
  type Workplace,
} from '../support/workplace.ts'

const original = fileURLToPath(new URL('../../../shared/fossawork/made-by-application.db', import.meta.url))

const sources: [string, (place: Workplace) => void][] = [['that another program made like it', madeLikeIt]]
if (existsSync(original)) sources.push(['that the application itself made', made])
else
  console.warn(
    'made-by-application.db is not beside this repository: taking over was tested with a database made like it.',
  )

function made({ database }: Workplace): void {
  copyFileSync(original, database)
}

/** The tables of v001 with rows, and the table of the application's scheduler; no bookkeeping. */
function madeLikeIt({ database }: Workplace): void {
  pythonSql(
    database,
    `${migrationFiles[0]?.up}
    CREATE TABLE apscheduler_jobs (id VARCHAR(191) NOT NULL, next_run_time FLOAT, job_state BLOB NOT NULL, PRIMARY KEY (id));
    CREATE INDEX ix_apscheduler_jobs_next_run_time ON apscheduler_jobs (next_run_time);
    INSERT INTO apscheduler_jobs VALUES ('hourly', 1747231515.5, x'8005');`,
  )
  fillByPython(database, 'v001', 'delete')
}

/** The ids of the work orders that a person finds by the name of their site, as the application searches for it. */
function foundByTheirSites({ database }: Workplace): Record<string, string[]> {
  return readCopy(database, db => {
    const search = db.prepare(
      `SELECT work_order.id FROM work_orders_fts AS hit JOIN work_orders AS work_order ON work_order.id = hit.work_order_id
       WHERE work_orders_fts MATCH ? AND work_order.user_id = ? ORDER BY hit.rank`,
    )
    const orders = db.prepare('SELECT id, user_id, site_name FROM work_orders').all()
    return Object.fromEntries(
      orders.map(({ id, user_id, site_name }) => [
        id,
        search.all(`"${site_name}"`, String(user_id)).map(hit => String(hit['id'])),
      ]),
    )
  })
}

describe.each(sources)('a database %s', (_, make) => {
  test('is refused with its level and the command, and not touched', async () => {
    const place = fossaworkPlace()
    make(place)
    const before = traceOf(place.volume)
    const ran = await place.run(['run'])
    expectRefused(ran, 65, 'has tables but no bookkeeping', 'v001_initial_schema', 'lockkeeper run --adopt')
    expect(traceOf(place.volume)).toEqual(before)
    expect(traceOf(place.repository)).toEqual({})
  })

  test('is refused like this also where no repository is named', async () => {
    const place = fossaworkPlace()
    make(place)
    expectRefused(await place.run(['run'], { LOCKKEEPER_REPOSITORY: undefined }), 65, 'v001_initial_schema', '--adopt')
  })

  test('reaches v006 when it is taken over, with every row, and every work order is found', async () => {
    const place = fossaworkPlace()
    make(place)
    const before = applicationOf(place.database)
    const mode = journalModeOf(place.database)

    const ran = await place.run(['run', '--adopt'])

    expectOk(ran)
    expect(ran.stdout).toContain(
      'Taken over at v001_initial_schema. 5 migrations applied: the database went from v001_initial_schema to v006_add_monitoring_tables.',
    )
    const after = applicationOf(place.database)
    expectEveryRow(after.rows, before.rows)
    expect(after.rows['apscheduler_jobs']).toHaveLength(1)
    expect(journalModeOf(place.database)).toBe(mode)
    readCopy(place.database, db => {
      const others = ['schema_migrations', 'schema_migration_events', 'work_orders_fts_ids', 'apscheduler_jobs']
      expect(structureOf(db, others)).toEqual(expectedAt(newest))
    })
    const found = foundByTheirSites(place)
    expect(Object.keys(found)).toHaveLength(12)
    for (const [id, hits] of Object.entries(found)) expect(hits, id).toContain(id)
  })

  test('is ours afterwards: the next run finds nothing to do, with or without --adopt', async () => {
    const place = fossaworkPlace()
    make(place)
    expectOk(await place.run(['run', '--adopt']))
    const before = [traceOf(place.volume), traceOf(place.repository)]
    for (const args of [['run'], ['run', '--adopt']]) {
      const again = await place.run(args)
      expectOk(again)
      expect(again.stdout).toBe(`Nothing to do: the database is at ${newest}.\n`)
    }
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test("keeps the scheduler's table, of which no migration knows, with one warning", async () => {
    const place = fossaworkPlace()
    make(place)
    const warnings = logOf(await place.run(['run', '--adopt'])).filter(({ level }) => level === 'warn')
    expect(warnings.map(({ msg }) => msg)).toEqual(['table apscheduler_jobs is in the database but in no migration'])
    const { stdout } = await place.run(['run', '--adopt', '--json', '--ignore', 'apscheduler_jobs'])
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'unchanged', warnings: [] })
  })

  test('has the versions that it came with on record, as taken over', async () => {
    const place = fossaworkPlace()
    make(place)
    const { adopted } = JSON.parse((await place.run(['run', '--adopt', '--json'])).stdout)
    expect(adopted).toEqual(['v001_initial_schema'])
    expect(place.query('SELECT version, status, metadata_json FROM schema_migrations ORDER BY version')[0]).toEqual({
      version: 'v001_initial_schema',
      status: 'applied',
      metadata_json: '{"adopted":true}',
    })
    expectOk(await place.run(['rollback', '--to', 'v001_initial_schema', '--allow-row-loss']))
  })
})

test('a database that an ORM made at the newest level is taken over without running anything', async () => {
  const place = fossaworkPlace()
  pythonSql(place.database, migrationFiles.map(({ up }) => up).join('\n'))
  fillByPython(place.database, 'v006', 'wal')
  const before = applicationOf(place.database)
  const ran = await place.run(['run', '--adopt', '--json'])
  expectOk(ran)
  expect(JSON.parse(ran.stdout)).toMatchObject({ outcome: 'changed', versions: [], level: newest })
  expect(applicationOf(place.database).schema).toEqual(before.schema)
  expect((await place.run(['run'])).stdout).toContain('Nothing to do')
})

test("another tool's table schema_migrations is left to it, and ours gets another name", async () => {
  const place = newPlace()
  place.migration('v001_shop', '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY);')
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);')
  pythonSql(
    place.database,
    "CREATE TABLE customers (id INTEGER PRIMARY KEY); CREATE TABLE schema_migrations (version TEXT PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240101')",
  )
  expectOk(await place.run(['run', '--adopt']))
  expect(place.query('SELECT * FROM schema_migrations')).toEqual([{ version: '20240101' }])
  expect(place.query('SELECT version, status FROM lockkeeper_migrations ORDER BY version')).toEqual([
    { version: 'v001_shop', status: 'applied' },
    { version: 'v002_carts', status: 'applied' },
  ])
  expect((await place.run(['run'])).stdout).toContain('Nothing to do')
  expectOk(await place.run(['validate']))
})

test('a schema that equals no level is refused, with the nearest level and what is different', async () => {
  const place = newPlace()
  place.migration('v001_shop', '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);')
  pythonSql(place.database, 'CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)')
  const before = traceOf(place.volume)
  for (const args of [['run'], ['run', '--adopt']])
    expectRefused(await place.run(args), 65, 'equals no level', 'v001_shop', 'customers', 'name')
  expect(traceOf(place.volume)).toEqual(before)
})

test('a schema with a part of a later migration is refused, and the part is named', async () => {
  const place = newPlace()
  place.migration('v001_shop', '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY);')
  place.migration('v002_orders', '-- migrate:up\nCREATE TABLE orders (id INTEGER);\nCREATE TABLE carts (id INTEGER);')
  pythonSql(place.database, 'CREATE TABLE customers (id INTEGER PRIMARY KEY); CREATE TABLE carts (id INTEGER)')
  expectRefused(await place.run(['run', '--adopt']), 65, 'v001_shop', 'parts of a later migration', 'carts')
})

test('a database that its application left half written is put right first, and then its level is named', async () => {
  const place = newPlace()
  place.migration('v001_shop', '-- migrate:up\nCREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);')
  pythonSql(
    place.database,
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customers VALUES (1, 'Ada')",
  )
  const before = applicationOf(place.database)
  const killed = await hold(
    place.database,
    `PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;
     INSERT INTO customers WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < 50000) SELECT n, hex(randomblob(40)) FROM c`,
  )
  await killed.kill()
  expect(existsSync(`${place.database}-journal`)).toBe(true)
  const ran = await place.run(['run'])
  expectRefused(ran, 65, 'equals level v001_shop')
  expect(errorOf(ran).hint).toContain('lockkeeper run --adopt')
  expect(applicationOf(place.database)).toEqual(before)
  expectOk(await place.run(['run', '--adopt']))
})
