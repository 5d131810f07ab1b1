import { describe, expect, it } from 'vitest'
import { programOf } from '../../src/migrations/program.ts'
import { settingsBefore, unitsOf } from '../../src/migrations/units.ts'

const cut = (sql: string) => unitsOf(programOf(sql, 1, false).steps, 'v1', 'v1.sql')
const told = (sql: string) => cut(sql).map(({ end, kind, steps }) => `${kind} ${steps.length} to ${end}`)

describe('what commits at once is', () => {
  it.each([
    [
      'each statement',
      'CREATE TABLE t(a); INSERT INTO t VALUES (1); SELECT 1',
      ['statement 1 to 1', 'statement 1 to 2', 'statement 1 to 3'],
    ],
    [
      'what cannot be in a transaction, alone',
      'VACUUM; PRAGMA journal_mode = WAL; REINDEX',
      ['bare 1 to 1', 'bare 1 to 2', 'statement 1 to 3'],
    ],
    [
      'a transaction of its own',
      'BEGIN; SELECT 1; PRAGMA user_version = 1; END; SELECT 2',
      ['transaction 4 to 4', 'statement 1 to 5'],
    ],
    ['one that goes back', 'BEGIN IMMEDIATE; SELECT 1; ROLLBACK; SELECT 2', ['undone 3 to 3', 'statement 1 to 4']],
    [
      'one with savepoints in it',
      'BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a; COMMIT; SELECT 2',
      ['transaction 6 to 6', 'statement 1 to 7'],
    ],
    [
      'a savepoint by itself',
      'SAVEPOINT a; SAVEPOINT b; RELEASE b; RELEASE SAVEPOINT a; SELECT 2',
      ['transaction 4 to 4', 'statement 1 to 5'],
    ],
    [
      'a savepoint that is released with those inside it',
      'SAVEPOINT a; SAVEPOINT "B"; SAVEPOINT c; RELEASE b; SELECT 1; RELEASE A; SELECT 2; VACUUM',
      ['transaction 6 to 6', 'statement 1 to 7', 'bare 1 to 8'],
    ],
    [
      'one with a name that is used twice',
      'SAVEPOINT a; SAVEPOINT a; RELEASE a; SELECT 1; RELEASE a; SELECT 2',
      ['transaction 5 to 5', 'statement 1 to 6'],
    ],
    ['an end without a beginning, which SQLite refuses', 'COMMIT; RELEASE a', ['bare 1 to 1', 'bare 1 to 2']],
    [
      'a rename with the settings around it',
      'ALTER TABLE a RENAME TO o; CREATE TABLE a(x); DROP TABLE o',
      ['statement 3 to 1', 'statement 1 to 2', 'statement 1 to 3'],
    ],
    ['a statement behind one that is left out', 'PRAGMA cache_size = 5; SELECT 1', ['statement 1 to 2']],
    [
      'the whole body of a trigger',
      'CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 2',
      ['statement 1 to 1', 'statement 1 to 2'],
    ],
  ])('%s', (_, sql, units) => {
    expect(told(sql)).toEqual(units)
  })
})

describe('something temporary, which a kill would lose,', () => {
  it.each([
    'CREATE TEMP TABLE t AS SELECT 1',
    'create temporary view v as select 1',
    'CREATE TABLE temp.t(a)',
    'CREATE TABLE IF NOT EXISTS "temp"."t"(a)',
    'CREATE VIRTUAL TABLE temp.t USING fts5(a)',
  ])('is refused: %s', sql => {
    expect(() => cut(`SELECT 1;\n${sql}`)).toThrow(/v1 makes something temporary at v1\.sql:2/)
  })

  it.each([
    'CREATE TABLE temp(a)',
    'CREATE TABLE temp AS SELECT 1',
    'CREATE TABLE temporary_things(a)',
    'BEGIN; CREATE TEMP TABLE t(a); DROP TABLE t; COMMIT',
  ])('is not %s', sql => {
    expect(cut(sql)).toHaveLength(1)
  })
})

it('of a transaction of its own, only those are made again that outlive it and took effect in it', () => {
  const sql =
    'BEGIN; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA defer_foreign_keys = ON; COMMIT; SELECT 1'
  expect(settingsBefore(cut(sql), 5).map(step => step.sql)).toEqual(['PRAGMA recursive_triggers = ON;'])
  expect(settingsBefore(cut(sql), 2)).toEqual([])
})

it('settings that what follows relies on are made again, and no others', () => {
  const sql =
    'PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA main.page_size = 8192; PRAGMA user_version = 3; VACUUM; PRAGMA foreign_keys = OFF; SELECT 1'
  const before = (done: number) => settingsBefore(cut(sql), done).map(step => step.sql)
  expect(before(0)).toEqual([])
  expect(before(4)).toEqual(['PRAGMA foreign_keys = ON;', 'PRAGMA main.page_size = 8192;'])
  expect(before(6)).toEqual([
    'PRAGMA foreign_keys = ON;',
    'PRAGMA main.page_size = 8192;',
    'PRAGMA foreign_keys = OFF;',
  ])
})
