import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import { openMemory } from '../../src/database/memory.ts'
import { concernedTables, findViolations, violationFinding } from '../../src/validation/foreign-keys.ts'
import { memory } from '../migrations/database.ts'

const allTables = async (db: Workspace) =>
  (await db.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)).map(({ name }) => name)
const violations = async (sql: string) => {
  const db = await memory(sql)
  return (await findViolations(db, await allTables(db))).map(
    ({ key, rows, unchecked }) => unchecked ?? `${rows} ${key.child}(${key.from.join(', ')}) ${key.parent}`,
  )
}

describe('tables whose foreign keys a change could break', () => {
  const schema = `CREATE TABLE Parent(id INTEGER PRIMARY KEY); CREATE TABLE child(p REFERENCES parent(id));
    CREATE TABLE "grand ""child"(c REFERENCES CHILD(p), p REFERENCES "Parent"); CREATE TABLE other(x);
    CREATE VIEW v AS SELECT * FROM child; CREATE VIRTUAL TABLE f USING fts5(a)`

  it.each([
    [['parent'], ['child', 'grand "child']],
    [['CHILD'], ['child', 'grand "child']],
    [['grand "child'], ['grand "child']],
    [['other', 'gone', 'v', 'f'], []],
    [[], []],
  ])('of %j are these and those that refer to them: %j', async (touched, concerned) => {
    expect((await concernedTables(await memory(schema), touched)).toSorted()).toEqual(concerned)
  })
})

describe('rows without their parent are found', () => {
  it.each([
    [
      'of one column',
      'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id)); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1), (2), (3), (NULL)',
      ['2 c(p) p'],
    ],
    [
      'without the name of the column',
      'CREATE TABLE p(a, id TEXT PRIMARY KEY); CREATE TABLE c(p REFERENCES p); INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1), (2)',
      ['1 c(p) p'],
    ],
    [
      'of several columns, of which one that is NULL frees the row',
      'CREATE TABLE p(a, b, PRIMARY KEY(b, a)); CREATE TABLE c(x, y, FOREIGN KEY(x, y) REFERENCES p); INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (2, 1), (1, 2), (NULL, 1), (2, NULL)',
      ['1 c(x, y) p'],
    ],
    [
      'in a table that refers to itself',
      'CREATE TABLE t(id INTEGER PRIMARY KEY, up REFERENCES t(id)); INSERT INTO t VALUES (1, NULL), (2, 2), (3, 1), (4, 5)',
      ['1 t(up) t'],
    ],
    [
      'where the parent is not there at all',
      'CREATE TABLE c(x REFERENCES gone(id), y REFERENCES gone); INSERT INTO c VALUES (1, NULL), (NULL, NULL)',
      ['1 c(x) gone'],
    ],
    [
      'WITHOUT ROWID',
      'CREATE TABLE p(id PRIMARY KEY) WITHOUT ROWID; CREATE TABLE c(a, p REFERENCES p, PRIMARY KEY(a)) WITHOUT ROWID; INSERT INTO c VALUES (1, 1), (2, 2)',
      ['2 c(p) p'],
    ],
    [
      'in odd names',
      'CREATE TABLE "a""b"("x y" INTEGER PRIMARY KEY); CREATE TABLE "child"("parent""s" REFERENCES "A""B"("X Y")); INSERT INTO child VALUES (1)',
      ['1 child(parent"s) A"B'],
    ],
    [
      'by a key of generated columns',
      'CREATE TABLE p(a, g AS (a + 1) UNIQUE); CREATE TABLE c(a, g AS (a * 2) REFERENCES p(g)); INSERT INTO p VALUES (1); INSERT INTO c(a) VALUES (1), (2)',
      ['1 c(g) p'],
    ],
    [
      'for each of two keys of one column',
      'CREATE TABLE p(id INTEGER PRIMARY KEY, other UNIQUE); CREATE TABLE c(x REFERENCES p(id) REFERENCES p(other)); INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1)',
      ['1 c(x) p'],
    ],
    ['and none where there is none', 'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id))', []],
  ])('%s', async (_, sql, expected) => {
    expect(await violations(sql)).toEqual(expected)
  })

  it('of tables that are there, in any case of letters', async () => {
    const db = await memory(
      'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE C(p REFERENCES p(id)); INSERT INTO C VALUES (1)',
    )
    expect(await findViolations(db, ['gone', 'c'])).toHaveLength(1)
    expect(await findViolations(db, ['p'])).toEqual([])
  })

  it.each([
    [
      'has no such column',
      'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(x REFERENCES p(gone))',
      'no such column: parent.gone',
    ],
    ['has no primary key', 'CREATE TABLE p(id); CREATE TABLE c(x REFERENCES p)', 'p has no primary key of one column'],
    [
      'has one of more columns',
      'CREATE TABLE p(a, b, PRIMARY KEY(a, b)); CREATE TABLE c(x REFERENCES p)',
      'p has no primary key of one column',
    ],
  ])('unless the parent %s: then that is said', async (_, sql, why) => {
    expect(await violations(`${sql}; INSERT INTO c VALUES (1)`)).toEqual([why])
  })
})

describe('a broken foreign key is told in a sentence', () => {
  const told = async (sql: string) =>
    (await findViolations(await memory(sql), ['c'])).map(violation => violationFinding(violation, 'fail'))
  const parent = 'CREATE TABLE p(id INTEGER PRIMARY KEY);'

  it('with the keys of its rows', async () => {
    const sql = `${parent} CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id)); INSERT INTO c VALUES (7, 1)`
    expect(await told(sql)).toEqual([
      { part: 'constraints', severity: 'fail', message: '1 row of c refer by p to a row of p that is not there: id 7' },
    ])
  })

  it.each([
    [
      '(a TEXT, b, p REFERENCES p(id), PRIMARY KEY(b, a)) WITHOUT ROWID',
      "('x', 1, 1), ('y', 2, 1)",
      '(b, a) (1, x), (2, y)',
    ],
    ['(p REFERENCES p(id))', '(1), (2), (3), (4), (5), (6)', 'rowid 1, 2, 3, 4, 5 and more'],
    ['(k TEXT PRIMARY KEY, p REFERENCES p(id))', `('${'k'.repeat(80)}', 1)`, `k ${'k'.repeat(39)}…`],
  ])('in a table %s', async (definition, rows, which) => {
    const [finding] = await told(`${parent} CREATE TABLE c${definition}; INSERT INTO c VALUES ${rows}`)
    expect(finding?.message.split('not there: ')[1]).toBe(which)
  })

  it('and as a warning where it cannot be checked', async () => {
    expect(await told('CREATE TABLE p(id); CREATE TABLE c(x REFERENCES p(gone))')).toEqual([
      {
        part: 'constraints',
        severity: 'warn',
        message: 'the foreign key of c by x to p could not be checked: no such column: parent.gone',
      },
    ])
  })
})

describe('the same rows are found as by PRAGMA foreign_key_check', () => {
  const type = fc.constantFrom('', 'INTEGER', 'TEXT', 'REAL', 'NUMERIC', 'BLOB')
  const collation = fc.constantFrom('', ' COLLATE NOCASE', ' COLLATE RTRIM')
  const definition = fc.tuple(type, collation).map(([first, second]) => `${first}${second}`)
  const value = fc.constantFrom(
    'NULL',
    '1',
    '1.0',
    '1.5',
    "'1'",
    "'01'",
    "'1.0'",
    "'a'",
    "'A'",
    "'a '",
    "x'61'",
    "x'31'",
    '0',
    '-1',
    '1e300',
    '9007199254740993',
  )
  const row = fc.tuple(value, value)

  it('whatever the types, collations and values', async () => {
    let broken = 0
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(definition, definition, definition, definition),
        fc.constantFrom('UNIQUE(a)', 'PRIMARY KEY(a)', 'UNIQUE(a, b)', 'PRIMARY KEY(a, b)', 'PRIMARY KEY(b, a)'),
        fc.constantFrom('', ' WITHOUT ROWID'),
        fc.constantFrom('', 'CREATE INDEX i ON c(y, x);'),
        fc.array(row, { maxLength: 8 }),
        fc.array(row, { maxLength: 8 }),
        async ([a, b, x, y], key, option, index, parents, children) => {
          const rowid = key.startsWith('PRIMARY') ? option : ''
          const columns = key.includes(',') ? ['x, y', 'a, b'] : ['x', 'a']
          const db = await openMemory({ scripts: false })
          try {
            await db.exec(`CREATE TABLE p(a ${a}, b ${b}, ${key})${rowid};
              CREATE TABLE c(x ${x}, y ${y}, FOREIGN KEY(${columns[0]}) REFERENCES p(${columns[1]})); ${index}`)
            for (const values of parents) {
              // Not every value fits an INTEGER PRIMARY KEY.
              const refused = (error: Error) => expect(error.message).toBe('datatype mismatch')
              await db.exec(`INSERT OR IGNORE INTO p VALUES (${values.join(', ')})`).catch(refused)
            }
            for (const values of children) await db.exec(`INSERT INTO c VALUES (${values.join(', ')})`)
            const [found] = await findViolations(db, ['c'])
            const sqlite = await db.all('PRAGMA foreign_key_check(c)')
            broken += sqlite.length
            expect(found?.rows ?? 0).toBe(sqlite.length)
            expect(found?.unchecked).toBeUndefined()
          } finally {
            await db.close()
          }
        },
      ),
      { numRuns: 3_000 },
    )
    expect(broken).toBeGreaterThan(1_000)
  })
})
