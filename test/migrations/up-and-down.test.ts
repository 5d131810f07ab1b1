import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import { openMemory } from '../../src/database/memory.ts'
import { keepCounters, readCounters } from '../../src/migrations/counters.ts'
import { migrate } from './database.ts'

const column = fc.record({
  type: fc.constantFrom('', ' TEXT', ' INTEGER', ' REAL', ' BLOB', " TEXT NOT NULL DEFAULT 'x'"),
  index: fc.boolean(),
})
const value = fc.constantFrom("'a'", '1', '2.5', "x'00ff'", "'it''s; -- no comment'", '9007199254740993')
const table = fc.record({
  columns: fc.array(column, { minLength: 1, maxLength: 3 }),
  autoincrement: fc.boolean(),
  rows: fc.array(fc.array(value, { minLength: 3, maxLength: 3 }), { maxLength: 5 }),
  trigger: fc.boolean(),
})

type Table = typeof table extends fc.Arbitrary<infer T> ? T : never

const body = ({ autoincrement, columns }: Table, more = '') =>
  `(id INTEGER PRIMARY KEY${autoincrement ? ' AUTOINCREMENT' : ''}, ${columns.map(({ type }, at) => `c${at}${type}`).join(', ')}${more})`
const names = ({ columns }: Table) => ['id', ...columns.map((_, at) => `c${at}`)].join(', ')
const around = ({ columns, trigger }: Table) =>
  columns.map(({ index }, at) => (index ? `CREATE INDEX i${at} ON t(c${at});` : '')).join('') +
  (trigger ? 'CREATE TRIGGER tr AFTER UPDATE ON t BEGIN SELECT new.id; END;' : '')

const rebuild = (of: Table, more: string, way: number) =>
  [
    `CREATE TABLE n${body(of, more)}; INSERT INTO n(${names(of)}) SELECT ${names(of)} FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;`,
    `ALTER TABLE t RENAME TO o; CREATE TABLE t${body(of, more)}; INSERT INTO t(${names(of)}) SELECT ${names(of)} FROM o; DROP TABLE o;`,
  ][way] + around(of)

/** Everything in it, as `.dump` has it; SQLite quotes the name of a table that was renamed. */
async function dump(db: Workspace): Promise<unknown> {
  const schema = await db.all<{ sql: string }>(
    'SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name',
  )
  const rows = await db.all('SELECT id, quote(c0) AS c0 FROM t ORDER BY id')
  const children = await db.all('SELECT * FROM child')
  // A table that never gave out a number may have none, or 0.
  const counters = [...(await readCounters(db))].filter(([, at]) => at !== '0')
  return { schema: schema.map(({ sql }) => sql.replace(/TABLE "(\w+)"/, 'TABLE $1')), rows, children, counters }
}

it('a rebuild, up and down again, leaves every definition, row, child and counter as it was', async () => {
  await fc.assert(
    fc.asyncProperty(table, fc.nat({ max: 1 }), fc.nat({ max: 1 }), async (of, up, down) => {
      const db = await openMemory({ scripts: false })
      try {
        await db.exec(`CREATE TABLE t${body(of)}; ${around(of)}
          CREATE TABLE child(t REFERENCES t(id) ON DELETE CASCADE); CREATE VIEW v AS SELECT id, c0 FROM t;`)
        for (const [id, row] of of.rows.entries())
          await db.exec(
            `INSERT INTO t VALUES (${[id * 3 + 1, ...row.slice(0, of.columns.length)].join(', ')}); INSERT INTO child VALUES (${id * 3 + 1})`,
          )
        // The last number was given out, and is gone.
        await db.exec(
          'DELETE FROM child WHERE t = (SELECT max(id) FROM t); DELETE FROM t WHERE id = (SELECT max(id) FROM t)',
        )
        const before = await dump(db)
        for (const script of [rebuild(of, ', extra', up), rebuild(of, '', down)]) {
          const counters = await readCounters(db)
          const { renames } = await migrate(db, script)
          await keepCounters(db, counters, renames)
        }
        expect(await dump(db)).toEqual(before)
      } finally {
        await db.close()
      }
    }),
    { numRuns: 150 },
  )
})
