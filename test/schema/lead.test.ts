/** The SQL that leads from one schema to another does so, and keeps the rows. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareSchemas } from '../../src/schema/compare.ts'
import { readDescribed, without } from '../../src/schema/definitions.ts'
import { type LeadOptions, leadFrom, type Way } from '../../src/schema/lead.ts'
import { readSchema } from '../../src/schema/read.ts'
import { openConnection, type TestConnection, withDatabase } from '../support/connection.ts'

const drop: LeadOptions = { extras: 'drop' }
const keep: LeadOptions = { extras: 'keep' }
const described = (sql: string) => withDatabase(sql, readDescribed)
const way = async (from: string, to: string, options = drop) =>
  leadFrom(await described(from), await described(to), options)
const sqlOf = ({ leads }: Way) => leads.flatMap(({ statements }) => statements)

/** Runs it on a database with rows. @returns what differs afterwards */
async function remaining(db: TestConnection, to: string, found: Way): Promise<string[]> {
  for (const statement of sqlOf(found)) await db.exec(statement)
  const differences = compareSchemas(await withDatabase(to, readSchema), await readSchema(db))
  return differences.map(({ message }) => message)
}

const users = `CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, age INT)`
const cases: readonly [string, string, string, readonly RegExp[]][] = [
  ['nothing', users, users, []],
  ['a table', '', `${users}; CREATE INDEX i ON users (email)`, [/^CREATE TABLE users/, /^CREATE INDEX i/]],
  [
    'a column',
    users,
    users.replace('age INT', "age INT, phone TEXT NOT NULL DEFAULT ''"),
    [/^ALTER TABLE "users" ADD COLUMN phone TEXT NOT NULL DEFAULT ''$/],
  ],
  [
    'a column less',
    users,
    users.replace(', age INT', ''),
    [/^-- What is in it is lost\.\nALTER TABLE "users" DROP COLUMN "age"$/],
  ],
  ['a table less', `${users}; CREATE TABLE old (n)`, users, [/^-- What is in it is lost\.\nDROP TABLE "old"$/]],
  [
    'an index that differs',
    `${users}; CREATE INDEX i ON users (age)`,
    `${users}; CREATE INDEX i ON users (email)`,
    [/^DROP INDEX "i"$/, /^CREATE INDEX i ON users \(email\)$/],
  ],
  [
    'a trigger and a view',
    users,
    `${users}; CREATE VIEW v AS SELECT email FROM users; CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1; END`,
    [/^CREATE VIEW v/, /^CREATE TRIGGER t/],
  ],
]

describe('leads to', () => {
  test.each(cases)('%s', async (_, from, to, statements) => {
    const found = await way(from, to)
    expect(found.left).toEqual([])
    expect(sqlOf(found)).toEqual(statements.map(each => expect.stringMatching(each)))
  })

  test('another type, by making the table anew with its rows, its index, its trigger, and a view that uses it', async () => {
    const rest = `CREATE INDEX i ON users (email); CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1; END; CREATE VIEW v AS SELECT age FROM users`
    const to = `${users.replace('age INT', 'age TEXT CHECK (age <> 3)')}; ${rest}`
    const db = openConnection()
    await db.exec(`${users}; ${rest}; INSERT INTO users VALUES (1, 'a', 5), (7, 'b', 6)`)
    const found = await leadFrom(await readDescribed(db), await described(to), drop)
    expect(await remaining(db, to, found)).toEqual([])
    expect((await db.all('SELECT * FROM users')).map(row => Object.values(row))).toEqual([
      [1, 'a', '5'],
      [7, 'b', '6'],
    ])
  })

  test('a view that differs, with the triggers on it', async () => {
    const trigger = 'CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END'
    const from = `${users}; CREATE VIEW v AS SELECT email FROM users; ${trigger}`
    const to = `${users}; CREATE VIEW v AS SELECT age FROM users; ${trigger}`
    const db = openConnection()
    await db.exec(from)
    expect(await remaining(db, to, await way(from, to))).toEqual([])
  })

  test('what is extra is kept where it belongs to somebody', async () => {
    const from = `${users}; CREATE TABLE jobs (n); CREATE INDEX mine ON users (age); CREATE INDEX i ON users (age)`
    const to = `${users.replace('email TEXT', 'email TEXT COLLATE NOCASE')}; CREATE INDEX i ON users (email)`
    const db = openConnection()
    await db.exec(from)
    expect(await remaining(db, to, await way(from, to, keep))).toEqual([
      expect.stringContaining('jobs'),
      expect.stringContaining('index mine'),
    ])
  })
})

describe('what cannot be said is left', () => {
  test('a column for which there is no value, while the rest is said', async () => {
    const found = await way(
      users,
      `${users.replace('email TEXT', 'email TEXT, phone TEXT NOT NULL')}; CREATE TABLE b (n)`,
    )
    expect(found.left.map(({ name }) => name)).toEqual(['users.phone'])
    expect(sqlOf(found)).toEqual(['CREATE TABLE b (n)'])
  })

  test('a full-text table with other columns, whose content would be lost', async () => {
    const found = await way('CREATE VIRTUAL TABLE f USING fts5(a)', 'CREATE VIRTUAL TABLE f USING fts5(a, b)')
    expect(found).toMatchObject({ leads: [], left: [{ name: 'f' }] })
  })

  test('what only the application can compile', async () => {
    const from = await described(`${users}; CREATE INDEX i ON users (age)`)
    const odd = {
      ...from,
      definitions: from.definitions.map(each => ({ ...each, sql: each.sql.replace('(age)', '(shout(age))') })),
    }
    expect((await leadFrom(odd, await described(users), drop)).leads).toEqual([])
  })
})

test('tables of somebody else are passed over', async () => {
  const from = without(await described(`${users}; CREATE TABLE ours (n); CREATE INDEX i ON ours (n)`), ['OURS'])
  expect(from.definitions.map(({ name }) => name)).toEqual(['users'])
  expect(await leadFrom(from, await described(users), drop)).toEqual({ leads: [], left: [] })
})

const column = fc.record({
  name: fc.constantFrom('a', 'b', 'c', '"d e"'),
  rest: fc.constantFrom(
    '',
    'TEXT',
    "TEXT NOT NULL DEFAULT 'x'",
    'INT UNIQUE',
    'INT CHECK (1)',
    'REFERENCES t (id)',
    'AS (id + 1)',
    'DEFAULT (1 + 1)',
    'COLLATE NOCASE',
  ),
})
const table = fc.record({
  columns: fc.uniqueArray(column, { selector: ({ name }) => name, minLength: 1, maxLength: 4 }),
  index: fc.boolean(),
  trigger: fc.boolean(),
  view: fc.boolean(),
})
const schema = fc.dictionary(fc.constantFrom('t', 'u', '"v w"'), table, { maxKeys: 3 }).map(tables =>
  Object.entries(tables)
    .flatMap(([name, { columns, index, trigger, view }]) => {
      const plain = name.replaceAll(/\W/g, '')
      return [
        `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, ${columns.map(each => `${each.name} ${each.rest}`).join(', ')})`,
        ...(index ? [`CREATE INDEX i_${plain} ON ${name} (${columns[0]?.name})`] : []),
        ...(trigger
          ? [`CREATE TRIGGER t_${plain} AFTER DELETE ON ${name} BEGIN SELECT old.${columns[0]?.name}; END`]
          : []),
        ...(view ? [`CREATE VIEW v_${plain} AS SELECT id FROM ${name}`] : []),
      ]
    })
    .join(';\n'),
)

test('from any schema to any other, with the rows of what is on both sides', async () => {
  await fc.assert(
    fc.asyncProperty(schema, schema, async (from, to) => {
      const db = openConnection()
      try {
        await db.exec(from)
        const before = await readDescribed(db)
        for (const { name } of before.schema.tables) await db.exec(`INSERT INTO "${name}" (id) VALUES (5)`)
        const found = await leadFrom(before, await described(to), drop)
        expect(found.left).toEqual([])
        expect(await remaining(db, to, found)).toEqual([])
        const kept = (await described(to)).schema.tables.filter(({ name }) =>
          before.schema.tables.some(each => each.name === name),
        )
        for (const { name } of kept)
          expect((await db.all<{ id: number }>(`SELECT id FROM "${name}" ORDER BY id`)).map(({ id }) => id)).toEqual([
            5,
          ])
      } finally {
        await db.close()
      }
    }),
    { numRuns: 150 },
  )
})
