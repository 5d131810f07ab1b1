import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SqliteError } from '../../src/database/connection.ts'
import { fileUri } from '../../src/database/location.ts'
import { NativeDatabase, workspaceOf } from '../../src/database/native.ts'
import { isOfTheApplication, listFindings } from '../../src/validation/findings.ts'
import { integrityCheck, quickCheck } from '../../src/validation/integrity.ts'
import { memory } from '../migrations/database.ts'
import { folderOf } from '../migrations/folder.ts'
import { openConnection } from '../support/connection.ts'

const open = (path: string) => {
  const db = workspaceOf(new NativeDatabase({ location: fileUri(path) }))
  onTestFinished(() => db.close())
  return db
}
/** A row that breaks its table's own rules. */
const broken = (table: string) =>
  `CREATE TABLE ${table}(a NOT NULL, b CHECK (b > 0)); PRAGMA ignore_check_constraints = ON;
   INSERT INTO ${table} VALUES (1, -1); PRAGMA ignore_check_constraints = OFF;`

describe('a sound database', () => {
  it('has no finding, in whole or in parts', async () => {
    const db = await memory(
      'CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE f USING fts5(a); CREATE VIEW v AS SELECT 1',
    )
    expect(await quickCheck(db)).toEqual([])
    expect(await quickCheck(db, ['t', 'f', 'f_data', 'v', 'gone'])).toEqual([])
    expect(await integrityCheck(db)).toEqual([])
  })
})

describe('a row that breaks a CHECK is found', () => {
  it.each(['t', '"odd ""name"', `"it's"`, '"5"', '"select"', '"É"', '[a b]'])('in a table called %s', async table => {
    const db = await memory(`CREATE TABLE other(a); ${broken(table)}`)
    const [{ name } = { name: '' }] = await db.all<{ name: string }>(
      `SELECT name FROM sqlite_schema WHERE name <> 'other'`,
    )
    const finding = { part: 'data', severity: 'fail', message: `CHECK constraint failed in ${name}` }
    expect(await quickCheck(db, [name.replaceAll(/[a-z]/g, letter => letter.toUpperCase())])).toEqual([finding])
    expect(await quickCheck(db)).toEqual([finding])
    expect(await integrityCheck(db)).toEqual([finding])
  })

  it('and not looked for in tables that were not asked for', async () => {
    expect(await quickCheck(await memory(`CREATE TABLE other(a); ${broken('t')}`), ['other'])).toEqual([])
    expect(await quickCheck(await memory(broken('t')), [])).toEqual([])
  })
})

describe('damage is found', () => {
  /** A table with an index; the bytes are changed behind SQLite's back. */
  async function damaged(change: (bytes: Buffer, pageSize: number) => void) {
    const path = join(folderOf({}), 'app.db')
    const db = open(path)
    await db.exec(`CREATE TABLE t(a TEXT); CREATE INDEX i ON t(a);
      WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000) INSERT INTO t SELECT printf('%050d', x) FROM n`)
    await db.close()
    const bytes = readFileSync(path)
    change(bytes, bytes.readUInt16BE(16))
    writeFileSync(path, bytes)
    return open(path)
  }

  it('in a page, as a finding and not as an error', async () => {
    const db = await damaged((bytes, size) => bytes.fill(0x5a, 5 * size, 6 * size))
    const found = await quickCheck(db)
    expect(found.length).toBeGreaterThan(0)
    expect(found.length).toBeLessThanOrEqual(20)
    expect(found.every(({ part, severity }) => part === 'data' && severity === 'fail')).toBe(true)
  })

  it('between a table and its index, by the thorough check', async () => {
    const path = join(folderOf({}), 'app.db')
    const db = open(path)
    await db.exec("CREATE TABLE t(a TEXT); CREATE INDEX i ON t(a); INSERT INTO t VALUES ('needle')")
    await db.close()
    const bytes = readFileSync(path)
    bytes[bytes.lastIndexOf('needle')] = 0x4e
    writeFileSync(path, bytes)
    const again = open(path)
    expect(await quickCheck(again)).toEqual([])
    expect((await integrityCheck(again)).map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/missing from index i/),
    )
  })
})

describe('a check that cannot run', () => {
  it('for want of a function that only the application has is a warning', async () => {
    const path = join(folderOf({}), 'app.db')
    const own = openConnection(path)
    own.native.function('app', { deterministic: true }, value => value)
    await own.exec('CREATE TABLE t(a CHECK (app(a) > 0)); INSERT INTO t VALUES (1)')
    await own.close()
    const found = await quickCheck(open(path), ['t'])
    expect(found).toEqual([
      {
        part: 'data',
        severity: 'warn',
        message: expect.stringMatching(/quick_check\("t"\) could not run: .*function: app/),
      },
    ])
  })

  it('since somebody else has the database is an error, and says nothing about the database', async () => {
    const path = join(folderOf({}), 'app.db')
    const holder = open(path)
    await holder.exec('CREATE TABLE t(a); BEGIN EXCLUSIVE')
    await expect(quickCheck(open(path))).rejects.toMatchObject({ primary: 5 })
    await expect(quickCheck(open(path))).rejects.toBeInstanceOf(SqliteError)
  })
})

it.each([
  ['no such function: f', true],
  ['unknown function: f()', true],
  ['no such collation sequence: c', true],
  ['no such module: m', true],
  ['no such table: t', false],
])('that %j may be for the application to know is %j', (message, expected) => {
  expect(isOfTheApplication(message)).toBe(expected)
})

it('findings are listed a line each, and not without end', () => {
  const finding = (n: number) => ({ part: 'data', severity: 'fail', message: `row ${n}` }) as const
  expect(listFindings([finding(1), finding(2)])).toBe('  row 1\n  row 2')
  const lines = listFindings(Array.from({ length: 25 }, (_, n) => finding(n))).split('\n')
  expect(lines).toHaveLength(21)
  expect(lines.at(-1)).toBe('  and 5 more')
})
