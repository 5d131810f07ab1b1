import { expect, test } from 'vitest'
import { runChecks } from '../../src/validation/application-checks.ts'
import { withDatabase } from '../support/connection.ts'

const schema = `CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, x'0102'), (4, 'y'), (5, 'z')`
const found = (sql: string, description = '') =>
  withDatabase(schema, async db =>
    (await runChecks(db, [{ name: 'c', description, sql }])).map(({ message, severity }) => `${severity}: ${message}`),
  )

test('a check that returns nothing is passed', async () => {
  expect(await found('SELECT * FROM t WHERE id > 9')).toEqual([])
})

test('the first rows are shown, by column', async () => {
  expect(await found('SELECT id, a FROM t WHERE id < 4', 'no small ids')).toEqual([
    'fail: the check c (no small ids) finds (id 1, a x), (id 2, a NULL), (id 3, a 2 bytes)',
  ])
  expect(await found('SELECT id FROM t ORDER BY id DESC')).toEqual([
    'fail: the check c finds (id 5), (id 4), (id 3) and more',
  ])
})

test('no more than a few rows are read', async () => {
  const endless = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n -- for ever'
  expect(await found(endless)).toEqual(['fail: the check c finds (i 1), (i 2), (i 3) and more'])
})

test('one that cannot run is a failure, and one that only the application can run a warning', async () => {
  expect(await found('SELECT nonsense FROM t')).toEqual(['fail: the check c could not run: no such column: nonsense'])
  expect(await found('DELETE FROM t RETURNING id')).toEqual([
    expect.stringMatching(/^fail: the check c could not run: near "DELETE"/),
  ])
  expect(await found('SELECT shout(a) FROM t')).toEqual(['warn: the check c could not run: no such function: shout'])
})
