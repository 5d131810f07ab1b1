import { chmodSync, chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { restore } from '../../src/job/restore.ts'
import { backUpIn, jobOptions } from '../support/jobs.ts'
import { sqlite3 } from '../support/peers.ts'
import { journalModeOf, newPlace, type Workplace } from '../support/workplace.ts'

function make(path: string, sql: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true })
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

/** Bytes of the first page that a restore gives values of its own: journal mode, change counter, schema cookie, version. */
const ownBytes = [
  [18, 20],
  [24, 28],
  [40, 44],
  [92, 100],
] as const

/** Every page of a file, without what a restore has to change. */
function pagesOf(path: string): Buffer {
  const bytes = readFileSync(path)
  for (const [from, to] of ownBytes) bytes.fill(0, from, to)
  return bytes
}

const rows = `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
  INSERT INTO t SELECT i, 'row ' || i, randomblob(40) FROM c;`
const table = `CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, blob BLOB); CREATE INDEX by_name ON t (name); ${rows} DELETE FROM t WHERE id % 7 = 0;`

/** What a backup can be of, made in this order. */
const originals: readonly [string, string][] = [
  ['rollback mode', table],
  ['WAL mode', `PRAGMA journal_mode = WAL; ${table}`],
  ['UTF-16', `PRAGMA encoding = 'UTF-16le'; ${table} INSERT INTO t (name) VALUES ('früh 🚢')`],
  ['pages of 512 bytes', `PRAGMA page_size = 512; ${table}`],
  ['pages of 64 KiB', `PRAGMA page_size = 65536; ${table}`],
  ['pages of 64 KiB in WAL mode', `PRAGMA page_size = 65536; PRAGMA journal_mode = WAL; ${table}`],
  ['auto_vacuum', `PRAGMA auto_vacuum = INCREMENTAL; ${table}`],
  ['FTS5', `${table} CREATE VIRTUAL TABLE words USING fts5 (name); INSERT INTO words SELECT name FROM t;`],
  ['R-Tree', `${table} CREATE VIRTUAL TABLE box USING rtree (id, a, b); INSERT INTO box SELECT id, id, id + 1 FROM t;`],
  ['generated columns', `CREATE TABLE g (a, b AS (a * 2), c AS (a || '!') STORED); INSERT INTO g VALUES (1), (2);`],
  ['STRICT', `CREATE TABLE s (a INT, b ANY) STRICT; INSERT INTO s VALUES (1, '1'), (2, 2);`],
  [
    'WITHOUT ROWID',
    `CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES ('a', 1), ('b', NULL);`,
  ],
  ['no tables', `CREATE TABLE t (n); DROP TABLE t; PRAGMA user_version = 7;`],
]

/** What is there when it is restored. */
const lives: readonly [string, string][] = [
  ['in rollback mode', 'CREATE TABLE other (n); INSERT INTO other VALUES (1)'],
  ['in WAL mode', 'PRAGMA journal_mode = WAL; CREATE TABLE other (n); INSERT INTO other VALUES (1)'],
  ['in WAL mode with pages of 8 KiB', 'PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; CREATE TABLE other (n)'],
  ['with pages of 1 KiB', `PRAGMA page_size = 1024; ${table}`],
]

describe.each(originals)('a backup of a database with %s', (_, original) => {
  test('equals it after a restore, page for page, whatever was there', async () => {
    const place = newPlace()
    make(place.database, original)
    const [dump, pages] = [sqlite3(place.database, '.dump'), pagesOf(place.database)]
    const { id } = await backUpIn(place)
    for (const [name, live] of lives) {
      make(place.database, live)
      const [mode, before] = [journalModeOf(place.database), sqlite3(place.database, '.dump')]
      const { safety } = await restore({ ...jobOptions(place), selection: { id } })
      expect(sqlite3(place.database, '.dump') === dump, name).toBe(true)
      expect(sqlite3(place.database, 'PRAGMA integrity_check')).toBe('ok\n')
      expect(journalModeOf(place.database), name).toBe(mode)
      expect(pagesOf(place.database).equals(pages), name).toBe(true)
      if (name !== lives[0]![0]) continue
      await restore({ ...jobOptions(place), selection: { id: safety! } })
      expect(sqlite3(place.database, '.dump')).toBe(before)
    }
  })
})

test('where nothing is there the database is made, in the mode of the backup', async () => {
  for (const mode of ['WAL', 'DELETE']) {
    const place = newPlace()
    make(place.database, `PRAGMA journal_mode = ${mode}; ${table}`)
    const pages = pagesOf(place.database)
    await backUpIn(place)
    rmSync(place.database)
    expect(await restore({ ...jobOptions(place), selection: { latest: true } })).toMatchObject({ safety: null })
    expect(pagesOf(place.database).equals(pages)).toBe(true)
    expect(journalModeOf(place.database)).toBe(mode === 'WAL' ? 'wal' : 'rollback')
  }
})

test('owner, group and mode of the file stay, also where it was damaged', async () => {
  const place = newPlace()
  make(place.database, table)
  await backUpIn(place)
  for (const damaged of [false, true]) {
    if (damaged) writeFileSync(place.database, readFileSync(place.database).fill(0xff, 0, 100))
    if (process.getuid?.() === 0) chownSync(place.database, 4321, 1234)
    chmodSync(place.database, 0o640)
    const { gid, ino, mode, uid } = statSync(place.database)
    await restore({ ...jobOptions(place), selection: { latest: true } })
    expect(statSync(place.database)).toMatchObject({ gid, ino, mode, uid })
  }
})

test('a value that breaks a rule of its table is no reason against a backup', async () => {
  const place = newPlace()
  make(
    place.database,
    'PRAGMA ignore_check_constraints = ON; CREATE TABLE t (n CHECK (n > 0)); INSERT INTO t VALUES (-1)',
  )
  await backUpIn(place)
  rmSync(place.database)
  await restore({ ...jobOptions(place), selection: { latest: true } })
  expect(sqlite3(place.database, 'SELECT n FROM t')).toBe('-1\n')
})

test('a restore that is repeated again and again makes one backup before it, not one each time', async () => {
  const place = newPlace()
  make(place.database, table)
  await backUpIn(place)
  const before = readFileSync(place.database)
  for (let time = 0; time < 3; time++) {
    writeFileSync(place.database, before)
    await restore({ ...jobOptions(place), selection: { latest: true } })
  }
  expect(place.backups().filter(id => id.includes('pre-restore'))).toHaveLength(1)
})

describe.runIf(process.env['LOCKKEEPER_TEST_1GB'])('a gigabyte', () => {
  test.each(lives.slice(0, 3))('equals the original, %s', { timeout: 900_000 }, async (_, live) => {
    const place: Workplace = newPlace()
    make(
      place.database,
      `PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);
       WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 262144) INSERT INTO t SELECT i, randomblob(4000) FROM c`,
    )
    const pages = pagesOf(place.database)
    const { id } = await backUpIn(place)
    make(place.database, live)
    await restore({ ...jobOptions(place), selection: { id } })
    expect(pagesOf(place.database).equals(pages)).toBe(true)
  })
})
