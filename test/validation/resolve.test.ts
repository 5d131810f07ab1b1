import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findUnresolved } from '../../src/validation/resolve.ts'
import { updateColumnsOf } from '../../src/validation/trigger-text.ts'
import { column, memory } from '../migrations/database.ts'
import { folderOf } from '../migrations/folder.ts'
import { openConnection } from '../support/connection.ts'

const unresolved = async (sql: string) =>
  [...(await findUnresolved(await memory(sql))).values()].map(({ message, severity }) =>
    severity === 'fail' ? message : `${severity}: ${message}`,
  )
/** A table that vanishes under whatever uses it. */
const without = (table: string) => `PRAGMA legacy_alter_table = ON; DROP TABLE ${table};`

describe('everything resolves', () => {
  it('in a schema as it ought to be, whatever is in it', async () => {
    const sql = `
      CREATE TABLE "odd ""name"(id INTEGER PRIMARY KEY, "a b" TEXT, g AS ("a b" || id) STORED, v AS (id + 1));
      CREATE TABLE w(a PRIMARY KEY, b REFERENCES w) WITHOUT ROWID;
      CREATE TABLE s(a INTEGER PRIMARY KEY, o INT REFERENCES "odd ""name", x ANY REFERENCES "ODD ""NAME"(id)) STRICT;
      CREATE VIRTUAL TABLE f USING fts5("a b", content='odd "name', content_rowid='id');
      CREATE VIEW v1 AS SELECT "a b", g FROM "odd ""name"; CREATE VIEW "v ""2" AS SELECT * FROM v1, f;
      CREATE TRIGGER t1 AFTER INSERT ON "odd ""name" BEGIN INSERT INTO f(rowid, "a b") VALUES (new.id, new."a b"); END;
      CREATE TRIGGER t2 BEFORE UPDATE OF "A B", id ON "odd ""name" WHEN new.g <> old.g BEGIN SELECT RAISE(ABORT, 'no'); END;
      CREATE TRIGGER t3 AFTER DELETE ON w BEGIN DELETE FROM s WHERE a = old.a; END;
      CREATE TRIGGER t4 INSTEAD OF UPDATE OF g ON v1 BEGIN UPDATE "odd ""name" SET "a b" = new."a b"; END;
      CREATE TRIGGER t5 INSTEAD OF DELETE ON "v ""2" BEGIN SELECT 1; END;`
    expect(await unresolved(sql)).toEqual([])
  })

  it('in an empty database', async () => {
    expect(await unresolved('')).toEqual([])
  })
})

describe('a view is found', () => {
  it.each([
    [
      'whose table is gone',
      `CREATE TABLE t(a); CREATE VIEW "v 1" AS SELECT a FROM t; ${without('t')}`,
      ['the view v 1 does not work: no such table: main.t'],
    ],
    [
      'whose column is gone',
      'CREATE VIEW v AS SELECT a FROM t; CREATE TABLE t(b)',
      ['the view v does not work: no such column: a'],
    ],
    [
      'that uses one that does not work',
      'CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT * FROM v',
      ['the view v does not work: no such table: main.t', 'the view w does not work: no such table: main.t'],
    ],
    [
      'whose columns do not match its names',
      'CREATE TABLE t(a); CREATE VIEW v(x, y) AS SELECT * FROM t',
      ["the view v does not work: expected 2 columns for 'v' but got 1"],
    ],
    [
      'that refers to itself',
      'CREATE VIEW v AS SELECT * FROM w; CREATE VIEW w AS SELECT * FROM v',
      [
        'the view v does not work: view v is circularly defined',
        'the view w does not work: view w is circularly defined',
      ],
    ],
    [
      'that takes a name for a string, which not every program does',
      'CREATE TABLE t(a); CREATE VIEW v AS SELECT "b" FROM t',
      [expect.stringMatching(/^the view v does not work: no such column: "b" - should this be a string/)],
    ],
  ])('%s', async (_, sql, expected) => {
    expect(await unresolved(sql)).toEqual(expected)
  })
})

describe('a trigger is found', () => {
  it.each([
    [
      'that names a table which is not there',
      'CREATE TABLE t(a); CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO gone VALUES (1); END',
      ['the trigger x on t does not work: no such table: main.gone'],
    ],
    [
      'that names a column which is not there',
      'CREATE TABLE t(a); CREATE TRIGGER x AFTER UPDATE ON t BEGIN UPDATE t SET b = 1; END',
      ['the trigger x on t does not work: no such column: b'],
    ],
    [
      'that names a column of its own table which is not there',
      'CREATE TABLE t(a); CREATE TRIGGER x BEFORE DELETE ON t WHEN old.b > 1 BEGIN SELECT 1; END',
      ['the trigger x on t does not work: no such column: old.b'],
    ],
    [
      'among several',
      'CREATE TABLE t(a); CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; CREATE TRIGGER y AFTER DELETE ON t BEGIN DELETE FROM gone; END',
      ['one of the triggers x, y on t does not work: no such table: main.gone'],
    ],
    [
      'only once, for all that would fire it',
      'CREATE TABLE t(a); CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM gone; END; CREATE TRIGGER y AFTER DELETE ON t BEGIN DELETE FROM gone; END',
      [expect.stringMatching(/^one of the triggers x, y on t/)],
    ],
    [
      'behind another one',
      'CREATE TABLE t(a); CREATE TABLE u(a); CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END; CREATE TRIGGER y AFTER DELETE ON u BEGIN DELETE FROM gone; END',
      [
        'the trigger x on t does not work: no such table: main.gone',
        'the trigger y on u does not work: no such table: main.gone',
      ],
    ],
    [
      'on a view',
      'CREATE TABLE t(a); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER x INSTEAD OF INSERT ON v BEGIN INSERT INTO gone VALUES (new.a); END',
      ['the trigger x on v does not work: no such table: main.gone'],
    ],
    [
      'that waits for updates of a column which is not there, and so never fires',
      'CREATE TABLE t(a, b); CREATE TRIGGER x AFTER UPDATE OF b ON t BEGIN SELECT 1; END; ALTER TABLE t DROP COLUMN b',
      ['the trigger x waits for updates of t.b, which is not there'],
    ],
    [
      'not on a view that does not work itself',
      'CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER x INSTEAD OF INSERT ON v BEGIN SELECT 1; END',
      ['the view v does not work: no such table: main.t'],
    ],
  ])('%s', async (_, sql, expected) => {
    expect(await unresolved(sql)).toEqual(expected)
  })

  it.each([
    ['CREATE TRIGGER t AFTER UPDATE OF a, "b c", [d] ON x BEGIN SELECT 1; END', ['a', 'b c', 'd']],
    ['CREATE TRIGGER "update of" update of/**/a on x BEGIN SELECT 1; END', ['a']],
    ['CREATE TRIGGER t INSTEAD OF UPDATE OF a ON x BEGIN SELECT 1; END', ['a']],
    ['CREATE TRIGGER t BEFORE UPDATE ON "of" BEGIN SELECT 1; END', []],
    ['CREATE TRIGGER t INSERT ON x BEGIN UPDATE y SET of = 1; END', []],
  ])('%s waits for updates of %j', (sql, columns) => {
    expect(updateColumnsOf(sql)).toEqual(columns)
  })
})

describe('a foreign key is found', () => {
  it.each([
    [
      'whose parent is not there',
      'CREATE TABLE c(x REFERENCES "Go""ne", y REFERENCES "go""ne")',
      [expect.stringMatching(/^a foreign key of c refers to go"ne, which is not there$/i)],
    ],
    [
      'whose parent is a view',
      'CREATE TABLE t(a); CREATE VIEW p AS SELECT a FROM t; CREATE TABLE c(x REFERENCES p(a))',
      [expect.stringMatching(/^a foreign key of c refers to p, which is not there$/)],
    ],
    [
      "that refers to what is no key of its parent's",
      'CREATE TABLE p(a); CREATE TABLE "c 1"(x REFERENCES p(a))',
      ['a foreign key of c 1 does not work: foreign key mismatch - "c 1" referencing "p"'],
    ],
    [
      'that has fewer columns than the key',
      'CREATE TABLE p(a, b, PRIMARY KEY(a, b)); CREATE TABLE c(x REFERENCES p)',
      [expect.stringMatching(/foreign key mismatch/)],
    ],
  ])('%s', async (_, sql, expected) => {
    expect((await unresolved(sql)).slice(0, 1)).toEqual(expected)
  })
})

describe('what only the application defines', () => {
  it('is a warning: it may well be there', async () => {
    const path = join(folderOf({}), 'app.db')
    const own = openConnection(path)
    own.native.function('app', { deterministic: true }, value => value)
    await own.exec(`CREATE TABLE t(a, g AS (app(a))); CREATE VIEW v AS SELECT app(a) FROM t;
      CREATE TABLE u(a); CREATE TRIGGER x AFTER INSERT ON u BEGIN SELECT app(new.a); END;
      CREATE VIEW c AS SELECT a FROM u ORDER BY a COLLATE app;`)
    await own.close()
    const other = openConnection(path)
    const found = [...(await findUnresolved(other)).values()]
    await other.close()
    expect(found.map(({ message, severity }) => `${severity}: ${message}`)).toEqual([
      expect.stringMatching(/^warn: the view v does not work: (no such|unknown) function: app/),
      'warn: the view c does not work: no such collation sequence: app',
      expect.stringMatching(/^warn: the trigger x on u does not work: (no such|unknown) function: app/),
    ])
  })
})

it('nothing is run: no row changes, no trigger fires, and a connection that cannot write is enough', async () => {
  const sql = `CREATE TABLE t(a); INSERT INTO t VALUES (1); CREATE TABLE log(a);
    CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1); END;
    CREATE TRIGGER y AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (2); END;
    CREATE TRIGGER z AFTER DELETE ON t BEGIN SELECT RAISE(ABORT, 'fired'); END;`
  const db = await memory(sql)
  await db.exec('PRAGMA query_only = ON')
  expect([...(await findUnresolved(db))]).toEqual([])
  expect(await column(db, 'SELECT a FROM t UNION ALL SELECT a FROM log')).toEqual([1])
})

it('a finding has the same key from one look to the next, and another one when it is another', async () => {
  const db = await memory('CREATE TABLE t (a REFERENCES p (n))')
  const first = [...(await findUnresolved(db)).keys()]
  expect([...(await findUnresolved(db)).keys()]).toEqual(first)
  await db.exec('CREATE TABLE p (n)')
  const second = [...(await findUnresolved(db)).keys()]
  expect(second).toHaveLength(1)
  expect(second).not.toEqual(first)
})

it('a view that does not work is the same one whatever the reason, but not one that only lacks the application', async () => {
  const db = await memory('CREATE VIEW v AS SELECT a FROM t')
  const first = [...(await findUnresolved(db)).keys()]
  await db.exec('CREATE TABLE t (b)')
  expect([...(await findUnresolved(db)).keys()]).toEqual(first)
  await db.exec('DROP VIEW v; CREATE VIEW v AS SELECT shout(b) FROM t')
  expect([...(await findUnresolved(db)).keys()]).not.toEqual(first)
})
