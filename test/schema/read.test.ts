import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import sqlite3wasm from 'node-sqlite3-wasm'
import { describe, expect, it } from 'vitest'
import type { Connection } from '../../src/database/connection.ts'
import { compareSchemas } from '../../src/schema/compare.ts'
import { emptySchema, type Table } from '../../src/schema/model.ts'
import { readSchema } from '../../src/schema/read.ts'
import { openConnection, withDatabase } from '../support/connection.ts'
import { writtenTable } from './tables.ts'

const read = (sql: string, options = {}) => withDatabase(sql, readSchema, options)
async function table(sql: string): Promise<Table> {
  const { tables } = await read(sql, { strings: true })
  return tables[0]!
}

/** node-sqlite3-wasm as a connection, as the sandbox has it. */
function openWasm(path = ':memory:'): Connection {
  const db = new sqlite3wasm.Database(path)
  return {
    all: async <T extends object>(sql: string) => db.all(sql) as unknown as T[],
    exec: async sql => db.exec(sql),
    close: async () => db.close(),
  }
}

it('reads nothing from an empty database', async () => {
  expect(await read('')).toEqual(emptySchema)
})

it('reads all that is said of a table', async () => {
  const sql = `CREATE TABLE p(id INTEGER PRIMARY KEY);
    CREATE TABLE "a Table"(
      id INTEGER CONSTRAINT pk PRIMARY KEY AUTOINCREMENT,
      "e mail" VARCHAR(255) NOT NULL ON CONFLICT REPLACE DEFAULT ('x') COLLATE nocase CONSTRAINT u UNIQUE ON CONFLICT IGNORE,
      parent REFERENCES p ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
      size INT GENERATED ALWAYS AS (length("e mail")) STORED,
      twice AS (size * 2),
      CONSTRAINT small CHECK (size < 9 AND "e mail" <> "Nobody"), CHECK (id > 0)
    );
    CREATE UNIQUE INDEX i1 ON "a Table"(lower("e mail") COLLATE rtrim DESC, size) WHERE size IS NOT NULL;
    CREATE INDEX I0 ON "a Table"(size)`
  expect(await table(sql)).toEqual({
    name: 'a Table',
    virtual: null,
    columns: [
      column('id', { type: 'INTEGER', primaryKey: 1 }),
      column('e mail', {
        type: 'VARCHAR(255)',
        notNull: true,
        notNullConflict: 'REPLACE',
        default: "'x'",
        collation: 'NOCASE',
      }),
      column('parent', {}),
      column('size', { type: 'INT', generated: { kind: 'stored', expression: 'length("e mail")' } }),
      column('twice', { generated: { kind: 'virtual', expression: 'size * 2' } }),
    ],
    primaryKey: { name: 'pk', columns: [indexed('id')], onConflict: null, rowid: true, autoincrement: true },
    uniques: [{ name: 'u', columns: [indexed('e mail', { collation: 'NOCASE' })], onConflict: 'IGNORE' }],
    checks: [
      { name: 'small', expression: `size < 9 and "e mail" <> 'Nobody'` },
      { name: null, expression: 'id > 0' },
    ],
    foreignKeys: [
      {
        name: null,
        columns: ['parent'],
        parent: 'p',
        parentColumns: ['id'],
        onUpdate: 'CASCADE',
        onDelete: 'SET NULL',
        match: 'NONE',
        deferred: true,
      },
    ],
    indexes: [
      { name: 'I0', unique: false, columns: [indexed('size')], where: null },
      {
        name: 'i1',
        unique: true,
        columns: [{ name: null, expression: 'lower("e mail")', descending: true, collation: 'RTRIM' }, indexed('size')],
        where: 'size is not null',
      },
    ],
    withoutRowid: false,
    strict: false,
  })
})

const column = (name: string, rest: object) => ({
  name,
  type: '',
  notNull: false,
  notNullConflict: null,
  default: null,
  primaryKey: 0,
  collation: 'BINARY',
  generated: null,
  ...rest,
})
const indexed = (name: string, rest: object = {}) => ({
  name,
  expression: null,
  descending: false,
  collation: 'BINARY',
  ...rest,
})

describe('of a primary key', () => {
  const keys: [string, object][] = [
    ['CREATE TABLE t(a INTEGER PRIMARY KEY)', { rowid: true, autoincrement: false }],
    ['CREATE TABLE t(a INTEGER, PRIMARY KEY(a AUTOINCREMENT))', { rowid: true, autoincrement: true }],
    ['CREATE TABLE t(a INT PRIMARY KEY)', { rowid: false }],
    ['CREATE TABLE t(a INTEGER PRIMARY KEY) WITHOUT ROWID', { rowid: false }],
    ['CREATE TABLE t("autoincrement" INTEGER PRIMARY KEY)', { autoincrement: false }],
    ['CREATE TABLE t(a, PRIMARY KEY("A") ON CONFLICT FAIL)', { onConflict: 'FAIL' }],
    ['CREATE TABLE t(a TEXT PRIMARY KEY DESC ON CONFLICT FAIL)', { onConflict: 'FAIL' }],
    [
      'CREATE TABLE t(a INTEGER PRIMARY KEY ASC ON CONFLICT REPLACE AUTOINCREMENT)',
      { onConflict: 'REPLACE', autoincrement: true },
    ],
    ['CREATE TABLE t(a, b, CONSTRAINT k PRIMARY KEY(b DESC, a))', { name: 'k' }],
  ]
  it.each(keys)('%s', async (sql, said) => {
    expect((await table(sql)).primaryKey).toMatchObject(said)
  })

  it('the order and the direction of its columns are read', async () => {
    const { columns, primaryKey } = await table('CREATE TABLE t(a, b, c, PRIMARY KEY(c DESC, a))')
    expect(columns.map(({ primaryKey }) => primaryKey)).toEqual([2, 0, 1])
    expect(primaryKey?.columns).toEqual([indexed('c', { descending: true }), indexed('a')])
  })

  it('there may be none', async () => {
    expect((await table('CREATE TABLE t(a)')).primaryKey).toBeNull()
  })
})

it('reads the name of a constraint that was given twice, once without', async () => {
  const { uniques } = await table('CREATE TABLE t(a UNIQUE, CONSTRAINT u UNIQUE(a))')
  expect(uniques).toEqual([{ name: 'u', columns: [indexed('a')], onConflict: null }])
})

describe('the name of a CHECK', () => {
  const tables = [
    'a CONSTRAINT n NOT NULL CHECK(a > 0)',
    'a CONSTRAINT n CHECK(a < 9) CHECK(a > 0)',
    'a CONSTRAINT n DEFAULT 5 CHECK(a > 0)',
    'a CONSTRAINT n UNIQUE, CHECK(a > 0)',
    'a CONSTRAINT m, CONSTRAINT n CHECK(a < 9) CHECK(a > 0)',
    'a, CONSTRAINT n UNIQUE(a) CHECK(a > 0)',
    'a, CONSTRAINT n UNIQUE(a), CHECK(a > 0)',
    'a CONSTRAINT n, b CHECK(a > 0)',
    'a CHECK(a > 0)',
  ]
  it.each(tables)('is the one that SQLite reports: %s', async columns => {
    await withDatabase(`CREATE TABLE t(${columns})`, async connection => {
      const { tables } = await readSchema(connection)
      const check = tables[0]!.checks.find(({ expression }) => expression === 'a > 0')!
      const reported = `CHECK constraint failed: ${check.name ?? 'a > 0'}`
      await expect(connection.exec('INSERT INTO t(a) VALUES(-1)')).rejects.toThrow(reported)
    })
  })
})

it('reads foreign keys of several columns, and such as point nowhere', async () => {
  const { foreignKeys } = await table(
    `CREATE TABLE c(x, y, z REFERENCES nowhere, CONSTRAINT f FOREIGN KEY(y, x) REFERENCES p, FOREIGN KEY(x) REFERENCES p);
     CREATE TABLE p(a, b, PRIMARY KEY(b, a))`,
  )
  expect(foreignKeys.map(({ name, columns, parent, parentColumns }) => [name, columns, parent, parentColumns])).toEqual(
    [
      [null, ['z'], 'nowhere', null],
      ['f', ['y', 'x'], 'p', ['b', 'a']],
      [null, ['x'], 'p', null],
    ],
  )
})

it('reads the options of tables', async () => {
  const { tables } = await read(
    'CREATE TABLE a(x INT PRIMARY KEY) WITHOUT ROWID, STRICT; CREATE TABLE b(x INT) STRICT; CREATE TABLE c(x)',
  )
  expect(tables.map(({ name, withoutRowid, strict }) => [name, withoutRowid, strict])).toEqual([
    ['a', true, true],
    ['b', false, true],
    ['c', false, false],
  ])
})

it('reads any table as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(writtenTable, async ({ sql, described }) => {
      const { tables } = await read(`${sql}; CREATE TABLE "p""x"(id INTEGER PRIMARY KEY)`)
      const own = tables.find(({ name }) => name === 't x')!
      expect(own.columns).toEqual(described.columns)
      expect(own.checks).toEqual(described.checks)
      expect(own.foreignKeys).toEqual(described.foreignKeys)
      expect(
        own.uniques.map(({ name, columns, onConflict }) => `${columns[0]!.name} ${name} ${onConflict}`).sort(),
      ).toEqual(described.keys.toSorted())
    }),
    { numRuns: 500 },
  )
})

describe('odd names', () => {
  const names = ['select', 'a b', `q"'\`[]x`, 'Ünï', '名前😀', 'semi;colon', '--', '%', 'a.b', '', ' ', 'sqlitex', "'"]
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

  it.each([
    ['node:sqlite', openConnection],
    ['node-sqlite3-wasm', openWasm],
  ])('are read with %s', async (_, open) => {
    const connection = open()
    try {
      for (const name of names) {
        const it = quoted(name)
        const [index, view, trigger] = ['i', 'v', 't'].map(letter => quoted(`${name}-${letter}`))
        await connection.exec(
          `CREATE TABLE ${it}(${quoted(`${name}1`)} TEXT CHECK(${quoted(`${name}1`)} > 1) UNIQUE, k REFERENCES ${it});
           CREATE INDEX ${index} ON ${it}(${quoted(`${name}1`)}, lower(k)); CREATE VIEW ${view} AS SELECT * FROM ${it};
           CREATE TRIGGER ${trigger} AFTER INSERT ON ${it} BEGIN DELETE FROM ${it}; END`,
        )
      }
      const { tables, views, triggers } = await readSchema(connection)
      expect(tables.map(({ name }) => name).sort()).toEqual(names.toSorted())
      for (const { name, columns, checks, uniques, foreignKeys, indexes } of tables) {
        expect(columns.map(column => column.name)).toEqual([`${name}1`, 'k'])
        expect([checks.length, uniques.length]).toEqual([1, 1])
        expect(foreignKeys.map(({ parent }) => parent)).toEqual([name])
        expect(indexes.map(index => [index.name, index.columns[0]!.name, index.columns[1]!.expression])).toEqual([
          [`${name}-i`, `${name}1`, 'lower(k)'],
        ])
      }
      expect(views.map(({ name }) => name).sort()).toEqual(names.map(name => `${name}-v`).sort())
      expect(triggers.map(({ name, table }) => [name, table]).sort()).toEqual(
        names.map(name => [`${name}-t`, name]).sort(),
      )
    } finally {
      await connection.close()
    }
  })
})

describe('what does not belong to the schema', () => {
  it('are internal tables and what full-text and R-Tree tables keep their content in', async () => {
    const { tables } = await read(
      `CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE); INSERT INTO a(y) VALUES(1); ANALYZE;
       CREATE VIRTUAL TABLE f5 USING fts5(x); CREATE VIRTUAL TABLE f4 USING fts4(x); CREATE VIRTUAL TABLE r USING rtree(id, x, y);
       CREATE TABLE f5_mine(x); CREATE TABLE sqlitelike(x)`,
    )
    expect(tables.map(({ name }) => name)).toEqual(['a', 'f4', 'f5', 'f5_mine', 'r', 'sqlitelike'])
  })

  it('are temporary and attached objects, even of the same name', async () => {
    const { tables, views, triggers } = await read(
      `CREATE TABLE t(a); CREATE INDEX i ON t(a); CREATE TEMP TABLE t(b INT, c INT) STRICT; CREATE TEMP VIEW v AS SELECT 1;
       CREATE UNIQUE INDEX temp.i ON t(b); CREATE INDEX temp.ti ON t(c); ATTACH ':memory:' AS other;
       CREATE TABLE other.t(d PRIMARY KEY) WITHOUT ROWID; CREATE TABLE other.u(e); CREATE INDEX other.oi ON t(d);
       CREATE TEMP TRIGGER g AFTER INSERT ON main.t BEGIN SELECT 1; END`,
    )
    expect(tables).toMatchObject([{ name: 't', withoutRowid: false, strict: false }])
    expect(tables[0]!.columns.map(({ name }) => name)).toEqual(['a'])
    expect(tables[0]!.indexes).toEqual([{ name: 'i', unique: false, columns: [indexed('a')], where: null }])
    expect([views, triggers]).toEqual([[], []])
  })
})

describe('a schema that this SQLite cannot use', () => {
  it('is read all the same where a view or a trigger refers to what is gone', async () => {
    const { views, triggers } = await read(
      `CREATE TABLE t(a); CREATE VIEW v AS SELECT gone FROM nowhere; CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO nowhere VALUES(1); END`,
    )
    expect(views).toEqual([{ name: 'v', definition: 'as select gone from nowhere' }])
    expect(triggers).toEqual([
      { name: 'g', table: 't', definition: 'after insert on t begin insert into nowhere values(1); end' },
    ])
  })

  it('is read without the functions and collations of the application', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'schema-'))
    try {
      const path = join(folder, 'a.db')
      const maker = openConnection(path)
      maker.native.function('app_key', { deterministic: true }, value => value as string)
      await maker.exec(
        'CREATE TABLE t(a CHECK(app_key(a) > 0), b AS (app_key(a))); CREATE INDEX i ON t(app_key(a)) WHERE app_key(a) > 1; CREATE VIEW v AS SELECT app_key(a) FROM t',
      )
      await maker.close()
      const reader = openConnection(path)
      const { tables, views } = await readSchema(reader)
      await reader.close()
      expect(tables[0]).toMatchObject({
        checks: [{ expression: 'app_key(a) > 0' }],
        indexes: [{ columns: [{ expression: 'app_key(a)' }], where: 'app_key(a) > 1' }],
      })
      expect(views).toHaveLength(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('is read by the sandbox, which has no R-Tree, as by SQLite itself', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'schema-'))
    try {
      const path = join(folder, 'a.db')
      const native = openConnection(path)
      await native.exec(
        'CREATE VIRTUAL TABLE r USING rtree(id, x, y); CREATE VIRTUAL TABLE f USING fts4(a); CREATE TABLE t(a UNIQUE)',
      )
      const expected = await readSchema(native)
      await native.close()
      const wasm = openWasm(path)
      const actual = await readSchema(wasm)
      await wasm.close()
      expect(actual).toEqual(expected)
      expect(actual.tables.map(({ name, virtual }) => [name, virtual])).toEqual([
        ['f', 'fts4(a)'],
        ['r', 'rtree(id, x, y)'],
        ['t', null],
      ])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

it('runs nothing that is in the schema', async () => {
  await withDatabase('CREATE TABLE t(a)', async connection => {
    let called = 0
    const spy = () => {
      called++
      return 1
    }
    connection.native.function('spy', { deterministic: true, varargs: true }, spy)
    await connection.exec(
      `CREATE VIEW v AS SELECT spy() AS x; CREATE TABLE g(a DEFAULT (spy()), b AS (spy(a)), CHECK(spy(a)));
       CREATE INDEX i ON t(spy(a)) WHERE spy(a); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT spy(); END`,
    )
    called = 0
    await readSchema(connection)
    expect(called).toBe(0)
  })
})

it('reads a UTF-16 database like any other', async () => {
  const sql = 'CREATE TABLE "tä"(a DEFAULT \'ü\' CHECK(a <> "é")); CREATE INDEX "ö" ON "tä"(a)'
  expect(await read(`PRAGMA encoding='UTF-16le'; ${sql}`, { strings: true })).toEqual(
    await read(sql, { strings: true }),
  )
})

describe('the migrations of the reference application', () => {
  const folder = new URL('../../migrations/', import.meta.url)
  const up = readdirSync(folder)
    .filter(name => name.endsWith('.sql'))
    .sort()
    .map(name => readFileSync(new URL(name, folder), 'utf8').split('-- migrate:down')[0]!)
    .join('\n')

  it('are read with a few queries, however many tables they make', async () => {
    await withDatabase(up, async connection => {
      let queries = 0
      const counting: Connection = {
        ...connection,
        all: (sql, ...params) => {
          queries++
          return connection.all(sql, ...params)
        },
      }
      const { tables } = await readSchema(counting)
      expect(tables.length).toBeGreaterThanOrEqual(55)
      expect(queries).toBeLessThanOrEqual(5)
    })
  })

  it('are read by the sandbox as by SQLite itself', async () => {
    const wasm = openWasm()
    try {
      await wasm.exec(up)
      expect(compareSchemas(await read(up), await readSchema(wasm))).toEqual([])
    } finally {
      await wasm.close()
    }
  })
})
