import { describe, expect, it } from 'vitest'
import { createBookkeeping } from '../../src/migrations/bookkeeping.ts'
import { expectedSchema } from '../../src/migrations/expected.ts'
import { readSchema } from '../../src/schema/read.ts'
import { checkDrift, type DriftOptions } from '../../src/validation/drift.ts'
import { failures } from '../../src/validation/findings.ts'
import { memory } from '../migrations/database.ts'
import { migration } from '../migrations/migration.ts'

const up =
  'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL); CREATE INDEX users_by_name ON users(name); CREATE VIEW names AS SELECT name FROM users;'
const drift = async (sql: string, options: Partial<DriftOptions> = {}, own: string[] = []) =>
  checkDrift(await readSchema(await memory(sql)), await expectedSchema([migration('v1', { up })]), own, {
    policy: 'fail',
    ignore: [],
    ...options,
  })
const messages = ({ findings }: Awaited<ReturnType<typeof drift>>) =>
  findings.map(({ part, severity, message }) => `${part} ${severity}: ${message}`)

describe('a schema that is what the migrations describe', () => {
  it('has no finding', async () => {
    expect(await drift(up)).toEqual({ findings: [], drifted: false })
  })

  it("has none for Lockkeeper's own tables", async () => {
    const db = await memory(up)
    await createBookkeeping(db, 'lockkeeper_migrations')
    const own = ['lockkeeper_migrations', 'schema_migration_events']
    const expected = await expectedSchema([migration('v1', { up })])
    expect(checkDrift(await readSchema(db), expected, own, { policy: 'fail', ignore: [] })).toEqual({
      findings: [],
      drifted: false,
    })
    expect(checkDrift(await readSchema(db), expected, [], { policy: 'fail', ignore: [] }).findings).toHaveLength(2)
  })

  it('is that also with something extra, which is a warning', async () => {
    const found = await drift(`${up} CREATE TABLE scheduler(x); CREATE INDEX mine ON users(id);`)
    expect(messages(found)).toEqual([
      expect.stringMatching(/^schema warn: table scheduler is in the database but in no migration/),
      expect.stringMatching(/^indexes warn: index mine/),
    ])
    expect(found.drifted).toBe(false)
  })
})

describe('a schema that is not', () => {
  const cases: [string, string, RegExp][] = [
    ['a missing table', 'CREATE TABLE other(x)', /^schema fail: table users .*not in the database/],
    ['a missing index', up.replace(/CREATE INDEX[^;]*;/, ''), /^indexes fail: index users_by_name/],
    ['another index', up.replace('users(name)', 'users(name DESC)'), /^indexes fail: index users_by_name: expected/],
    ['a missing view', up.replace(/CREATE VIEW[^;]*;/, ''), /^schema fail: view names/],
    ['another view', up.replace('SELECT name', 'SELECT id'), /^schema fail: view names: expected/],
    ['a column without its NOT NULL', up.replace(' NOT NULL', ''), /^schema fail: column users\.name: expected/],
    ['a column more', up.replace('NOT NULL', 'NOT NULL, mail TEXT'), /^schema fail: column users\.mail .*no migration/],
    ['a trigger less', up, /^schema fail: trigger renamed on users/],
  ]
  it.each(cases)('fails: %s', async (what, sql, message) => {
    const trigger = what.includes('trigger') ? 'CREATE TRIGGER renamed AFTER UPDATE ON users BEGIN SELECT 1; END;' : ''
    const expected = await expectedSchema([migration('v1', { up: up + trigger })])
    const found = await checkDrift(await readSchema(await memory(sql)), expected, [], { policy: 'fail', ignore: [] })
    expect(messages(found)).toContainEqual(expect.stringMatching(message))
    expect(failures(found.findings).length).toBeGreaterThan(0)
    expect(found.drifted).toBe(true)
  })

  it('is a warning where that is tolerated, and drift all the same', async () => {
    const found = await drift('CREATE TABLE other(x)', { policy: 'warn' })
    expect(failures(found.findings)).toEqual([])
    expect(found.drifted).toBe(true)
  })

  it('has no finding where what differs is to be ignored, and is drift all the same, for the next who looks', async () => {
    const sql = up.replace('users(name)', 'users(name DESC)')
    expect(await drift(sql, { ignore: ['users_by_*'] })).toEqual({ findings: [], drifted: true })
    expect((await drift(sql, { ignore: ['other'] })).findings).toHaveLength(1)
  })
})
