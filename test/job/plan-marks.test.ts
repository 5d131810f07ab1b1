import { describe, expect, it } from 'vitest'
import { markMigrations, readDefinitions } from '../../src/job/plan-marks.ts'
import { memory } from '../migrations/database.ts'
import { migration } from '../migrations/migration.ts'

const schema = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name);
  CREATE TABLE orders(id INTEGER PRIMARY KEY, "user" REFERENCES users(id));
  CREATE TABLE log(line);
  CREATE TRIGGER logged AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (new.id); END;
  CREATE TRIGGER shortened AFTER INSERT ON log BEGIN DELETE FROM log WHERE rowid < new.rowid - 1000; END;
  CREATE VIRTUAL TABLE search USING fts5(name);
  CREATE TABLE schema_migrations(version);`

async function marksOf(...ups: string[]) {
  const definitions = await readDefinitions(await memory(schema), ['schema_migrations'])
  const marks = await markMigrations(
    definitions,
    ups.map((up, at) => migration(`v${at + 1}`, { up })),
  )
  return Object.fromEntries(marks)
}

describe('what a plan marks of a migration:', () => {
  it.each([
    ['a table that it drops', 'DROP TABLE users;', ['drops or renames users']],
    ['a virtual one as well', 'DROP TABLE search;', ['drops or renames search']],
    ['a table that it renames', 'ALTER TABLE users RENAME TO people;', ['drops or renames users']],
    ['rows that it deletes', 'DELETE FROM users WHERE id > 5;', ['deletes rows of users']],
    ['a column that it drops', 'ALTER TABLE users DROP COLUMN name;', ['drops columns of users']],
    [
      'a table that it rebuilds',
      'CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM users; DROP TABLE users; ALTER TABLE n RENAME TO users;',
      ['rebuilds users'],
    ],
    [
      'triggers that it fires, and what they delete',
      'INSERT INTO orders VALUES (1, NULL);',
      ['deletes rows of log', 'fires logged, shortened'],
    ],
    [
      'nothing of what only adds',
      "CREATE TABLE more(a); INSERT INTO users(name) VALUES ('x'); ALTER TABLE users ADD COLUMN age; UPDATE users SET age = 1;",
      undefined,
    ],
    [
      'nothing of what it makes itself',
      'CREATE TABLE t(a); INSERT INTO t VALUES (1); DELETE FROM t; DROP TABLE t;',
      undefined,
    ],
  ])('%s', async (_, up, expected) => {
    expect((await marksOf(up))['v1']).toEqual(expected)
  })

  it('each of several on what those before it have made', async () => {
    expect(await marksOf('CREATE TABLE extra(a);', 'SELECT 1;', 'DROP TABLE extra;')).toEqual({
      v3: ['drops or renames extra'],
    })
  })

  it('that it cannot be foreseen, where it needs rows; and nothing of those behind it', async () => {
    const up = 'DELETE FROM users; SELECT missing FROM users;'
    expect(await marksOf(up, 'DROP TABLE users;')).toEqual({
      v1: ['deletes rows of users', 'cannot be foreseen without rows: see run --dry-run'],
    })
  })
})
