import { describe, expect, it } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import {
  appliedRow,
  appliedVersions,
  bookkeepingTables,
  createBookkeeping,
  type EventRow,
  type MigrationRow,
  readBookkeeping,
  readEvents,
  recordEvent,
  recordMigration,
} from '../../src/migrations/bookkeeping.ts'
import { definitions, memory, refusalOf, rowsOf } from './database.ts'
import { migration } from './migration.ts'

const at = new Date('2026-01-02T03:04:05.678Z')
const row = (version: string, change: Partial<MigrationRow> = {}): MigrationRow => ({
  ...appliedRow(migration(version, { down: 'DROP TABLE t' }), at, 12.6),
  ...change,
})
const event: Omit<EventRow, 'id'> = {
  action: 'migrate',
  outcome: 'ok',
  started_at: at.toISOString(),
  duration_ms: 20,
  from_level: null,
  to_level: 'v1',
  versions_json: '["v1"]',
  backup_id: null,
  error_message: null,
  schema_fingerprint: 'abc',
  lockkeeper_version: '1.0.0',
  host: 'host',
  pod: null,
  namespace: null,
  node: null,
  image: null,
  job: null,
}

async function ours(table = 'schema_migrations', sql = ''): Promise<Workspace> {
  const db = await memory(sql)
  await createBookkeeping(db, table)
  return db
}

describe('what is recorded', () => {
  it('is read again: a row a version, in order, and the fingerprint of the last attempt that went well', async () => {
    const db = await ours()
    const rows = [row('v1'), row('v2', { status: 'failed', error_message: 'no', metadata_json: '{}' })]
    for (const each of rows.toReversed()) await recordMigration(db, 'schema_migrations', each)
    await recordEvent(db, event)
    await recordEvent(db, { ...event, outcome: 'failed', schema_fingerprint: null })
    const found = await readBookkeeping(db)
    expect({ ...found, rows: found.rows.map(each => ({ ...each })) }).toEqual({
      table: 'schema_migrations',
      exists: true,
      foreign: false,
      rows,
      succeeded: true,
      fingerprint: 'abc',
    })
    expect([...appliedVersions(found.rows)]).toEqual(['v1'])
  })

  it('of a migration is what it was when it was applied, with its way back', () => {
    const given = migration('v1', { down: 'DROP TABLE t', dependencies: ['v0'], directives: { compatible: true } })
    expect(appliedRow(given, at, 12.6, { adopted: true })).toEqual({
      version: 'v1',
      description: 'description of v1',
      applied_at: '2026-01-02T03:04:05.678Z',
      execution_time_ms: 13,
      checksum: 'checksum of v1',
      status: 'applied',
      rollback_applied: 0,
      rollback_at: null,
      error_message: null,
      metadata_json: '{"adopted":true}',
      down_sql: 'DROP TABLE t',
      directives_json: expect.stringMatching(/"compatible":true.*"dependencies":\["v0"\]/),
    })
  })

  it('of failures alone is no success', async () => {
    const db = await ours()
    await recordEvent(db, { ...event, outcome: 'failed', schema_fingerprint: null })
    expect(await readBookkeeping(db)).toMatchObject({ succeeded: false, fingerprint: null })
  })

  it('takes the place of what was recorded of the version before', async () => {
    const db = await ours()
    await recordMigration(db, 'schema_migrations', row('v1', { status: 'failed', error_message: 'no' }))
    await recordMigration(db, 'schema_migrations', row('v1'))
    expect(await rowsOf(db, 'SELECT version, status, error_message FROM schema_migrations')).toEqual([
      { version: 'v1', status: 'applied', error_message: null },
    ])
  })

  it('of attempts is all of them, the newest first', async () => {
    const db = await ours()
    for (const to_level of ['v1', 'v2']) await recordEvent(db, { ...event, to_level })
    expect((await readEvents(db)).map(each => [each.id, each.to_level])).toEqual([
      [2, 'v2'],
      [1, 'v1'],
    ])
    expect(await readEvents(await memory())).toEqual([])
  })

  it('can be made ready as often as one likes', async () => {
    const db = await ours()
    const before = await definitions(db)
    await createBookkeeping(db, 'schema_migrations')
    expect(await definitions(db)).toEqual(before)
  })

  it('is the same in UTF-16', async () => {
    const db = await ours('schema_migrations', "PRAGMA encoding = 'UTF-16le'")
    await recordMigration(db, 'schema_migrations', row('v1_é'))
    await recordEvent(db, event)
    expect(await readBookkeeping(db)).toMatchObject({ exists: true, rows: [{ version: 'v1_é' }], fingerprint: 'abc' })
  })
})

describe('in a database without a record', () => {
  it('the names are known that it would get', async () => {
    const found = await readBookkeeping(await memory('CREATE TABLE t(a)'))
    expect(found).toEqual({
      table: 'schema_migrations',
      exists: false,
      foreign: false,
      rows: [],
      succeeded: false,
      fingerprint: null,
    })
    expect(bookkeepingTables(found)).toEqual(['schema_migrations', 'schema_migration_events', 'lockkeeper_restores'])
  })

  it('a table of versions alone is enough', async () => {
    const db = await ours()
    await db.exec('DROP TABLE schema_migration_events')
    expect(await readBookkeeping(db)).toMatchObject({ exists: true, succeeded: false, fingerprint: null })
  })
})

const others: [string, string][] = [
  ['Rails', 'CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY)'],
  ['golang-migrate', 'CREATE TABLE schema_migrations (version uint64, dirty bool)'],
  ['dbmate', 'CREATE TABLE "schema_migrations" (version varchar(128) primary key)'],
  [
    'the first runner of the reference application',
    `CREATE TABLE schema_migrations (id INTEGER NOT NULL, version VARCHAR(50) NOT NULL, description TEXT, applied_at DATETIME NOT NULL,
      execution_time_ms INTEGER, checksum VARCHAR(64), rollback_applied BOOLEAN, rollback_at DATETIME, status VARCHAR(20),
      error_message TEXT, metadata_json TEXT, PRIMARY KEY (id), UNIQUE (version))`,
  ],
  ['one that writes it otherwise', 'CREATE TABLE "Schema_Migrations"(version)'],
  ['one that has a view of that name', "CREATE VIEW schema_migrations AS SELECT 'v1' AS version"],
  ['one that has an index of that name', 'CREATE TABLE t(a); CREATE INDEX schema_migrations ON t(a)'],
]

describe.each(others)('where another tool keeps schema_migrations (%s)', (_, sql) => {
  it('it is recognised and left alone, and ours has another name', async () => {
    const db = await memory(sql)
    const before = await definitions(db)
    const { table, exists, foreign, rows } = await readBookkeeping(db)
    expect({ table, exists, foreign, rows }).toEqual({
      table: 'lockkeeper_migrations',
      exists: false,
      foreign: true,
      rows: [],
    })
    await createBookkeeping(db, table)
    await recordMigration(db, table, row('v1'))
    expect(await readBookkeeping(db)).toMatchObject({
      table: 'lockkeeper_migrations',
      exists: true,
      foreign: true,
      rows: [{ version: 'v1' }],
    })
    await db.exec('DROP TABLE lockkeeper_migrations; DROP TABLE schema_migration_events')
    expect(await definitions(db)).toEqual(before)
  })
})

describe('a record under the other name', () => {
  it("is still found when the other tool's table is gone", async () => {
    const db = await ours('lockkeeper_migrations', 'CREATE TABLE schema_migrations(version)')
    await recordMigration(db, 'lockkeeper_migrations', row('v1'))
    await db.exec('DROP TABLE schema_migrations')
    expect(await readBookkeeping(db)).toMatchObject({ table: 'lockkeeper_migrations', foreign: false, rows: [{}] })
  })

  it.each([
    ['lockkeeper_migrations', 'CREATE TABLE schema_migrations(a); CREATE TABLE lockkeeper_migrations(a)'],
    ['schema_migration_events', 'CREATE TABLE schema_migration_events(a)'],
  ])('is refused where %s is something else', async (name, sql) => {
    const error = await refusalOf(readBookkeeping(await memory(sql)))
    expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining(name), details: { name } })
  })
})
