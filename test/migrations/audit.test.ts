import { describe, expect, it } from 'vitest'
import { type AuditEntry, recordAudit } from '../../src/migrations/audit.ts'
import { migrationFiles } from '../fossawork/migration-files.ts'
import { column, memory, rowsOf } from './database.ts'

const entry: AuditEntry = {
  version: 'v1',
  action: 'migrate',
  table: 'schema_migrations',
  changes: { from: null, to: 'v1' },
}
const trail = 'audit_id TEXT, table_name TEXT, record_id TEXT, action TEXT, changes_json TEXT, reason TEXT'

describe('what Lockkeeper changes is recorded', () => {
  it("in the reference application's own trail", async () => {
    const db = await memory(migrationFiles.map(({ up }) => up).join('\n'))
    expect(await recordAudit(db, [entry, { ...entry, version: 'v2', action: 'adopt' }])).toBeUndefined()
    const rows = await rowsOf(db, 'SELECT * FROM audit_trail ORDER BY id')
    expect(rows).toMatchObject([
      { table_name: 'schema_migrations', record_id: 'v1', action: 'migrate', changes_json: '{"from":null,"to":"v1"}' },
      { record_id: 'v2', action: 'adopt', user_id: null },
    ])
    expect(new Set(rows.map(row => row['audit_id'])).size).toBe(2)
  })

  it.each(['audit_trail', '"Audit_Trail"'])('in any table called %s that has the columns, and more', async name => {
    const db = await memory(`CREATE TABLE ${name}(id INTEGER PRIMARY KEY, ${trail}, more TEXT)`)
    await recordAudit(db, [entry])
    expect(await column(db, `SELECT record_id FROM ${name}`)).toEqual(['v1'])
  })
})

describe('nothing is recorded, and nothing fails,', () => {
  it.each([
    ['there is no trail', ''],
    ['it has other columns', 'CREATE TABLE audit_trail(id, what)'],
    ['it lacks one', `CREATE TABLE audit_trail(${trail.replace(', reason TEXT', '')})`],
    ['it is a view', `CREATE TABLE t(${trail}); CREATE VIEW audit_trail AS SELECT * FROM t`],
  ])('where %s', async (_, sql) => {
    const db = await memory(sql)
    expect(await recordAudit(db, [entry])).toBeUndefined()
  })

  it.each([
    [
      'wants another column filled',
      `CREATE TABLE audit_trail(${trail}, who TEXT NOT NULL)`,
      /NOT NULL constraint failed/,
    ],
    ['knows no such action', `CREATE TABLE audit_trail(${trail}, CHECK (action <> 'migrate'))`, /CHECK constraint/],
    [
      'has a trigger against it',
      `CREATE TABLE audit_trail(${trail}); CREATE TRIGGER t BEFORE INSERT ON audit_trail BEGIN SELECT RAISE(ABORT, 'not you'); END`,
      /not you/,
    ],
    [
      'has a trigger that does not work',
      `CREATE TABLE audit_trail(${trail}); CREATE TRIGGER t AFTER INSERT ON audit_trail BEGIN INSERT INTO gone VALUES (1); END`,
      /no such table/,
    ],
  ])('but the reason is returned, where the application %s', async (_, sql, reason) => {
    const db = await memory(`CREATE TABLE t(a); ${sql}`)
    await db.exec('BEGIN; INSERT INTO t VALUES (1)')
    expect(await recordAudit(db, [entry])).toMatch(reason)
    await db.exec('COMMIT')
    expect(await column(db, 'SELECT a FROM t')).toEqual([1])
    expect(await column(db, 'SELECT count(*) FROM audit_trail')).toEqual([0])
  })

  it('not even the entries before the one that was refused', async () => {
    const db = await memory(`CREATE TABLE audit_trail(${trail.replace('record_id TEXT', 'record_id UNIQUE')})`)
    expect(await recordAudit(db, [entry, entry])).toMatch(/UNIQUE/)
    expect(await column(db, 'SELECT count(*) FROM audit_trail')).toEqual([0])
  })
})
