/** `lint` over a folder: which files are looked at, what is silenced, and where it ends. */
import { expect, test } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import { lint } from '../../src/lint/lint.ts'
import { defaultDirectives } from '../../src/migrations/model.ts'
import { folderOf, load, problemsOf, sql } from '../migrations/folder.ts'

const rulesIn = async (files: Record<string, string>, since?: string) => {
  const { findings } = await lint({ migrations: folderOf(files), ...(since === undefined ? {} : { since }) })
  return findings.map(({ rule, version }) => `${version} ${rule}`)
}

test('a rule is silenced by the file, with a reason that is kept', async () => {
  const text = sql(
    'CREATE TABLE t (n);',
    undefined,
    '-- lint-ignore: no-down: a first table, there is nothing, before it\n',
  )
  const report = await lint({ migrations: folderOf({ 'v1.sql': text }) })
  expect(report).toMatchObject({
    sound: true,
    findings: [],
    silenced: [{ rule: 'no-down', version: 'v1', reason: 'a first table, there is nothing, before it' }],
  })
})

test('or by lockkeeper.json, for a file that cannot be changed any more', async () => {
  const files = {
    'v1.sql': sql('CREATE TABLE t (n);'),
    'lockkeeper.json': JSON.stringify({ v1: { 'lint-ignore': ['no-down: it was deployed long ago'] } }),
  }
  expect(await rulesIn(files)).toEqual([])
})

test('another rule is not silenced with it', async () => {
  const files = {
    'v1.sql': sql('CREATE TABLE t (n);', 'DROP TABLE t;'),
    'v2.sql': sql('DELETE FROM t;', undefined, '-- lint-ignore: no-down: rows\n'),
  }
  expect(await rulesIn(files)).toEqual(['v2 row-loss'])
})

test('one that names no rule is found itself', async () => {
  const text = sql('CREATE TABLE t (n);', 'DROP TABLE t;', '-- lint-ignore: no-donw: typing\n')
  expect(await rulesIn({ 'v1.sql': text })).toEqual(['v1 unknown-rule'])
})

test('one without a reason is refused when the file is read, and so is one behind the first statement', async () => {
  expect(await problemsOf({ 'v1.sql': sql('SELECT 1;', undefined, '-- lint-ignore: no-down\n') })).toEqual([
    expect.stringContaining('needs a rule and a reason'),
  ])
  expect(await problemsOf({ 'v1.sql': sql('SELECT 1;\n-- lint-ignore: no-down: late\nSELECT 2;') })).toEqual([
    expect.stringContaining('has to stand before the first statement'),
  ])
})

test('it does not become part of what is asked of a deploy', async () => {
  const [migration] = await load({ 'v1.sql': sql('SELECT 1;', undefined, '-- lint-ignore: no-down: nothing\n') })
  expect(migration?.lintIgnore).toEqual([{ rule: 'no-down', reason: 'nothing' }])
  expect(migration?.directives).toEqual(defaultDirectives)
})

test('what was deployed already can be left out, and is still what the rest builds on', async () => {
  const files = { 'v1.sql': sql('CREATE TABLE t (n);'), 'v2.sql': sql('DELETE FROM t;', 'SELECT 1;') }
  expect(await rulesIn(files, 'v1')).toEqual(['v2 row-loss'])
  await expect(lint({ migrations: folderOf(files), since: 'v3' })).rejects.toMatchObject({ code: 'missing' })
})

test('nothing is looked at behind one that does not run', async () => {
  const files = {
    'v1.sql': sql('SELECT nonsense;', 'SELECT 1;'),
    'v2.sql': sql('CREATE TABLE IF NOT EXISTS t (n);'),
  }
  const report = await lint({ migrations: folderOf(files) })
  expect(report).toMatchObject({ sound: false, stoppedAt: 'v1', findings: [{ rule: 'does-not-run' }] })
})

test('files that are no migrations are refused as everywhere', async () => {
  await expect(lint({ migrations: folderOf({ 'v1.sql': 'SELECT 1;' }) })).rejects.toThrow(LockkeeperError)
})

test('of a module only what it leaves is seen', async () => {
  const files = {
    'v1.sql': sql('CREATE TABLE t (n, m); CREATE TABLE u (n);', 'DROP TABLE t; DROP TABLE u;'),
    'v2.ts': `export function up(db) { db.exec('DROP TABLE u; ALTER TABLE t DROP COLUMN m; ALTER TABLE t ADD COLUMN o NOT NULL') }`,
    'v3.ts': `export function up(db) { db.exec('DELETE FROM t') }\nexport function down() {}`,
  }
  expect(await rulesIn(files)).toEqual([
    'v2 not-null-without-default',
    'v2 row-loss',
    'v2 column-loss',
    'v2 no-down',
    'v3 row-loss',
  ])
})

test('one that commits by itself is looked at as well', async () => {
  const off = '-- transaction: off\n'
  const files = {
    'v1.sql': sql('CREATE TABLE t (n);', 'DROP TABLE t;'),
    'v2.sql': sql('DROP TABLE t;\nVACUUM;', 'CREATE TABLE t (n);', off),
    'v3.sql': sql('BEGIN;\nCREATE TABLE u (n);\nCOMMIT;', 'DROP TABLE u;', off),
  }
  expect(await rulesIn(files)).toEqual(['v2 row-loss'])
})
