import { describe, expect, it } from 'vitest'
import { programOf } from '../../src/migrations/program.ts'
import { split } from '../../src/migrations/split.ts'
import { tableChangeOf } from '../../src/migrations/table-changes.ts'

const inside = (text: string) => programOf(text, 1, true)
const sqlOf = (text: string, inTransaction = true) => programOf(text, 1, inTransaction).steps.map(({ sql }) => sql)
const leftOut = (text: string, inTransaction = true) => programOf(text, 1, inTransaction).leftOut.map(({ sql }) => sql)
const renamesOf = (text: string) => Object.fromEntries(inside(text).renames)

describe('of a migration in a transaction is left out', () => {
  it.each([
    'BEGIN;',
    'begin immediate transaction;',
    'COMMIT;',
    'END;',
    'End Transaction;',
    'COMMIT TRANSACTION',
    'PRAGMA foreign_keys = OFF;',
    'pragma main.foreign_keys(1);',
    'PRAGMA "foreign_keys" = \'on\';',
    'PRAGMA foreign_keys;',
  ])('%j, which Lockkeeper does itself', statement => {
    expect(inside(statement)).toMatchObject({ steps: [], leftOut: [{ sql: statement, line: 1, why: /./ }] })
  })

  it('each of them wherever it stands, with its line', () => {
    const text = 'BEGIN;\nSELECT 1;\nCOMMIT; PRAGMA foreign_keys=OFF; BEGIN;\nSELECT 2;\n-- no end\n'
    const { steps, leftOut } = programOf(text, 10, true)
    expect(steps).toMatchObject([
      { sql: 'SELECT 1;', line: 11, statement: 1 },
      { sql: 'SELECT 2;', line: 13, statement: 5 },
    ])
    expect(leftOut.map(({ sql, line }) => [line, sql])).toEqual([
      [10, 'BEGIN;'],
      [12, 'COMMIT;'],
      [12, 'PRAGMA foreign_keys=OFF;'],
      [12, 'BEGIN;'],
    ])
  })

  it.each([
    'ROLLBACK;',
    'SAVEPOINT a;',
    'ROLLBACK TO a;',
    'RELEASE a;',
    'PRAGMA defer_foreign_keys = ON;',
    'PRAGMA legacy_alter_table = ON;',
    'PRAGMA journal_mode = WAL;',
    'PRAGMA user_version = 3;',
    'VACUUM;',
    'SELECT 1 AS "BEGIN";',
    '"BEGIN";',
    'CREATE TABLE "commit"(a);',
    'EXPLAIN COMMIT;',
  ])('not %j: SQLite does it or says why not', statement => {
    expect(inside(statement)).toMatchObject({ steps: [{ sql: statement }], leftOut: [] })
  })

  it('nothing of the body of a trigger', () => {
    const trigger = `CREATE TRIGGER t AFTER INSERT ON a BEGIN
      SELECT CASE WHEN 1 THEN 2 END; -- COMMIT;
      DELETE FROM b;
    END;`
    expect(inside(`BEGIN; ${trigger} END;`)).toMatchObject({ steps: [{ sql: trigger }], leftOut: [{}, {}] })
  })
})

describe('of any migration are left out', () => {
  it.each([
    'PRAGMA busy_timeout = 5000;',
    'PRAGMA synchronous = NORMAL;',
    'PRAGMA cache_size = -2000;',
    'PRAGMA locking_mode = NORMAL;',
    'PRAGMA main.temp_store(memory);',
  ])('settings of the connection, which nothing keeps: %j', statement => {
    expect(leftOut(statement)).toEqual([statement])
    expect(leftOut(statement, false)).toEqual([statement])
  })
})

describe('a migration without a transaction', () => {
  it('keeps its own transactions and pragmas', () => {
    const text = 'PRAGMA foreign_keys=OFF; BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; ROLLBACK; PRAGMA foreign_keys=ON;'
    expect(sqlOf(text, false)).toHaveLength(8)
    expect(leftOut(text, false)).toEqual([])
  })

  it.each([
    'SELECT 1;\nBEGIN;\nSELECT 2;',
    'BEGIN; COMMIT;\nBEGIN IMMEDIATE; SELECT 1; SAVEPOINT a; ROLLBACK TO a; ROLLBACK TRANSACTION TO SAVEPOINT a;',
  ])('that leaves one open is refused, with the line: %j', text => {
    expect(() => programOf(text, 10, false)).toThrow('line 11 begins a transaction that the file does not end')
  })

  it.each(['BEGIN; END TRANSACTION;', 'BEGIN; ROLLBACK;', 'BEGIN; ROLLBACK TRANSACTION;', 'VACUUM;'])(
    'that leaves none open is not: %j',
    text => {
      expect(() => programOf(text, 1, false)).not.toThrow()
    },
  )
})

describe('a statement about a table', () => {
  const statements: [string, ReturnType<typeof tableChangeOf>][] = [
    ['CREATE TABLE a(x)', { kind: 'create', table: 'a' }],
    ['create table if not exists Main."A b"(x)', { kind: 'create', table: 'a b' }],
    ['CREATE VIRTUAL TABLE f USING fts5(a)', { kind: 'create', table: 'f' }],
    ['CREATE TABLE "table" AS SELECT 1', { kind: 'create', table: 'table' }],
    ['CREATE TABLE "É"(x)', { kind: 'create', table: 'É' }],
    ['CREATE TEMP TABLE a(x)', undefined],
    ['CREATE TABLE temp.a(x)', undefined],
    ['CREATE INDEX "table" ON a(x)', undefined],
    ['CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END', undefined],
    ['DROP TABLE a;', { kind: 'drop', table: 'a' }],
    ['drop table if exists main.[A];', { kind: 'drop', table: 'a' }],
    ['DROP TABLE `a``b`', { kind: 'drop', table: 'a`b' }],
    ['DROP TABLE temp.a', undefined],
    ['DROP VIEW a', undefined],
    ['DROP INDEX "table"', undefined],
    ['ALTER TABLE a RENAME TO b', { kind: 'rename', from: 'a', to: 'b' }],
    ['alter table main."x" rename to "Y";', { kind: 'rename', from: 'x', to: 'y' }],
    ["ALTER TABLE 'a' RENAME TO 'b'", { kind: 'rename', from: 'a', to: 'b' }],
    ['ALTER TABLE rename RENAME TO "to"', { kind: 'rename', from: 'rename', to: 'to' }],
    ['ALTER TABLE /* x */ a RENAME -- y\n TO b', { kind: 'rename', from: 'a', to: 'b' }],
    ['ALTER TABLE temp.a RENAME TO b', undefined],
    ['ALTER TABLE a RENAME COLUMN b TO c', undefined],
    ['ALTER TABLE a RENAME b TO c', undefined],
    ['ALTER TABLE a RENAME rename TO c', undefined],
    ['ALTER TABLE a RENAME COLUMN rename TO c', undefined],
    ['ALTER TABLE a ADD COLUMN b', undefined],
    ['ALTER TABLE a DROP COLUMN b', undefined],
    ['SELECT 1', undefined],
  ]
  it.each(statements)('%j is read', (sql, change) => {
    expect(tableChangeOf([...split(sql)][0]!)).toEqual(change)
  })
})

describe('renamed tables are followed', () => {
  it.each([
    ['ALTER TABLE a RENAME TO b;', { a: 'b' }],
    ['ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME TO c;', { a: 'c' }],
    ['ALTER TABLE a RENAME TO t; ALTER TABLE b RENAME TO a; ALTER TABLE t RENAME TO b;', { a: 'b', b: 'a' }],
    ['ALTER TABLE logs RENAME TO logs_1; CREATE TABLE logs(a);', { logs: 'logs_1' }],
    ['DROP TABLE IF EXISTS b; ALTER TABLE a RENAME TO b;', { a: 'b' }],
    ['CREATE TABLE n(a); DROP TABLE a; ALTER TABLE n RENAME TO a;', {}],
    ['DROP TABLE IF EXISTS n; CREATE TABLE n(a); DROP TABLE a; ALTER TABLE n RENAME TO a;', {}],
    ['ALTER TABLE a RENAME TO o; CREATE TABLE a(b); DROP TABLE o;', { a: 'o' }],
    ['ALTER TABLE a RENAME TO b; DROP TABLE b; CREATE TABLE b(x); ALTER TABLE b RENAME TO c;', { a: 'b' }],
    [
      'ALTER TABLE a RENAME TO b; DROP TABLE b; ALTER TABLE c RENAME TO b; ALTER TABLE b RENAME TO d;',
      { a: 'b', c: 'd' },
    ],
    ['ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME TO a;', { a: 'a' }],
    ['CREATE TABLE n(a); DROP TABLE a; ALTER TABLE n RENAME TO a; ALTER TABLE a RENAME TO b;', { a: 'b' }],
    ['DROP TABLE a; CREATE TABLE a(b); ALTER TABLE a RENAME TO b;', {}],
    ['CREATE TABLE a(b); DROP TABLE a; CREATE TABLE a(b); ALTER TABLE a RENAME TO b;', {}],
    ['ALTER TABLE A RENAME TO "B"; ALTER TABLE main.b RENAME TO C', { a: 'c' }],
  ])('through %j', (text, renames) => {
    expect(renamesOf(text)).toEqual(renames)
  })

  it('in the order of all renames', () => {
    expect(inside('CREATE TABLE n(a); ALTER TABLE n RENAME TO m; ALTER TABLE m RENAME TO o').renamed).toMatchObject([
      { from: 'n', to: 'm' },
      { from: 'm', to: 'o' },
    ])
  })
})

describe('a rename is done', () => {
  const legacy = (text: string) =>
    inside(text).steps.map(({ sql, orLegacy }) => (orLegacy ? 'or legacy' : /legacy/.test(sql) ? sql : ''))

  it("with SQLite's own rename where it is one", () => {
    expect(legacy('ALTER TABLE a RENAME TO b; CREATE TABLE a(x);')).toEqual(['', ''])
    expect(legacy('ALTER TABLE a RENAME TO b; DROP TABLE b;')).toEqual(['', ''])
    expect(legacy('ALTER TABLE a RENAME COLUMN x TO y;')).toEqual([''])
  })

  it('with the legacy one, if need be, at the end of a rebuild', () => {
    const end = ['', '', '', 'or legacy']
    expect(legacy('CREATE TABLE n(a); INSERT INTO n SELECT 1; DROP TABLE main.A; ALTER TABLE n RENAME TO a;')).toEqual(
      end,
    )
    expect(legacy('SELECT 1; ALTER TABLE a RENAME TO o; CREATE TABLE n(x); ALTER TABLE n RENAME TO a;')).toEqual(end)
  })

  it('with the legacy one at the beginning of a rebuild that renames the old table away', () => {
    const around = ['PRAGMA legacy_alter_table = ON', '', 'PRAGMA legacy_alter_table = OFF']
    expect(legacy('ALTER TABLE a RENAME TO o; CREATE TABLE a(x); DROP TABLE o;')).toEqual([...around, '', ''])
    expect(legacy('CREATE TABLE n(x); ALTER TABLE a RENAME TO o; ALTER TABLE n RENAME TO a; DROP TABLE o;')).toEqual([
      '',
      ...around,
      'or legacy',
      '',
    ])
  })

  it('as the file says where it says something', () => {
    const rebuild = 'ALTER TABLE a RENAME TO o; CREATE TABLE a(x); DROP TABLE o;'
    const on = 'PRAGMA legacy_alter_table = ON;'
    expect(legacy(`${on} ${rebuild}`)).toEqual([on, '', '', ''])
    const off = 'PRAGMA legacy_alter_table(0);'
    expect(legacy(`${on} ${off} ${rebuild}`)).toHaveLength(7)
  })
})

it('a large file is read in proportion to its length', () => {
  const text = "INSERT INTO t VALUES(1,'some text; with a semicolon');\n".repeat(100_000)
  const before = performance.now()
  expect(inside(text).steps).toHaveLength(100_000)
  expect(performance.now() - before).toBeLessThan(15_000)
})
