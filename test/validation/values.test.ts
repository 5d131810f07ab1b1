/** Values that a table ought not to have, which SQLite has kept all the same. */
import { describe, expect, test } from 'vitest'
import { readSchema } from '../../src/schema/read.ts'
import { type Part, parts } from '../../src/validation/findings.ts'
import { checkValues } from '../../src/validation/values.ts'
import { openConnection } from '../support/connection.ts'

async function found(sql: string, wanted: readonly Part[] = parts): Promise<string[]> {
  const db = openConnection()
  try {
    await db.exec(`PRAGMA ignore_check_constraints = ON; ${sql}`)
    const findings = await checkValues(db, await readSchema(db), new Set(wanted))
    return findings.map(({ message, part, severity }) => `${severity} ${part}: ${message}`)
  } finally {
    await db.close()
  }
}
const table = (type: string, ...values: string[]) =>
  `CREATE TABLE t (id INTEGER PRIMARY KEY, c ${type}); INSERT INTO t (c) VALUES ${values.map(value => `(${value})`).join(', ')}`

const fitting: readonly [string, readonly string[]][] = [
  ['INTEGER', ['1', "'2'", 'NULL', '3.0']],
  ['BIGINT', ['9007199254740993']],
  ['REAL', ['1', '1.5', "'2.5'"]],
  ['DECIMAL(10, 2)', ['1', '1.25', "'3'"]],
  ['TEXT', ["'a'", '1', "''"]],
  ['VARCHAR(3)', ["'abc'", "'äöü'", '123']],
  ['BLOB', ["'a'", '1', "x'00'"]],
  ['', ["'a'", '1', "x'00'"]],
  ['BOOLEAN', ['0', '1', 'TRUE', "'1'"]],
  [
    'DATETIME',
    [
      "'2024-02-29 12:00:00.123456'",
      "'2024-02-29T12:00:00Z'",
      "'2024-02-29 12:00:00+02:00'",
      '1709208000',
      '1709208000.5',
    ],
  ],
  ['DATE', ["'2024-02-29'"]],
  ['TIME', ["'12:00'", "'12:00:00.5'"]],
  ['TIMESTAMP', ['CURRENT_TIMESTAMP']],
  ['JSON', [`'{"a": [1, null]}'`, "'[]'", '\'"text"\'', '5', "jsonb('{}')"]],
]
const misfitting: readonly [string, string, RegExp][] = [
  ['INTEGER', "'abc'", /have in c \(INTEGER\) something that is no integer: id 2$/],
  ['INTEGER', '1.5', /no integer/],
  ['BIGINT', "x'00'", /no integer/],
  ['REAL', "'abc'", /no number/],
  ['DECIMAL(10, 2)', "'1,5'", /no number/],
  ['TEXT', "x'00'", /something that is no text: id 2$/],
  ['VARCHAR(3)', "'abcd'", /something that is no text, or longer/],
  ['BOOLEAN', '2', /something else than 0 or 1/],
  ['BOOLEAN', "'yes'", /something else than 0 or 1/],
  ['DATETIME', "'29.02.2024'", /have in c \(DATETIME\) a text that is no date or time: id 2$/],
  ['DATETIME', "'now'", /no date or time/],
  ['DATETIME', "''", /no date or time/],
  ['DATE', "'2024-13-01'", /no date or time/],
  ['DATETIME', "x'00'", /no date or time/],
  ['JSON', "'{a: 1}'", /have in c \(JSON\) something that is no JSON: id 2$/],
  ['JSON', "''", /no JSON/],
]

describe('the declared type', () => {
  test.each(fitting)('%s takes %j', async (type, values) => {
    expect(await found(table(type, ...values))).toEqual([])
  })
  test.each(misfitting)('%s does not take %s', async (type, value, says) => {
    expect(await found(table(type, 'NULL', value))).toEqual([expect.stringMatching(says)])
    expect(await found(table(type, 'NULL', value))).toEqual([expect.stringMatching(/^warn data: 1 row of t /)])
  })
})

test('rows that were written while NOT NULL and CHECK were not checked are counted and named', async () => {
  const sql = `CREATE TABLE t (id INTEGER PRIMARY KEY, b CONSTRAINT small CHECK (b < 10), a, CHECK (a <> 'x' OR b = 1));
    INSERT INTO t (id, a, b) VALUES (1, 'y', 5), (2, 'x', 2), (3, 'y', 11), (4, NULL, NULL), (5, 'y', 12)`
  expect(await found(sql, ['constraints'])).toEqual([
    'fail constraints: 2 rows of t break small CHECK (b < 10): id 3, 5',
    "fail constraints: 1 row of t break CHECK (a <> 'x' or b = 1): id 2",
  ])
})

test('a CHECK with a text in double quotes, odd names and a table without rowid', async () => {
  const sql = `CREATE TABLE "a b" ("c d" TEXT CHECK ("c d" <> 'no'), k INT, PRIMARY KEY (k, "c d")) WITHOUT ROWID;
    INSERT INTO "a b" VALUES ('no', 1), ('yes', 2)`
  expect(await found(sql)).toEqual([
    expect.stringContaining('1 row of a b break CHECK ("c d" <> \'no\'): (k, c d) (1, no)'),
  ])
})

test('what only the application can check is said, and the rest is checked', async () => {
  const db = openConnection()
  db.native.function('shout', text => String(text).toUpperCase())
  await db.exec(
    `CREATE TABLE t (id INTEGER PRIMARY KEY, a CHECK (shout(a) = a), b INT); INSERT INTO t VALUES (1, 'A', 'x')`,
  )
  const schema = await readSchema(db)
  const other = openConnection()
  await other.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, a, b INT); INSERT INTO t VALUES (1, 'A', 'x')`)
  const findings = await checkValues(other, schema, new Set(parts))
  expect(findings.map(({ message, severity }) => `${severity}: ${message}`)).toEqual([
    'warn: whether rows of t break CHECK (shout(a) = a) could not be checked: no such function: shout',
    'warn: 1 row of t have in b (INT) something that is no integer: id 1',
  ])
})

test('only the parts that are wanted are looked at, and tables of many columns in several queries', async () => {
  const columns = Array.from({ length: 700 }, (_, at) => `c${at} INT NOT NULL`)
  const sql = `CREATE TABLE t (${columns.join(', ')}); INSERT INTO t VALUES (${columns.map((_, at) => (at === 650 ? "'x'" : at)).join(', ')})`
  expect(await found(sql, ['constraints'])).toEqual([])
  expect(await found(sql, ['data'])).toEqual([expect.stringMatching(/have in c650 \(INT\)/)])
})

test('STRICT, generated and virtual tables and columns have nothing to be checked for', async () => {
  const sql = `CREATE TABLE s (a INTEGER, b ANY) STRICT; INSERT INTO s VALUES (1, x'00');
    CREATE TABLE g (a, b INT AS (a || 'x')); INSERT INTO g (a) VALUES (1);
    CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES ('x')`
  expect(await found(sql)).toEqual([])
})
