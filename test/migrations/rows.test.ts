import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMemory } from '../../src/database/memory.ts'
import { countRows, describeLoss, lostRows } from '../../src/migrations/rows.ts'
import { lossesOf, memory, migrate } from './database.ts'

const counts = async (sql: string, exclude: string[] = [], only?: string[]) =>
  Object.fromEntries(await countRows(await memory(sql), exclude, only))

describe('rows are counted', () => {
  it('in every table, also WITHOUT ROWID, STRICT and full-text, but not in views and not behind full-text tables', async () => {
    const sql = `CREATE TABLE a(x); INSERT INTO a VALUES (1), (2);
      CREATE TABLE b(x PRIMARY KEY) WITHOUT ROWID; INSERT INTO b VALUES (1);
      CREATE TABLE c(x INTEGER PRIMARY KEY AUTOINCREMENT) STRICT; INSERT INTO c DEFAULT VALUES;
      CREATE VIEW v AS SELECT * FROM a; CREATE TEMP TABLE t(x);
      CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('x'), ('y'), ('z');
      CREATE VIRTUAL TABLE r USING rtree(id, low, high); ANALYZE;`
    expect(await counts(sql)).toEqual({ a: 2, b: 1, c: 1, f: 3, r: 0 })
  })

  it('whatever the tables are called', async () => {
    const names = ['a"b', "it's", 'select', 'x y', '5', '[z]', 'É', 'é', 'percent%', 'under_score', 'sqliteX']
    const sql = names.map(name => `CREATE TABLE "${name.replaceAll('"', '""')}"(x)`).join(';')
    expect(Object.keys(await counts(sql)).toSorted()).toEqual(names.toSorted())
  })

  it('of 600 tables at once', async () => {
    const sql = Array.from({ length: 600 }, (_, n) => `CREATE TABLE t${n}(x); INSERT INTO t${n} VALUES (1)`).join(';')
    const found = await counts(sql)
    expect(Object.keys(found)).toHaveLength(600)
    expect(Object.values(found).every(rows => rows === 1)).toBe(true)
  })

  it('of those that are asked for, in any case of letters, and never of those that are excluded', async () => {
    const sql = 'CREATE TABLE Users(x); CREATE TABLE orders(x); CREATE TABLE schema_migrations(x)'
    expect(await counts(sql, ['SCHEMA_MIGRATIONS'])).toEqual({ Users: 0, orders: 0 })
    expect(await counts(sql, ['orders'], ['USERS', 'orders', 'gone'])).toEqual({ Users: 0 })
  })

  it('of none where there is none', async () => {
    expect(await counts('')).toEqual({})
    expect(await counts('CREATE TABLE a(x)', [], [])).toEqual({})
  })

  it('but for virtual tables that cannot be read to the end', async () => {
    const sql = `CREATE TABLE a(x);
      CREATE VIRTUAL TABLE f USING fts5(x, content='', columnsize=0); INSERT INTO f(rowid, x) VALUES (1, 'x');`
    expect(await counts(sql)).toEqual({ a: 0 })
  })
})

describe('the row guard finds', () => {
  const shop = `CREATE TABLE users(id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3);
    CREATE TABLE logs(id); INSERT INTO logs VALUES (1), (2); CREATE TABLE empty(id)`
  const lossesAfter = async (script: string, allowed: string[] = []) => lossesOf(await memory(shop), script, allowed)

  it('rows that were deleted', async () => {
    expect(await lossesAfter('DELETE FROM users WHERE id = 2')).toEqual([{ table: 'users', before: 3, after: 2 }])
  })

  it('rows that a trigger deleted', async () => {
    const script = `CREATE TRIGGER t AFTER INSERT ON empty BEGIN DELETE FROM logs; END; INSERT INTO empty VALUES (1);`
    expect(await lossesAfter(script)).toEqual([{ table: 'logs', before: 2, after: 0 }])
  })

  it('a table with rows that is gone, and not one that was empty', async () => {
    expect(await lossesAfter('DROP TABLE users; DROP TABLE empty')).toEqual([
      { table: 'users', before: 3, after: undefined },
    ])
  })

  it('a table that was dropped and made again with fewer rows', async () => {
    const script = 'DROP TABLE users; CREATE TABLE users(id); INSERT INTO users VALUES (7);'
    expect(await lossesAfter(script)).toEqual([{ table: 'users', before: 3, after: 1 }])
  })

  it('a table that was renamed and then dropped', async () => {
    const script = 'ALTER TABLE users RENAME TO people; ALTER TABLE people RENAME TO folk; DROP TABLE folk'
    expect(await lossesAfter(script)).toEqual([{ table: 'users', before: 3, after: undefined }])
  })

  it('rows that were deleted from a table that was renamed', async () => {
    const script = 'ALTER TABLE users RENAME TO people; DELETE FROM people WHERE id = 1; CREATE TABLE users(id);'
    expect(await lossesAfter(script)).toEqual([{ table: 'users', before: 3, after: 2 }])
  })

  it('a table whose place another one has taken', async () => {
    const script = 'DROP TABLE logs; ALTER TABLE users RENAME TO logs;'
    expect(await lossesAfter(script)).toEqual([{ table: 'logs', before: 2, after: undefined }])
  })

  it('a left-over of an earlier attempt that is dropped to make room', async () => {
    const script =
      'DROP TABLE IF EXISTS logs; CREATE TABLE logs(id); INSERT INTO logs SELECT id FROM users; DROP TABLE users; ALTER TABLE logs RENAME TO users;'
    expect(await lossesAfter(script)).toEqual([{ table: 'logs', before: 2, after: undefined }])
  })

  it('nothing where tables changed places, were archived, or only grew', async () => {
    const scripts = [
      'ALTER TABLE users RENAME TO t; ALTER TABLE logs RENAME TO users; ALTER TABLE t RENAME TO logs;',
      'ALTER TABLE logs RENAME TO logs_1; CREATE TABLE logs(id);',
      'INSERT INTO logs VALUES (3); DELETE FROM logs WHERE id = 1; UPDATE users SET id = id + 10;',
      'ALTER TABLE users RENAME TO u; ALTER TABLE u RENAME TO "USERS"; ALTER TABLE logs ADD COLUMN x; CREATE TABLE more(x);',
    ]
    for (const script of scripts) expect(await lossesAfter(script)).toEqual([])
  })

  it('nothing that is permitted, by the old name or the new, in any case of letters', async () => {
    expect(await lossesAfter('DELETE FROM users; DROP TABLE logs', ['USERS', 'Logs'])).toEqual([])
    expect(await lossesAfter('ALTER TABLE users RENAME TO people; DELETE FROM people;', ['People'])).toEqual([])
    expect(await lossesAfter('DELETE FROM users; DROP TABLE logs', ['users'])).toHaveLength(1)
  })

  it('nothing in a new database, where nothing was', async () => {
    expect(await lossesOf(await memory(), 'CREATE TABLE a(x); INSERT INTO a VALUES (1); DELETE FROM a;')).toEqual([])
  })

  it('in each of two tables whose names differ only in a letter that SQLite does not fold', async () => {
    const db = await memory(
      'CREATE TABLE "É"(x); INSERT INTO "É" VALUES (1), (2); CREATE TABLE "é"(x); INSERT INTO "é" VALUES (1), (2)',
    )
    expect(await lossesOf(db, 'DELETE FROM "É" WHERE x = 1')).toEqual([{ table: 'É', before: 2, after: 1 }])
  })
})

it.each([
  [{ table: 'logs', before: 1, after: undefined }, 'logs had 1 row and is gone'],
  [{ table: 'logs', before: 20, after: 3 }, 'logs had 20 rows and would have 3'],
])('a loss is told in a sentence', (loss, sentence) => {
  expect(describeLoss(loss)).toBe(sentence)
})

it('a table that was not counted afterwards is gone', () => {
  expect(lostRows(new Map([['A', 1]]), new Map(), new Map(), [])).toEqual([{ table: 'A', before: 1, after: undefined }])
})

describe('whatever a migration does to tables', () => {
  const table = fc.constantFrom('a', 'b', 'c', 'd')
  const operation = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(table, table).map(([from, to]) => `ALTER TABLE ${from} RENAME TO ${to};`) },
    table.map(name => `DROP TABLE ${name};`),
    table.map(name => `DELETE FROM ${name} WHERE id = (SELECT max(id) FROM ${name});`),
    { weight: 2, arbitrary: table.map(name => `CREATE TABLE ${name}(id INTEGER);`) },
    {
      weight: 3,
      arbitrary: table.map(
        name =>
          `CREATE TABLE n(id INTEGER); INSERT INTO n SELECT id FROM ${name}; DROP TABLE ${name}; ALTER TABLE n RENAME TO ${name};`,
      ),
    },
    {
      weight: 3,
      arbitrary: table.map(
        name =>
          `ALTER TABLE ${name} RENAME TO o; CREATE TABLE ${name}(id INTEGER); INSERT INTO ${name} SELECT id FROM o; DROP TABLE o;`,
      ),
    },
  )

  it('no row vanishes without a word', async () => {
    let quiet = 0
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 6 }), async operations => {
        const db = await openMemory({ scripts: false })
        try {
          await db.exec(`CREATE TABLE a(id INTEGER); CREATE TABLE b(id INTEGER); CREATE TABLE c(id INTEGER);
            INSERT INTO a VALUES (1), (2), (3); INSERT INTO b VALUES (11), (12); INSERT INTO c VALUES (21), (22), (23), (24)`)
          const before = await countRows(db, [])
          // Those that SQLite refuses at that place are left out.
          const done: string[] = []
          for (const sql of operations)
            await db
              .exec(`SAVEPOINT s; ${sql} RELEASE s`)
              .then(() => done.push(sql))
              .catch(() => db.exec('ROLLBACK TO s; RELEASE s'))
          await db.close()
          fc.pre(done.length > 0)
          const again = await openMemory({ scripts: false })
          await again.exec(`CREATE TABLE a(id INTEGER); CREATE TABLE b(id INTEGER); CREATE TABLE c(id INTEGER);
            INSERT INTO a VALUES (1), (2), (3); INSERT INTO b VALUES (11), (12); INSERT INTO c VALUES (21), (22), (23), (24)`)
          const { renames } = await migrate(again, done.join('\n'))
          const after = await countRows(again, [])
          const ids = new Set<unknown>()
          for (const name of after.keys())
            for (const row of await again.all(`SELECT id FROM "${name}"`)) ids.add(Object.values(row)[0])
          await again.close()
          const losses = lostRows(before, after, renames, [])
          if (losses.length === 0) {
            quiet++
            expect(ids.size).toBe(9)
          }
        } finally {
          await db.close()
        }
      }),
      { numRuns: 400 },
    )
    expect(quiet).toBeGreaterThan(40)
  })
})
