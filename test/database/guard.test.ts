import { describe, expect, it, onTestFinished } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import { openExclusive } from '../../src/database/exclusive.ts'
import { fileSize } from '../../src/database/location.ts'
import { openMemory } from '../../src/database/memory.ts'
import { database, modes } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'
import { moduleFile } from './scripts.ts'

const inside = { ownTransactions: false }
const own = { ownTransactions: true }

/** In this process unless modules are to run. */
async function memory(sql: string, { scripts = false } = {}): Promise<Workspace> {
  const db = await openMemory({ scripts })
  onTestFinished(() => db.close())
  await db.exec(sql)
  return db
}

async function locked(mode: 'wal' | 'rollback') {
  const path = await database(mode)
  const db = await openExclusive(path, { lockTimeout: 0 })
  onTestFinished(() => db.close())
  return { path, db }
}

const never = [
  'BEGIN',
  'begin immediate transaction',
  'COMMIT',
  'COMMIT TRANSACTION',
  'END',
  'ROLLBACK',
  '/* quietly */ Rollback',
  'EXPLAIN COMMIT',
  "ATTACH 'other.db' AS other",
  "ATTACH ':memory:' AS other",
  "ATTACH '' AS other",
  'DETACH main',
  'PRAGMA locking_mode = NORMAL',
  'PRAGMA main.locking_mode=NORMAL',
  'PRAGMA "Locking_Mode"(normal)',
  'PRAGMA [locking_mode] = exclusive',
  'PRAGMA `main`."LOCKING_MODE"=normal',
  'EXPLAIN PRAGMA locking_mode = NORMAL',
  'SELECT * FROM pragma_locking_mode',
  'SELECT * FROM "PRAGMA_locking_mode"',
  "SELECT * FROM pragma_locking_mode WHERE schema = 'main'",
  'CREATE VIEW v AS SELECT * FROM pragma_locking_mode; SELECT * FROM v',
  'PRAGMA journal_mode',
  'PRAGMA journal_mode = OFF',
  'PRAGMA main.journal_mode = delete',
  'SELECT * FROM pragma_journal_mode',
  'PRAGMA writable_schema = ON',
  'PRAGMA writable_schema = RESET',
  'PRAGMA foreign_keys = ON',
  'PRAGMA wal_checkpoint',
  'PRAGMA synchronous = OFF',
  'PRAGMA trusted_schema = ON',
  'PRAGMA schema_version = 9',
  'PRAGMA no_such_pragma',
]

describe('inside a transaction a migration', () => {
  it.each(never)('cannot %s', async sql => {
    const db = await memory('CREATE TABLE t (n); BEGIN; INSERT INTO t VALUES (1)')
    const attempt = db.run(['SELECT 1', ...sql.split('; ')], inside)
    await expect(attempt).rejects.toMatchObject({
      message: expect.stringContaining('not allowed in a migration: '),
      statement: sql.includes(';') ? 2 : 1,
    })
    // The transaction is still open, and can be taken back.
    await db.exec('ROLLBACK')
    expect(await db.all('SELECT * FROM t')).toEqual([])
  })

  it('cannot from a module either, which gets the reason even if it had other errors before', async () => {
    const db = await memory('CREATE TABLE t (n)', { scripts: true })
    const url = await moduleFile(`
      export function up(db) {
        for (const sql of ${JSON.stringify(never)}) {
          try { db.exec(sql) } catch { continue }
          throw new Error(sql + ' went through')
        }
        db.exec('INSERT INTO t VALUES (1)')
        db.prepare('COMMIT').run()
      }`)
    await db.exec('BEGIN')
    await expect(db.runScript({ url, function: 'up' }, inside)).rejects.toMatchObject({
      message: 'not allowed in a migration: COMMIT (Lockkeeper ends the transaction, after the checks)',
    })
    expect(await db.all('SELECT * FROM t')).toEqual([{ n: 1 }])
    await db.exec('ROLLBACK')
    expect(await db.all('SELECT * FROM t')).toEqual([])
  })

  it('gets its own mistakes as they are, even after a refusal that it caught', async () => {
    const db = await memory('BEGIN', { scripts: true })
    const url = await moduleFile(
      `export function up(db) { try { db.exec('COMMIT') } catch {} db.exec('SELECT * FROM gone') }`,
    )
    await expect(db.runScript({ url, function: 'up' }, inside)).rejects.toMatchObject({
      message: 'no such table: gone',
    })
  })

  it('cannot vacuum, which SQLite says by itself', async () => {
    const db = await memory('BEGIN')
    for (const sql of ['VACUUM', "VACUUM INTO 'copy.db'"])
      await expect(db.run([sql], inside)).rejects.toThrow('cannot VACUUM from within a transaction')
  })

  it('may use savepoints, and pragmas that do no harm', async () => {
    const db = await memory('CREATE TABLE t (n); BEGIN')
    await db.run(
      ['SAVEPOINT a', 'INSERT INTO t VALUES (1)', 'ROLLBACK TO a', 'INSERT INTO t VALUES (2)', 'RELEASE a'],
      inside,
    )
    await db.run(
      [
        'PRAGMA user_version = 7',
        'PRAGMA main.foreign_key_check',
        "SELECT * FROM pragma_table_info('t')",
        'PRAGMA defer_foreign_keys = ON',
      ],
      inside,
    )
    await db.exec('COMMIT')
    expect(await db.all('SELECT n FROM t')).toEqual([{ n: 2 }])
  })

  it.each(['INSERT OR ROLLBACK INTO t VALUES (1)', 'INSERT INTO guarded VALUES (1)'])(
    'that makes SQLite roll back cannot go on outside of it: %s',
    async sql => {
      const schema = `
        CREATE TABLE t (n PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE guarded (n);
        CREATE TRIGGER g BEFORE INSERT ON guarded BEGIN SELECT RAISE(ROLLBACK, 'no'); END`
      const db = await memory(schema, { scripts: true })
      const url = await moduleFile(`
        export function up(db) {
          const prepared = db.prepare('INSERT INTO t VALUES (3)')
          const rows = db.iterate('SELECT 1 UNION ALL SELECT 2')
          try { db.exec(${JSON.stringify(sql)}) } catch {}
          for (const work of [() => db.exec('INSERT INTO t VALUES (2)'), () => prepared.run(), () => [...rows]])
            try { work() } catch {}
        }`)
      await db.exec('BEGIN')
      await expect(db.runScript({ url, function: 'up' }, inside)).rejects.toMatchObject({
        message: 'the migration has rolled back the transaction that it runs in',
      })
      expect(await db.all('SELECT n FROM t')).toEqual([{ n: 1 }])
      await db.exec('BEGIN')
      await expect(db.run([sql, 'INSERT INTO t VALUES (2)'], inside)).rejects.toMatchObject({ statement: 0 })
      expect(await db.all('SELECT n FROM t')).toEqual([{ n: 1 }])
    },
  )
})

describe.each(modes)('with transactions of its own, on a database in %s mode, a migration', mode => {
  it('may vacuum, change the page size and the journal, and nobody gets in meanwhile', async () => {
    const { path, db } = await locked(mode)
    const peer = await Peer.open(path)
    const hammering = await peer.hammer('SELECT * FROM t')
    await db.run(['BEGIN', 'INSERT INTO t VALUES (2)', 'COMMIT', 'VACUUM', 'PRAGMA optimize'], own)
    await db.run(['PRAGMA journal_mode = DELETE', 'PRAGMA page_size = 8192', 'VACUUM'], own)
    await db.run(['PRAGMA foreign_keys = ON', 'INSERT INTO t VALUES (3)', 'PRAGMA journal_mode = wal'], own)
    await db.run(['INSERT INTO t VALUES (4)', 'PRAGMA journal_mode = TRUNCATE', 'INSERT INTO t VALUES (5)'], own)
    await db.run(['INSERT INTO t VALUES (6)', 'PRAGMA journal_mode(persist)', 'INSERT INTO t VALUES (7)'], own)
    expect((await hammering.stop()).done).toBe(0)
    expect(await db.all('PRAGMA page_size')).toEqual([{ page_size: 8192 }])
    await db.close()
    expect(await peer.run('SELECT sum(n) FROM t')).toEqual([[28]])
  })

  it('cannot let go of the lock or of the journal', async () => {
    const { path, db } = await locked(mode)
    for (const sql of [
      'PRAGMA locking_mode = NORMAL',
      'PRAGMA journal_mode = OFF',
      'PRAGMA journal_mode = o',
      'PRAGMA main.journal_mode = "MEMORY"',
      'PRAGMA journal_mode(mem)',
      "ATTACH 'other.db' AS other",
      "VACUUM INTO 'copy.db'",
      'DETACH main',
    ])
      await expect(db.run([sql, 'SELECT * FROM t'], own)).rejects.toMatchObject({
        message: expect.stringContaining('not allowed in a migration: '),
        statement: 0,
      })
    const peer = await Peer.open(path)
    expect(await peer.refusal('SELECT * FROM t')).toBe('database is locked')
    expect(await fileSize('copy.db')).toBeUndefined()
  })
})

describe('the tables that statements touch', () => {
  const schema = `
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE unique_name (id INTEGER PRIMARY KEY, name UNIQUE);
    CREATE TABLE log (what);
    CREATE TRIGGER logged AFTER DELETE ON unique_name BEGIN INSERT INTO log VALUES (old.name); END;
    CREATE VIEW names AS SELECT * FROM unique_name;
    CREATE TRIGGER renamed INSTEAD OF UPDATE ON names BEGIN UPDATE unique_name SET name = new.name; END;
    CREATE VIRTUAL TABLE words USING fts5(text);
    CREATE TABLE untouched (n)`

  it.each([
    ['INSERT INTO log VALUES (1)', ['log']],
    ['UPDATE log SET what = 1', ['log']],
    ['DELETE FROM log', ['log']],
    ['DELETE FROM unique_name', ['log', 'unique_name']],
    ["REPLACE INTO unique_name VALUES (1, 'a')", ['unique_name']],
    ["UPDATE names SET name = 'b'", ['names', 'unique_name']],
    ['DROP TABLE log', ['log']],
    ['ALTER TABLE log RENAME TO journal', ['log']],
    ['ALTER TABLE log RENAME what TO which', ['log']],
    ['ALTER TABLE log ADD COLUMN more', ['log']],
    ['ALTER TABLE child DROP COLUMN parent', ['child']],
    ['SELECT * FROM untouched', []],
    ['CREATE INDEX i ON untouched (n)', []],
    ['WITH gone AS (SELECT 1) INSERT INTO log SELECT * FROM gone', ['log']],
  ])('by %s', async (sql, expected) => {
    const db = await memory(schema)
    await db.exec('BEGIN')
    expect((await db.run([sql], inside)).sort()).toEqual(expected)
  })

  it('include those that a foreign key reaches, and those of triggers that REPLACE fires', async () => {
    const db = await memory(schema)
    await db.exec('PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; BEGIN')
    expect((await db.run(['DELETE FROM parent'], inside)).sort()).toEqual(['child', 'parent'])
    expect((await db.run(["REPLACE INTO unique_name VALUES (1, 'a')"], inside)).sort()).toEqual(['log', 'unique_name'])
  })

  it('include virtual tables, and what is used once more from a statement compiled before', async () => {
    const db = await memory(schema)
    await db.exec("INSERT INTO words VALUES ('before')")
    await db.exec('BEGIN')
    for (const sql of [
      "INSERT INTO words VALUES ('a')",
      "UPDATE words SET text = 'b'",
      'DELETE FROM words',
      'DROP TABLE words',
    ])
      expect(await db.run([sql], inside), sql).toContain('words')
  })

  it('are the same in a child', async () => {
    const db = await memory(`${schema}; BEGIN`, { scripts: true })
    expect((await db.run(['DELETE FROM unique_name'], inside)).sort()).toEqual(['log', 'unique_name'])
    await expect(db.run(['COMMIT'], inside)).rejects.toThrow('not allowed in a migration: COMMIT')
  })
})

describe('what is reserved', () => {
  const schema = 'CREATE TABLE Kept (n); CREATE TABLE t (n)'
  const reserved = { ownTransactions: false, reserved: ['kept', 'not_there_yet'] }

  it.each([
    'INSERT INTO KEPT VALUES (1)',
    'UPDATE kept SET n = 1',
    'DELETE FROM kept',
    'DROP TABLE kept',
    'ALTER TABLE kept ADD COLUMN m',
    'ALTER TABLE kept RENAME TO other',
    'CREATE TABLE IF NOT EXISTS kept (m)',
    'CREATE TABLE not_there_yet (m)',
    'CREATE VIEW not_there_yet AS SELECT 1',
    'CREATE VIRTUAL TABLE not_there_yet USING fts5(a)',
    'CREATE INDEX i ON kept (n)',
    'CREATE TRIGGER tr AFTER INSERT ON kept BEGIN SELECT 1; END',
    'CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM kept; END; INSERT INTO t VALUES (1)',
  ])('cannot be changed: %s', async sql => {
    const db = await memory(`${schema}; BEGIN`)
    await expect(db.run(sql.split(/; (?=INSERT)/), reserved)).rejects.toThrow(/Lockkeeper's own record/)
  })

  it('can be read, and a temporary table of that name is another one', async () => {
    const db = await memory(`${schema}; BEGIN`)
    await db.run(['INSERT INTO t SELECT n FROM kept', 'CREATE TEMP TABLE kept (n)', 'DELETE FROM temp.kept'], reserved)
  })
})

describe('a counter of AUTOINCREMENT counts as touched, as `sqlite_sequence`, where', () => {
  const schema = 'CREATE TABLE t (n INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE u (n); INSERT INTO t VALUES (5)'
  const touches = async (...sql: string[]) =>
    (await (await memory(`${schema}; BEGIN`)).run(sql, inside)).includes('sqlite_sequence')

  it.each([
    [['DELETE FROM sqlite_sequence']],
    [['UPDATE sqlite_sequence SET seq = 0']],
    [["INSERT INTO sqlite_sequence VALUES ('x', 1)"]],
    [['DROP TABLE t', 'DELETE FROM sqlite_sequence']],
    [['DROP TABLE u', 'DELETE FROM sqlite_sequence']],
  ])('a statement sets it: %j', async sql => {
    expect(await touches(...sql)).toBe(true)
  })

  it.each([
    [['INSERT INTO t DEFAULT VALUES']],
    [['DROP TABLE t']],
    [['ALTER TABLE t RENAME TO v', 'DROP TABLE v']],
    [['DELETE FROM t', 'SELECT * FROM sqlite_sequence']],
  ])('and not where SQLite does: %j', async sql => {
    expect(await touches(...sql)).toBe(false)
  })
})
