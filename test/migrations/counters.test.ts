import { describe, expect, it } from 'vitest'
import { keepCounters, readCounters } from '../../src/migrations/counters.ts'
import { memory, migrate, rowsOf } from './database.ts'

/** Three orders of which the last, number 9, was deleted: the next one is number 10. */
const shop = `CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, what);
  INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (9, 'c'); DELETE FROM orders WHERE id = 9;`

const body = '(id INTEGER PRIMARY KEY AUTOINCREMENT, what, note)'
const rebuild = `CREATE TABLE n${body}; INSERT INTO n(id, what) SELECT id, what FROM orders; DROP TABLE orders; ALTER TABLE n RENAME TO orders;`

async function after(script: string, before = shop) {
  const db = await memory(before)
  const counters = await readCounters(db)
  const { renames, setsCounters } = await migrate(db, script)
  const kept = setsCounters ? [] : await keepCounters(db, counters, renames)
  return { db, kept, setsCounters }
}

describe('the counter of AUTOINCREMENT', () => {
  it.each([
    ['new, copy, drop, rename', rebuild],
    [
      'rename away, new, copy, drop',
      `ALTER TABLE orders RENAME TO o; CREATE TABLE orders${body}; INSERT INTO orders(id, what) SELECT id, what FROM o; DROP TABLE o;`,
    ],
    [
      'copy away, drop, new, copy back',
      `CREATE TEMP TABLE c AS SELECT * FROM orders; DROP TABLE orders; CREATE TABLE orders${body}; INSERT INTO orders(id, what) SELECT id, what FROM c;`,
    ],
  ])('survives a rebuild: %s', async (_, script) => {
    const { db, kept } = await after(script)
    expect(kept).toEqual([{ table: 'orders', at: '9' }])
    await db.exec("INSERT INTO orders(what) VALUES ('d')")
    expect(await rowsOf(db, 'SELECT max(id) AS id FROM orders')).toEqual([{ id: 10 }])
  })

  it('survives a rebuild of an empty table, and one under a new name', async () => {
    const empty = await after(rebuild, `${shop} DELETE FROM orders;`)
    expect(empty.kept).toEqual([{ table: 'orders', at: '9' }])
    const renamed = await after(`${rebuild} ALTER TABLE orders RENAME TO purchases;`)
    expect(await rowsOf(renamed.db, 'SELECT * FROM sqlite_sequence')).toEqual([{ name: 'purchases', seq: 9 }])
  })

  it('beyond 2^53 is kept to the last digit', async () => {
    const { kept } = await after(rebuild, `${shop} UPDATE sqlite_sequence SET seq = 9007199254740995;`)
    expect(kept).toEqual([{ table: 'orders', at: '9007199254740995' }])
  })

  it.each([
    ['nothing has set it back', 'ALTER TABLE orders ADD COLUMN note; INSERT INTO orders(what) VALUES (1);'],
    ['the table is gone', 'DROP TABLE orders;'],
    [
      'the table counts no more',
      'CREATE TABLE n(id INTEGER PRIMARY KEY, what); DROP TABLE orders; ALTER TABLE n RENAME TO orders;',
    ],
  ])('is left alone where %s', async (_, script) => {
    expect((await after(script)).kept).toEqual([])
  })

  it.each(['DELETE FROM sqlite_sequence;', "UPDATE sqlite_sequence SET seq = 0 WHERE name = 'orders';"])(
    'is what the migration itself says: %s',
    async said => {
      const { setsCounters } = await after(`DELETE FROM orders; ${said}`)
      expect(setsCounters).toBe(true)
    },
  )
})
