import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMemory } from '../../src/database/memory.ts'
import { fold } from '../../src/schema/model.ts'
import { findNewOrphans, noOrphans, rememberOrphans } from '../../src/validation/old-orphans.ts'
import { memory } from '../migrations/database.ts'

const shop = `
  CREATE TABLE customers(id INTEGER PRIMARY KEY);
  CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id));
  INSERT INTO customers VALUES (1), (2);
  INSERT INTO orders VALUES (1, 1), (2, 77), (3, 78);`

/** What is said after a change of a database in which two orders had no customer. */
async function saidAfter(
  change: string,
  { before = shop, renames = {} as Record<string, string>, tables = ['orders'] as readonly string[] } = {},
) {
  const db = await memory(before)
  const known = await rememberOrphans(db, ['orders'])
  await db.exec(`BEGIN; ${change}`)
  const findings = await findNewOrphans(db, tables, known, table => renames[fold(table)] ?? fold(table))
  await db.exec('ROLLBACK')
  return findings.map(
    ({ message, severity }) =>
      `${severity} ${message.replace(/refer by (\w+) to a row of (\w+) that is not there/, '$1 -> $2')}`,
  )
}

describe('rows that had no parent before', () => {
  it('are a warning', async () => {
    expect(await saidAfter('')).toEqual(['warn 2 rows of orders customer -> customers, as before'])
    expect(await saidAfter('UPDATE orders SET customer = customer + 1000')).toEqual([
      'fail 1 row of orders customer -> customers: id 1',
      'warn 2 rows of orders customer -> customers, as before',
    ])
  })

  it('are no word where they are mended', async () => {
    expect(await saidAfter('UPDATE orders SET customer = 1')).toEqual([])
  })

  it('do not make up for another one that is broken', async () => {
    expect(
      await saidAfter('UPDATE orders SET customer = CASE id WHEN 1 THEN 99 WHEN 2 THEN 1 ELSE customer END'),
    ).toEqual([
      'fail 1 row of orders customer -> customers: id 1',
      'warn 1 row of orders customer -> customers, as before',
    ])
  })

  it('not even for one that refers to the same missing row', async () => {
    expect(
      await saidAfter('UPDATE orders SET customer = CASE id WHEN 1 THEN 77 WHEN 2 THEN 1 ELSE customer END'),
    ).toContain('fail 1 row of orders customer -> customers: id 1')
  })

  const rebuild = (columns: string, select: string) =>
    `CREATE TABLE n(${columns}); INSERT INTO n SELECT ${select} FROM orders; DROP TABLE orders; ALTER TABLE n RENAME TO orders;`
  it.each([
    [
      'their table is renamed',
      'ALTER TABLE orders RENAME TO purchases',
      { renames: { orders: 'purchases' }, tables: ['purchases'] },
    ],
    ['their column is renamed', 'ALTER TABLE orders RENAME COLUMN customer TO buyer', {}],
    ['the parent is renamed', 'ALTER TABLE customers RENAME TO people', {}],
    ['the column of the parent is renamed', 'ALTER TABLE customers RENAME COLUMN id TO number', {}],
    ['their key is renamed', 'ALTER TABLE orders RENAME COLUMN id TO number', {}],
    ['their table is rebuilt', rebuild('id INTEGER PRIMARY KEY, customer REFERENCES customers', 'id, customer'), {}],
    [
      'their table is rebuilt with other types',
      rebuild('id TEXT PRIMARY KEY, customer TEXT REFERENCES customers', 'id, customer'),
      {},
    ],
    [
      'their table is rebuilt with another column',
      rebuild('id INTEGER PRIMARY KEY, buyer REFERENCES customers', 'id, customer'),
      {},
    ],
    [
      'their table is rebuilt with another key',
      rebuild('number INTEGER PRIMARY KEY, customer REFERENCES customers', 'id + 5, customer'),
      {},
    ],
  ] as const)('are known again when %s', async (_, change, how) => {
    expect(await saidAfter(change, how)).toMatchObject([/^warn 2 rows of .*, as before$/])
  })

  it.each([
    [
      'renamed',
      'ALTER TABLE orders RENAME COLUMN customer TO buyer; UPDATE orders SET buyer = CASE id WHEN 1 THEN 99 ELSE 1 END',
    ],
    [
      'rebuilt',
      rebuild('number INTEGER PRIMARY KEY, customer REFERENCES customers', 'id, CASE id WHEN 1 THEN 99 ELSE 1 END'),
    ],
  ])('do not hide a new one when what they are known by is %s', async (_, change) => {
    expect(await saidAfter(change)).toMatchObject([/^fail 1 row of orders/])
  })

  it('in a table without a key are told by what they refer to, and how often', async () => {
    const before = `CREATE TABLE customers(id INTEGER PRIMARY KEY); CREATE TABLE orders(customer REFERENCES customers);
      INSERT INTO customers VALUES (1); INSERT INTO orders VALUES (1), (77), (77), (78)`
    expect(await saidAfter('', { before })).toEqual(['warn 3 rows of orders customer -> customers, as before'])
    expect(await saidAfter('UPDATE orders SET customer = 77 WHERE customer = 78', { before })).toEqual([
      'fail 1 row of orders customer -> customers: rowid 2, 3, 4',
      'warn 2 rows of orders customer -> customers, as before',
    ])
  })

  it('by one key do not excuse another key of the same table', async () => {
    const before = `CREATE TABLE customers(id INTEGER PRIMARY KEY);
      CREATE TABLE orders(id INTEGER PRIMARY KEY, buyer REFERENCES customers, payer REFERENCES customers);
      INSERT INTO customers VALUES (1); INSERT INTO orders VALUES (1, 77, 1)`
    expect(await saidAfter('UPDATE orders SET payer = 77', { before })).toEqual([
      'fail 1 row of orders payer -> customers: id 1',
      'warn 1 row of orders buyer -> customers, as before',
    ])
  })

  it('of which nothing is known are all new', async () => {
    const db = await memory(shop)
    expect(await findNewOrphans(db, ['orders'], noOrphans, fold)).toMatchObject([{ severity: 'fail' }])
  })
})

it('whatever a change does, exactly the rows that it breaks are new', async () => {
  const reference = fc.constantFrom('NULL', '1', '2', '77', '78', '99')
  const references = fc.array(reference, { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(references, references, async (before, after) => {
      const db = await openMemory({ scripts: false })
      try {
        await db.exec(`CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1), (2);
          CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p)`)
        const write = (list: string[]) =>
          db.exec(`DELETE FROM c; INSERT INTO c VALUES ${list.map((value, id) => `(${id}, ${value})`).join(', ')}`)
        await write(before)
        const known = await rememberOrphans(db, ['c'])
        await write(after)
        const isOrphan = (value: string | undefined) => value !== undefined && Number(value) > 2
        const broken = after.flatMap((value, id) => (isOrphan(value) && !isOrphan(before[id]) ? [id] : []))
        const failed = (await findNewOrphans(db, ['c'], known, fold)).filter(({ severity }) => severity === 'fail')
        expect(failed).toHaveLength(broken.length === 0 ? 0 : 1)
        if (broken.length > 0)
          expect(failed[0]?.message).toMatch(new RegExp(`^${broken.length} .*: id ${broken[0]}\\b`))
      } finally {
        await db.close()
      }
    }),
    { numRuns: 200 },
  )
})
