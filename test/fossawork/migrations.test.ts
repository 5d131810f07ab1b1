import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { insertRows, insertRowsOf, levels } from '../fixtures/fossawork/rows.ts'
import { apply, databaseAt, type MigrationFile, migrationFiles, open, versions } from './migration-files.ts'
import { contentsOf, expectedAt, schemaOf, structureOf, tablesIn, tablesOf } from './structure.ts'

/** What search needs to find its entry for an order again; no table of the application. */
const searchTable = 'work_orders_fts_ids'

describe('the files', () => {
  test('are six, one a level, in order', () => {
    expect(versions).toEqual([
      'v001_initial_schema',
      'v002_add_security_tables',
      'v003_add_indexes',
      'v004_add_rate_limiting',
      'v005_add_audit_tables',
      'v006_add_monitoring_tables',
    ])
    expect(migrationFiles.map(file => file.level)).toEqual(levels)
  })

  test('say what they do and what they depend on', () => {
    const depends = migrationFiles.map(file => /^-- depends: (.+)$/m.exec(file.header)?.[1]?.split(', ') ?? [])
    expect(depends.map(each => each.map(version => version.slice(0, 4)))).toEqual([
      [],
      ['v001'],
      ['v001', 'v002'],
      ['v001', 'v002'],
      ['v001', 'v002'],
      ['v001'],
    ])
    expect(versions).toEqual(expect.arrayContaining(depends.flat()))
    for (const file of migrationFiles) expect(file.header).toMatch(/^-- description: \S/)
  })

  test('never look away where an object is there already, or is missing', () => {
    for (const file of migrationFiles) expect(file.up + file.down).not.toMatch(/\bIF\s+(NOT\s+)?EXISTS\b/i)
  })
})

describe.each(migrationFiles)('$version', ({ version, level, up, down }) => {
  test('gives exactly the structure that the application and its runner gave', () => {
    expect(structureOf(databaseAt(level), [searchTable])).toEqual(expectedAt(version))
  })

  test('comes and goes without a trace, with rows in every table', () => {
    const db = databaseBelow(level)
    if (level !== 'v001') insertRows(db, levels[levels.indexOf(level) - 1]!)
    const before = { schema: schemaOf(db), contents: contentsOf(db) }

    apply(db, up)
    insertRowsOf(db, level)
    expect(emptyTables(db)).toEqual([])
    const made = schemaOf(db)
    apply(db, down)
    expect(schemaOf(db)).toEqual(before.schema)
    expect(contentsOf(db)).toEqual({ ...before.contents, ...sequence(db) })

    apply(db, up)
    expect(schemaOf(db)).toEqual(made)
  })
})

describe('all six together', () => {
  test('make 55 tables and 93 indexes, and the 24 of v003', () => {
    const db = databaseAt('v006')
    expect(versions.map(version => tablesOf(version).length)).toEqual([26, 6, 0, 5, 8, 10])
    expect(tablesIn(db).filter(table => table !== searchTable)).toHaveLength(55)
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'index' AND sql <> ''").get()).toEqual({
      n: 93 + 24,
    })
  })

  test('go up, down and up again with rows in every table', () => {
    const db = open()
    climb(db)
    const top = { schema: schemaOf(db), contents: contentsOf(db) }
    for (const file of migrationFiles.toReversed()) apply(db, file.down)
    expect(schemaOf(db)).toEqual([])
    climb(db)
    expect(schemaOf(db)).toEqual(top.schema)
    expect(contentsOf(db)).toEqual(top.contents)
  })

  test('run in one transaction, which can be taken back as a whole', () => {
    const db = open()
    const script = migrationFiles.map(file => file.up).join('\n')
    expect(() => apply(db, `${script}; SELECT no_such_function()`)).toThrow('no_such_function')
    expect(schemaOf(db)).toEqual([])
    apply(db, script)
    expect(schemaOf(db)).toEqual(schemaOf(databaseAt('v006')))
  })

  test('leave no foreign key open and a file that SQLite calls sound', () => {
    const db = open()
    climb(db)
    expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([])
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
  })
})

describe('the seeds', () => {
  const db = databaseAt('v006')

  test('are the ten default rate limits', () => {
    const columns = 'name, endpoint_pattern, method, max_requests, window_seconds, burst_size, applies_to, user_tier'
    const rules = db.prepare(`SELECT ${columns} FROM rate_limit_rules WHERE is_active = 1 ORDER BY id`).all()
    expect(rules.map(rule => Object.values(rule))).toEqual([
      ['login_attempt', '/api/auth/login', 'POST', 5, 300, 2, 'ip', null],
      ['password_reset', '/api/auth/reset-password', 'POST', 3, 3600, 1, 'ip', null],
      ['register', '/api/auth/register', 'POST', 3, 3600, 1, 'ip', null],
      ['api_general', '/api/*', null, 100, 60, 20, 'user', 'free'],
      ['api_premium', '/api/*', null, 1000, 60, 100, 'user', 'premium'],
      ['api_enterprise', '/api/*', null, 10_000, 60, 500, 'user', 'enterprise'],
      ['scraping', '/api/scraping/*', null, 10, 300, 2, 'user', null],
      ['automation', '/api/automation/*', null, 20, 300, 5, 'user', null],
      ['bulk_operations', '/api/bulk/*', null, 5, 600, 1, 'user', null],
      ['public_api', '/api/public/*', null, 10, 3600, 2, 'ip', null],
    ])
  })

  test('are the eight default retention policies', () => {
    const columns = 'policy_name, data_type, retention_days, deletion_strategy'
    const policies = db.prepare(`SELECT ${columns} FROM data_retention_policies WHERE is_active = 1 ORDER BY id`).all()
    expect(policies.map(policy => Object.values(policy))).toEqual([
      ['user_activity_logs', 'user_activities', 365, 'archive'],
      ['security_events', 'security_events', 730, 'archive'],
      ['api_access_logs', 'api_access_logs', 90, 'delete'],
      ['failed_logins', 'failed_login_attempts', 180, 'delete'],
      ['audit_trail', 'audit_trail', 2555, 'archive'],
      ['compliance_logs', 'compliance_logs', 2555, 'archive'],
      ['session_data', 'user_sessions', 30, 'delete'],
      ['temporary_files', 'temp_files', 7, 'delete'],
    ])
  })

  test('are no other rows, and depend on no clock', () => {
    const filled = Object.entries(contentsOf(db)).filter(([, rows]) => rows.length > 0)
    expect(filled.map(([table]) => table)).toEqual(['data_retention_policies', 'rate_limit_rules', 'sqlite_sequence'])
    for (const table of ['data_retention_policies', 'rate_limit_rules']) {
      expect(db.prepare(`SELECT DISTINCT created_at, updated_at FROM ${table}`).all()).toEqual([
        { created_at: '2025-01-01 00:00:00', updated_at: '2025-01-01 00:00:00' },
      ])
    }
  })
})

const samples = new URL('../../../shared/fossawork/', import.meta.url)
const haveSamples = existsSync(samples)
if (!haveSamples) {
  console.log('../shared/fossawork is not there: nothing is checked against databases that the application itself made')
}

describe.runIf(haveSamples)('a database that exists', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fossawork-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('made by the application is at level v001, and comes up to v006 with every work order found', () => {
    const db = openSample('made-by-application.db')
    expect(structureOf(db, ['apscheduler_jobs'])).toEqual(expectedAt('v001_initial_schema'))
    const madeHere = new Map(objectsOf(databaseAt('v001')))
    expect(new Map(objectsOf(db).filter(([name]) => !name.includes('apscheduler')))).toEqual(madeHere)

    for (const file of migrationFiles.slice(1)) apply(db, file.up)
    expect(structureOf(db, ['apscheduler_jobs', searchTable])).toEqual(expectedAt('v006_add_monitoring_tables'))
    const hits = db.prepare("SELECT work_order_id FROM work_orders_fts WHERE work_orders_fts MATCH 'dispensers'").all()
    expect(hits).toHaveLength(12)
    expect(hits.map(hit => hit['work_order_id']).sort()).toEqual(
      db
        .prepare('SELECT id FROM work_orders ORDER BY id')
        .all()
        .map(order => order['id']),
    )
  })

  test('made by the first runner has v001, v002 and 16 indexes of v003 as they are here', () => {
    const objects = objectsOf(openSample('made-by-first-runner.db')).filter(([name]) => !/apsch|schema_mig/.test(name))
    const level2 = objectsOf(databaseAt('v002')).map(([name]) => name)
    const level3 = new Map(objectsOf(databaseAt('v003')))
    const [known, early] = [level2, level3].map(() => [] as string[]) as [string[], string[]]
    for (const [name, sql] of objects) {
      expect(sql, name).toBe(level3.get(name))
      ;(level2.includes(name) ? known : early).push(name)
    }
    expect(known).toHaveLength(level2.length)
    expect(early).toHaveLength(16)
  })

  function openSample(name: string): DatabaseSync {
    const copy = join(folder, name)
    copyFileSync(fileURLToPath(new URL(name, samples)), copy)
    chmodSync(copy, 0o600)
    return open(copy)
  }
})

/** A database one level below this one; an empty one below the first. */
function databaseBelow(level: MigrationFile['level']): DatabaseSync {
  const index = levels.indexOf(level)
  return index === 0 ? open() : databaseAt(levels[index - 1]!)
}

function climb(db: DatabaseSync): void {
  for (const file of migrationFiles) {
    apply(db, file.up)
    insertRowsOf(db, file.level)
  }
}

function emptyTables(db: DatabaseSync): string[] {
  return tablesIn(db).filter(table => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined)
}

/** SQLite keeps `sqlite_sequence` when the tables that needed it are gone, but none of their counters. */
function sequence(db: DatabaseSync): Record<string, unknown[]> {
  const { sqlite_sequence } = contentsOf(db)
  const counted = (sqlite_sequence ?? []).map(row => String((row as Record<string, unknown>)['name']))
  for (const table of counted) expect(tablesIn(db)).toContain(table)
  return sqlite_sequence === undefined ? {} : { sqlite_sequence }
}

/** Name and SQL of every object that has SQL, without what white space SQL does not need. */
function objectsOf(db: DatabaseSync): [name: string, sql: string][] {
  const rows = db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql <> '' AND name <> 'sqlite_sequence'").all()
  return rows.map(row => [
    String(row['name']),
    String(row['sql'])
      .replace(/\s+/g, ' ')
      .replace(/ ?([(),]) ?/g, '$1'),
  ])
}
