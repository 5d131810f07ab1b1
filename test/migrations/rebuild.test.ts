/** Rebuilding a table, in all the orders in which it is done, with everything around it that could be lost. */
import { describe, expect, it } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import { concernedTables, findViolations } from '../../src/validation/foreign-keys.ts'
import { quickCheck } from '../../src/validation/integrity.ts'
import { findUnresolved } from '../../src/validation/resolve.ts'
import { column, definitions, lossesOf, memory, migrate, rowsOf } from './database.ts'

/** Users with orders, items of orders, a view, and triggers on the table itself and on others. */
const shop = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, boss INTEGER REFERENCES users(id) ON DELETE SET NULL);
  CREATE INDEX users_by_name ON users(name);
  CREATE TABLE orders(id INTEGER PRIMARY KEY, "user" INTEGER NOT NULL REFERENCES "users"(id) ON DELETE CASCADE);
  CREATE TABLE items("order" INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE, what TEXT, PRIMARY KEY("order", what)) WITHOUT ROWID;
  CREATE TABLE log(what TEXT);
  CREATE VIEW names AS SELECT u.name, count(o.id) AS orders FROM users AS u LEFT JOIN orders AS o ON o."user" = u.id GROUP BY u.id;
  CREATE TRIGGER renamed AFTER UPDATE OF name ON users BEGIN INSERT INTO log VALUES (old.name || ' -> ' || new.name); END;
  CREATE TRIGGER ordered AFTER INSERT ON orders BEGIN INSERT INTO log SELECT 'order of ' || name FROM users WHERE id = new."user"; END;
  INSERT INTO users VALUES (1, 'Ada', NULL), (2, 'Grace', 1), (3, 'Barbara', 1);
  INSERT INTO orders VALUES (1, 1), (2, 1), (3, 2);
  INSERT INTO items VALUES (1, 'engine'), (1, 'cards'), (3, 'compiler');
  DELETE FROM log;`

const body =
  '(id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT, boss INTEGER REFERENCES users(id) ON DELETE SET NULL)'
const copy = (from: string, to: string) => `INSERT INTO ${to}(id, name, boss) SELECT id, name, boss FROM ${from};`
/** What goes with the old table has to be made again. */
const again = `
  CREATE INDEX users_by_name ON users(name);
  CREATE TRIGGER renamed AFTER UPDATE OF name ON users BEGIN INSERT INTO log VALUES (old.name || ' -> ' || new.name); END;`

const rebuilds: [string, string][] = [
  [
    'new, copy, drop, rename',
    `CREATE TABLE new_users${body}; ${copy('users', 'new_users')} DROP TABLE users; ALTER TABLE new_users RENAME TO users; ${again}`,
  ],
  [
    'rename away, new, copy, drop',
    `ALTER TABLE users RENAME TO users_old; CREATE TABLE users${body}; ${copy('users_old', 'users')} DROP TABLE users_old; ${again}`,
  ],
  [
    'new, copy, change places, drop',
    `CREATE TABLE users_new${body}; ${copy('users', 'users_new')} ALTER TABLE users RENAME TO users_old; ALTER TABLE users_new RENAME TO users; DROP TABLE users_old; ${again}`,
  ],
  [
    'copy away, drop, new, copy back, drop',
    `CREATE TABLE backup AS SELECT * FROM users; DROP TABLE users; CREATE TABLE users${body}; ${copy('backup', 'users')} DROP TABLE backup; ${again}`,
  ],
  [
    'copy away into a temporary table, drop, new, copy back',
    `CREATE TEMP TABLE backup AS SELECT * FROM users; DROP TABLE users; CREATE TABLE users${body}; ${copy('backup', 'users')} ${again}`,
  ],
  [
    "as Prisma writes it, with its tool's pragmas",
    `PRAGMA defer_foreign_keys=ON; PRAGMA foreign_keys=OFF; CREATE TABLE "new_users" ${body}; ${copy('"users"', '"new_users"')} DROP TABLE "users"; ALTER TABLE "new_users" RENAME TO "users"; ${again} PRAGMA foreign_keys=ON; PRAGMA defer_foreign_keys=OFF;`,
  ],
  [
    'in a transaction of its own, with foreign keys off in the middle',
    `SELECT 1; COMMIT; PRAGMA foreign_keys=OFF; BEGIN TRANSACTION; CREATE TABLE new_users${body}; ${copy('users', 'new_users')} DROP TABLE IF EXISTS main.users; ALTER TABLE main."new_users" RENAME TO "users"; ${again} END TRANSACTION; PRAGMA foreign_keys=ON; BEGIN;`,
  ],
  [
    'with legacy_alter_table as the file says',
    `PRAGMA legacy_alter_table=ON; ALTER TABLE users RENAME TO users_old; CREATE TABLE users${body}; ${copy('users_old', 'users')} DROP TABLE users_old; ${again}`,
  ],
]

/** What the checks before a commit would say. */
async function complaints(db: Workspace, touched: readonly string[]): Promise<string[]> {
  const violations = await findViolations(db, await concernedTables(db, touched))
  return [
    ...violations.map(({ key, rows }) => `${rows} of ${key.child} to ${key.parent}`),
    ...[...(await findUnresolved(db)).values()].map(({ message }) => message),
    ...(await quickCheck(db, touched)).map(({ message }) => message),
  ]
}

describe.each(rebuilds)('a rebuild: %s', (_, script) => {
  it('loses no row, and nothing that the checks could find', async () => {
    const db = await memory(shop)
    const tables = ['users', 'orders', 'items']
    const before = await Promise.all(tables.map(table => column(db, `SELECT count(*) FROM ${table}`)))
    const { touched } = await migrate(db, script)
    expect(await Promise.all(tables.map(table => column(db, `SELECT count(*) FROM ${table}`)))).toEqual(before)
    expect(await complaints(db, touched)).toEqual([])
  })

  it('is no loss to the row guard', async () => {
    expect(await lossesOf(await memory(shop), script)).toEqual([])
  })

  it('leaves every foreign key, view and trigger at work', async () => {
    const db = await memory(shop)
    await migrate(db, script)
    await db.exec(`PRAGMA foreign_keys = ON`)
    await db.exec(`UPDATE users SET name = 'Ada L.' WHERE id = 1; INSERT INTO orders VALUES (4, 3)`)
    expect(await column(db, 'SELECT what FROM log')).toEqual(['Ada -> Ada L.', 'order of Barbara'])
    await db.exec('DELETE FROM users WHERE id = 1')
    expect(await rowsOf(db, 'SELECT id, "user" FROM orders')).toEqual([
      { id: 3, user: 2 },
      { id: 4, user: 3 },
    ])
    expect(await rowsOf(db, 'SELECT * FROM items')).toEqual([{ order: 3, what: 'compiler' }])
    expect(await column(db, 'SELECT boss FROM users')).toEqual([null, null])
    expect(await rowsOf(db, 'SELECT * FROM names')).toEqual([
      { name: 'Grace', orders: 1 },
      { name: 'Barbara', orders: 1 },
    ])
    await expect(db.exec('INSERT INTO orders VALUES (5, 99)')).rejects.toThrow('FOREIGN KEY constraint failed')
  })

  it('gives the same schema in a database without rows', async () => {
    const [full, empty] = [await memory(shop), await memory(shop.replaceAll(/INSERT INTO \w+ VALUES \([1-9'].*/g, ''))]
    expect(await column(empty, 'SELECT count(*) FROM users')).toEqual([0])
    await migrate(full, script)
    await migrate(empty, script)
    expect(await definitions(full)).toEqual(await definitions(empty))
  })
})

describe('where no view or trigger is in the way, a rebuild', () => {
  it('may refer to the new table by the name that it has meanwhile', async () => {
    const db = await memory(
      'CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE c(t REFERENCES t(id)); INSERT INTO t VALUES (1, 2)',
    )
    const { touched } = await migrate(
      db,
      `CREATE TABLE n(id INTEGER PRIMARY KEY, a CHECK (n.a > 0), up REFERENCES n(id));
       CREATE TRIGGER tr AFTER INSERT ON n BEGIN UPDATE n SET a = a + 1 WHERE id = new.id; END;
       INSERT INTO n(id, a) SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;`,
    )
    expect(await complaints(db, touched)).toEqual([])
    await db.exec('PRAGMA foreign_keys = ON; INSERT INTO t VALUES (2, 3, 1)')
    expect(await column(db, 'SELECT a FROM t')).toEqual([3, 4])
    expect(await definitions(db)).toContain('CREATE TABLE c(t REFERENCES t(id))')
  })

  it('that cannot work in either way is refused, with what SQLite says of its own way', async () => {
    const db = await memory('CREATE TABLE t(a); CREATE VIEW v AS SELECT a FROM t')
    const script = 'CREATE TABLE n(a CHECK (n.a > 0)); DROP TABLE t; ALTER TABLE n RENAME TO t;'
    await expect(migrate(db, script)).rejects.toThrow('error in view v: no such table: main.t')
    expect(await definitions(db)).toEqual(['CREATE TABLE t(a)', 'CREATE VIEW v AS SELECT a FROM t'])
  })
})

describe('a rename that is no rebuild takes everything along:', () => {
  it('foreign keys, views and triggers, also onto a name that something had before', async () => {
    for (const script of ['', 'DROP TABLE IF EXISTS people;', 'CREATE TABLE people(a); DROP TABLE people;']) {
      const db = await memory(shop)
      const { touched } = await migrate(db, `${script} ALTER TABLE users RENAME TO people;`)
      expect(await complaints(db, touched)).toEqual([])
      await db.exec(`PRAGMA foreign_keys = ON; INSERT INTO orders VALUES (4, 3); DELETE FROM people WHERE id = 1`)
      expect(await column(db, 'SELECT name FROM names')).toEqual(['Grace', 'Barbara'])
      expect(await column(db, 'SELECT count(*) FROM orders')).toEqual([2])
    }
  })

  it('and an archive keeps the rows that refer to it, under a new table of the old name', async () => {
    const db = await memory(shop)
    const script = 'ALTER TABLE users RENAME TO users_2025; CREATE TABLE users(id INTEGER PRIMARY KEY, name);'
    expect(await lossesOf(db, script)).toEqual([])
    expect(await definitions(db)).toContainEqual(expect.stringMatching(/CREATE TABLE orders.*"users_2025"/))
    expect([...(await findUnresolved(db)).keys()]).toEqual([])
  })
})

describe('what a rebuild gets wrong is found before the commit:', () => {
  it('a view that needs a column which is gone', async () => {
    const db = await memory(shop)
    const script =
      'CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM users; DROP TABLE users; ALTER TABLE n RENAME TO users;'
    const { touched } = await migrate(db, script)
    expect(await complaints(db, touched)).toEqual([
      'the view names does not work: no such column: u.name',
      'the trigger ordered on orders does not work: no such column: name',
    ])
  })

  it('rows that were not all copied: their children have no parent', async () => {
    const db = await memory(shop)
    const script = `CREATE TABLE n${body}; ${copy('users WHERE id < 2', 'n')} DROP TABLE users; ALTER TABLE n RENAME TO users;`
    const before = await memory(shop)
    expect(await lossesOf(before, script)).toEqual([{ table: 'users', before: 3, after: 1 }])
    const { touched } = await migrate(db, script)
    expect(await complaints(db, touched)).toEqual(['1 of orders to users'])
  })

  it('children that were emptied, since foreign keys were on', async () => {
    const db = await memory(`${shop} PRAGMA foreign_keys = ON;`)
    const script = `CREATE TABLE n${body}; ${copy('users', 'n')} DROP TABLE users; ALTER TABLE n RENAME TO users;`
    expect(await lossesOf(db, script)).toEqual([
      { table: 'items', before: 3, after: 0 },
      { table: 'orders', before: 3, after: 0 },
    ])
  })

  it('a legacy rename that leaves a foreign key behind', async () => {
    const db = await memory(shop)
    const { touched } = await migrate(db, 'PRAGMA legacy_alter_table = ON; ALTER TABLE orders RENAME TO orders_2;')
    expect(await complaints(db, touched)).toContain('a foreign key of items refers to orders, which is not there')
  })

  it('a parent that has lost its unique key', async () => {
    const db = await memory('CREATE TABLE p(a UNIQUE); CREATE TABLE c(p REFERENCES p(a)); INSERT INTO p VALUES (1)')
    const { touched } = await migrate(
      db,
      'CREATE TABLE n(a); INSERT INTO n SELECT a FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p;',
    )
    expect(await complaints(db, touched)).toEqual([
      'a foreign key of c does not work: foreign key mismatch - "c" referencing "p"',
    ])
  })
})
