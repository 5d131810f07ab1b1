import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openMemory } from '../../src/database/memory.ts'
import { applyScript, type Runnable, upOf } from '../../src/migrations/apply.ts'
import { column, definitions, memory, migrate, refusalOf, sqlRunnable } from './database.ts'
import { folderOf, load, sql } from './folder.ts'

describe('an SQL migration is run', () => {
  it('statement by statement; what is superfluous is left out and named', async () => {
    const db = await memory()
    const applied = await migrate(db, 'BEGIN;\nCREATE TABLE t(a);\nINSERT INTO t VALUES (1);\nCOMMIT;')
    expect(await column(db, 'SELECT a FROM t')).toEqual([1])
    expect(applied.leftOut.map(({ line, sql }) => [line, sql])).toEqual([
      [1, 'BEGIN;'],
      [4, 'COMMIT;'],
    ])
  })

  it('and names every table whose rows could have changed, by a trigger and under a new name as well', async () => {
    const db = await memory(`CREATE TABLE t(a); CREATE TABLE log(a); CREATE TABLE other(a); CREATE TABLE gone(a);
      CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); END;`)
    const { touched } = await migrate(
      db,
      `INSERT INTO t SELECT a FROM other; ALTER TABLE t RENAME TO "New"; CREATE TABLE made(a);
       INSERT INTO made VALUES (1); ALTER TABLE made RENAME TO made_2; DROP TABLE gone;`,
    )
    expect(touched.toSorted()).toEqual(['gone', 'log', 'made', 'made_2', 'new', 't'])
  })

  it('with nothing in it does nothing', async () => {
    expect(await migrate(await memory(), '-- migrate:up\n\n-- nothing\n')).toMatchObject({ touched: [], leftOut: [] })
  })

  it('may have no semicolon at its end, and CRLF', async () => {
    const [migration] = await load({
      'v1.sql': sql('CREATE TABLE t(a);\nINSERT INTO t VALUES (1)').replaceAll('\n', '\r\n'),
    })
    const db = await memory()
    await applyScript(db, upOf(migration!))
    expect(await column(db, 'SELECT a FROM t')).toEqual([1])
  })
})

describe('a migration of many thousand statements', () => {
  const inserts = Array.from({ length: 20_000 }, (_, at) => `INSERT INTO t VALUES (${at}, 'a; b');`)

  it('tells how far it is, in steps that are small and add up', async () => {
    const db = await memory('CREATE TABLE t(a, b)')
    const told: number[] = []
    const onProgress = (done: number, total: number) => {
      expect(total).toBe(inserts.length)
      told.push(done)
    }
    const { touched } = await applyScript(db, sqlRunnable(inserts.join('\n')), { onProgress })
    expect(touched).toEqual(['t'])
    expect(await column(db, 'SELECT count(*) FROM t')).toEqual([inserts.length])
    expect(told.at(-1)).toBe(inserts.length)
    expect(told.every((done, at) => done > (told[at - 1] ?? 0) && done - (told[at - 1] ?? 0) <= 1000)).toBe(true)
  })

  it('names line and statement of an error near its end', async () => {
    const db = await memory('CREATE TABLE t(a, b)')
    const script = inserts.with(19_990, 'INSERT INTO missing VALUES (1);').join('\n')
    const error = await refusalOf(applyScript(db, sqlRunnable(script, { line: 3 })))
    expect(error.message).toContain(':19993')
    expect(error.message).toContain('INSERT INTO missing')
  })
})

describe('the error of a statement', () => {
  it('names version, file, line and statement, and says what to do', async () => {
    const db = await memory('BEGIN')
    const script = '-- migrate:up\nCREATE TABLE t(a);\n\nINSERT INTO\n  missing\nVALUES (1);'
    const error = await refusalOf(applyScript(db, sqlRunnable(script, { line: 7 })))
    expect(error).toMatchObject({
      code: 'failed',
      message: 'v1 failed at v1.sql:10: no such table: missing\n  INSERT INTO missing VALUES (1);',
      hint: expect.stringContaining('Mend the migration'),
      details: { version: 'v1', where: 'v1.sql:10', statement: 'INSERT INTO missing VALUES (1);' },
    })
  })

  it('is about the right line behind a rename that was tried in two ways', async () => {
    const db = await memory('CREATE TABLE t(a); CREATE VIEW v AS SELECT a FROM t; BEGIN')
    const script = 'CREATE TABLE n(a);\nDROP TABLE t;\nALTER TABLE n RENAME TO t;\nSELECT 1;\nSELECT missing;'
    expect((await refusalOf(applyScript(db, sqlRunnable(script)))).details).toMatchObject({ where: 'v1.sql:5' })
  })

  it('is short, however long the statement', async () => {
    const db = await memory('BEGIN')
    const error = await refusalOf(applyScript(db, sqlRunnable(`INSERT INTO missing VALUES ('${'x'.repeat(5_000)}')`)))
    expect(error.message.length).toBeLessThan(400)
  })

  const hints: [string, string, string, RegExp][] = [
    ['a string in double quotes', 'SELECT "text"', 'failed', /single quotes/],
    ['a function that only the application has', 'SELECT app_function(1)', 'invalid', /module/],
    ['a collation that only the application has', 'SELECT 1 ORDER BY 1 COLLATE app', 'invalid', /without it/],
    ['a module that only the application has', 'CREATE VIRTUAL TABLE t USING app(a)', 'invalid', /without it/],
    ['VACUUM in a transaction', 'VACUUM', 'failed', /-- transaction: off/],
    [
      'a view that did not work before',
      'CREATE TABLE t (a);\nCREATE VIEW v AS SELECT zip FROM t;\nALTER TABLE t RENAME TO w;',
      'failed',
      /did not work before.*mend or drop it/,
    ],
    ['PRAGMA journal_mode in a transaction', 'PRAGMA journal_mode = WAL', 'failed', /-- transaction: off/],
    ['PRAGMA page_size in a transaction', 'PRAGMA page_size = 8192', 'failed', /-- transaction: off/],
  ]
  it.each(hints)('helps with %s', async (_, statement, code, hint) => {
    const db = await memory('BEGIN')
    const error = await refusalOf(applyScript(db, sqlRunnable(statement)))
    expect(error.code).toBe(code)
    expect(error.hint).toMatch(hint)
  })

  it('says that a ROLLBACK of its own is not allowed, and everything can be rolled back', async () => {
    const db = await memory()
    await expect(migrate(db, 'BEGIN; CREATE TABLE t(a); ROLLBACK;')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/v1\.sql:1: not allowed in a migration: ROLLBACK/),
    })
    expect(await definitions(db)).toEqual([])
  })

  it('names the file where it leaves a transaction open', async () => {
    const error = await refusalOf(applyScript(await memory(), sqlRunnable('BEGIN;', { inTransaction: false })))
    expect(error).toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/v1\.sql: line 1 begins a transaction/),
      hint: expect.stringMatching(/COMMIT/),
    })
  })
})

describe('what a migration switches on ends with it:', () => {
  it('legacy_alter_table', async () => {
    const db = await memory('CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id))')
    await migrate(db, 'PRAGMA legacy_alter_table = ON;')
    await migrate(db, 'ALTER TABLE p RENAME TO q;')
    expect(await definitions(db)).toContainEqual(expect.stringMatching(/CREATE TABLE c.*REFERENCES "q"/))
  })

  it('and also if it was left on by whatever was there before', async () => {
    const db = await memory('CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id))')
    await db.exec('PRAGMA legacy_alter_table = ON')
    await migrate(db, 'ALTER TABLE p RENAME TO q;')
    expect(await definitions(db)).toContainEqual(expect.stringMatching(/CREATE TABLE c.*REFERENCES "q"/))
  })

  it('ignore_check_constraints, without which the checks before the commit would not see a broken one', async () => {
    const db = await memory('CREATE TABLE t(a CHECK (a > 0))')
    await migrate(db, 'PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (-1);')
    expect(await column(db, 'PRAGMA quick_check(t)')).toEqual(['CHECK constraint failed in t'])
  })

  it('case_sensitive_like, recursive_triggers and defer_foreign_keys', async () => {
    const db = await memory()
    const on = 'PRAGMA case_sensitive_like = ON; PRAGMA recursive_triggers = ON; PRAGMA defer_foreign_keys = ON;'
    await migrate(db, on)
    expect(await column(db, "SELECT 'A' LIKE 'a'")).toEqual([1])
    expect(await column(db, 'PRAGMA recursive_triggers')).toEqual([0])
    expect(await column(db, 'PRAGMA defer_foreign_keys')).toEqual([0])
  })

  it('temporary tables, views and triggers, which would hide or change what the next one means', async () => {
    const db = await memory('CREATE TABLE t(a)')
    await migrate(
      db,
      `CREATE TEMP TABLE t(b); CREATE TEMP TABLE "odd""name"(b); CREATE TEMP VIEW v AS SELECT 1 AS x;
       CREATE TEMP TRIGGER tr AFTER INSERT ON main.t BEGIN SELECT RAISE(ABORT, 'still there'); END;
       CREATE VIRTUAL TABLE temp.f USING fts5(a);`,
    )
    await migrate(db, 'INSERT INTO t (a) VALUES (1)')
    expect(await column(db, 'SELECT name FROM sqlite_temp_schema')).toEqual([])
    expect(await column(db, 'SELECT a FROM main.t')).toEqual([1])
  })
})

describe('a migration without a transaction', () => {
  it('can do what no transaction allows', async () => {
    const db = await memory('CREATE TABLE t(a); INSERT INTO t VALUES (1)')
    const script = 'VACUUM; PRAGMA journal_mode = WAL; BEGIN; INSERT INTO t VALUES (2); COMMIT;'
    const { touched } = await applyScript(db, sqlRunnable(script, { inTransaction: false }))
    expect(touched).toContain('t')
    expect(await column(db, 'SELECT a FROM t')).toEqual([1, 2])
  })
})

describe('a module is run', () => {
  const module = (folder: string, name: string, which: 'up' | 'down' = 'up'): Runnable => ({
    version: 'v1',
    file: name,
    script: { kind: 'module', call: { url: pathToFileURL(join(folder, name)).href, function: which } },
    inTransaction: true,
  })
  async function process(sql = '') {
    const db = await openMemory({ scripts: true })
    onTestFinished(() => db.close())
    await db.exec(`${sql}; BEGIN`)
    return db
  }

  it('in its process, and names every table whose rows could have changed, also one that it renamed', async () => {
    const folder = folderOf({
      'v1.js': `export async function up(db) {
        await null
        db.exec('INSERT INTO t VALUES (1); ALTER TABLE t RENAME TO u; CREATE TEMP TABLE left_over(a)')
        db.function('twice', x => 2 * x)
        for (const { a } of db.all('SELECT a FROM u')) db.prepare('INSERT INTO u VALUES (twice(?))').run(a)
        db.exec('ALTER TABLE moved RENAME TO away')
      }`,
    })
    const db = await process('CREATE TABLE t(a); CREATE TABLE moved(a); CREATE TABLE other(a)')
    const { touched, renames } = await applyScript(db, module(folder, 'v1.js'))
    expect(touched.toSorted()).toEqual(['away', 'moved', 't', 'u'])
    expect(renames.size).toBe(0)
    expect(await column(db, 'SELECT a FROM u')).toEqual([1, 2])
    expect(await column(db, 'SELECT name FROM sqlite_temp_schema')).toEqual([])
  })

  it('and its error names version, file and function', async () => {
    const folder = folderOf({ 'v1.js': "export function down() { throw new Error('no way back') }" })
    const error = await refusalOf(applyScript(await process(), module(folder, 'v1.js', 'down')))
    expect(error).toMatchObject({
      code: 'failed',
      message: 'v1 failed at v1.js (down): no way back',
      details: { version: 'v1' },
    })
  })

  it('and cannot commit', async () => {
    const folder = folderOf({ 'v1.js': "export function up(db) { db.exec('CREATE TABLE t(a); COMMIT') }" })
    const error = await refusalOf(applyScript(await process(), module(folder, 'v1.js')))
    expect(error.message).toMatch(/not allowed in a migration: COMMIT/)
  })
})
