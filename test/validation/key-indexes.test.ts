import { expect, test } from 'vitest'
import { readSchema } from '../../src/schema/read.ts'
import { keysWithoutIndex } from '../../src/validation/key-indexes.ts'
import { withDatabase } from '../support/connection.ts'

const parents = 'CREATE TABLE p (id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b));'
const found = (sql: string) => withDatabase(`${parents} ${sql}`, async db => keysWithoutIndex(await readSchema(db)))

test.each([
  ['an index of its column', 'CREATE TABLE c (p_id REFERENCES p); CREATE INDEX i ON c (p_id)'],
  ['one that begins with it', 'CREATE TABLE c (p_id REFERENCES p, n); CREATE INDEX i ON c (p_id, n)'],
  ['the primary key', 'CREATE TABLE c (p_id INTEGER PRIMARY KEY REFERENCES p)'],
  ['a UNIQUE constraint', 'CREATE TABLE c (p_id UNIQUE REFERENCES p)'],
  [
    'one of both columns in another order',
    'CREATE TABLE c (x, y, FOREIGN KEY (x, y) REFERENCES p (a, b)); CREATE INDEX i ON c (y, x)',
  ],
  ['one that leaves out NULL', 'CREATE TABLE c (P_id REFERENCES p); CREATE INDEX i ON c (p_id) WHERE p_id IS NOT NULL'],
  ['no key at all', 'CREATE TABLE c (n)'],
])('%s will do', async (_, sql) => {
  expect(await found(sql)).toEqual([])
})

test.each([
  ['none', 'CREATE TABLE c (p_id REFERENCES p)'],
  ['one that begins with something else', 'CREATE TABLE c (p_id REFERENCES p, n); CREATE INDEX i ON c (n, p_id)'],
  ['one of a part of the rows', 'CREATE TABLE c (p_id REFERENCES p, n); CREATE INDEX i ON c (p_id) WHERE n > 0'],
  ['one of an expression', 'CREATE TABLE c (p_id REFERENCES p); CREATE INDEX i ON c (abs(p_id))'],
])('%s is said, with the index that is missing', async (_, sql) => {
  expect(await found(sql)).toEqual([
    {
      part: 'indexes',
      severity: 'warn',
      message: 'the foreign key of c by p_id to p has no index: changing or deleting a row of p reads all of c',
      mend: 'CREATE INDEX "c_p_id" ON "c" ("p_id");',
    },
  ])
})

test('two keys of the same column need one index, and one of two columns both', async () => {
  const sql =
    'CREATE TABLE c (x REFERENCES p, y, FOREIGN KEY (x) REFERENCES p (id), FOREIGN KEY (x, y) REFERENCES p (a, b))'
  expect((await found(sql)).map(({ mend }) => mend)).toEqual([
    expect.stringContaining('("x")'),
    expect.stringContaining('("x", "y")'),
  ])
})

test('an index that the migrations describe and that is missing is the business of the comparison', async () => {
  const table = 'CREATE TABLE c (p_id REFERENCES p)'
  const expected = await withDatabase(`${parents} ${table}; CREATE INDEX i ON c (p_id)`, readSchema)
  const actual = await withDatabase(`${parents} ${table}`, readSchema)
  expect(keysWithoutIndex(actual, expected)).toEqual([])
})
