/** What a verification finds in databases and in a repository. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { createBackup } from '../../src/backup/create.ts'
import { openRepository } from '../../src/backup/repository.ts'
import { backups } from '../../src/job/backups.ts'
import { restoreBeside } from '../../src/job/restore/beside.ts'
import { verify } from '../../src/job/verify.ts'
import { fileStore } from '../../src/storage/file.ts'
import { factsWith } from '../backup/observed.ts'
import { refusal, sealed } from '../backup/support.ts'
import { backUpIn, jobOptions } from '../support/jobs.ts'
import { pythonSql } from '../support/peers.ts'
import { newPlace, type Workplace } from '../support/workplace.ts'

type Which = Parameters<typeof verify>[0]['which']

function verified(place: Workplace, which: Which = { latest: true }) {
  return verify({ ...jobOptions(place), which })
}

/** A database that these statements make, with one backup of it. */
async function backedUp(sql: string): Promise<Workplace> {
  const place = newPlace()
  change(place, sql)
  await backUpIn(place)
  return place
}

function change(place: Workplace, sql: string): void {
  const db = new DatabaseSync(place.database)
  db.exec(sql)
  db.close()
}

/** With so many backups, each of other content. */
async function withBackups(count: number): Promise<Workplace> {
  const place = newPlace()
  change(place, 'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)')
  for (let made = 0; made < count; made++) {
    change(place, `INSERT INTO people (name) VALUES ('person ${made}')`)
    await backUpIn(place)
  }
  return place
}

interface Fields {
  readonly [field: string]: object
}

/** Rewrites the manifest of the only backup, as somebody would who does it right. */
function rewriteManifest(place: Workplace, change: (manifest: Fields) => object): void {
  const path = join(place.repository, 'backups', `${place.backups()[0]}.json`)
  const { sha256: _, ...manifest } = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, sealed({ ...manifest, ...change(manifest) }))
}

/** Makes another backup, of these bytes, with what the manifest of the first one says. */
async function storeAsBackup(place: Workplace, bytes: Uint8Array): Promise<void> {
  const path = join(place.folder, 'other.db')
  writeFileSync(path, bytes)
  const first = readFileSync(join(place.repository, 'backups', `${place.backups()[0]}.json`), 'utf8')
  const { database, engine, schema } = JSON.parse(first)
  const store = fileStore(place.repository)
  const repository = await openRepository(store, { databaseName: 'app.db', create: false })
  await createBackup(repository, path, { tiers: ['manual'], database, engine, schema, by: { host: 'a test' } })
  await store.close()
}

function objects(place: Workplace, folder: string): string[] {
  return readdirSync(join(place.repository, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(place.repository.length + 1))
    .sort()
}

describe('where the sandbox lacks something, it is looked at natively, and the report says so', () => {
  test.each([
    ['UTF-16', "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (a); INSERT INTO t VALUES ('ä')", /UTF-16/],
    ['R-Tree', 'CREATE VIRTUAL TABLE r USING rtree (id, a, b); INSERT INTO r VALUES (1, 2, 3)', /rtree/],
    ['FTS3', "CREATE VIRTUAL TABLE f USING fts3 (a); INSERT INTO f VALUES ('word')", /fts3/],
  ])('%s', async (_, sql, why) => {
    const place = await backedUp(sql)
    const { backups, good } = await verified(place)
    expect(good).toBe(true)
    expect(backups[0]?.how).toMatch(/^integrity_check natively, because the sandbox cannot: /)
    expect(backups[0]?.how).toMatch(why)
  })
})

describe('a backup is compared with its manifest', () => {
  const sql = `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE "a ""table""" (x);
    INSERT INTO people (name) VALUES ('Ada'), ('Grace'); PRAGMA user_version = 7`

  test('which has the rows of each table', async () => {
    const place = await backedUp(sql)
    const list = await backups({ url: place.env['LOCKKEEPER_REPOSITORY']! }, place.database)
    expect(list.backups[0]?.manifest.tables).toEqual({ people: 2, 'a "table"': 0 })
    expect((await verified(place)).good).toBe(true)
  })

  test.each<[string, (manifest: Fields) => object, string]>([
    [
      'another number of rows',
      () => ({ tables: { people: 3, 'a "table"': 0 } }),
      'people has 2 rows, and the manifest says that it has 3 rows',
    ],
    [
      'a table more',
      ({ tables }) => ({ tables: { ...tables, orders: 1 } }),
      'orders is not there, and the manifest says that it has 1 row',
    ],
    ['a table less', () => ({ tables: { people: 2 } }), 'has 0 rows, and the manifest says that it is not there'],
    [
      'another schema',
      ({ schema }) => ({ schema: { ...schema, fingerprint: 'f'.repeat(64) } }),
      'fingerprint of its schema',
    ],
    ['another encoding', ({ database }) => ({ database: { ...database, encoding: 'UTF-16le' } }), 'encoding is UTF-8'],
    [
      'another hash of the whole',
      ({ database }) => ({ database: { ...database, sha256: '0'.repeat(64) } }),
      'together their SHA-256',
    ],
  ])('and is bad where that says %s', async (_, change, said) => {
    const place = await backedUp(sql)
    rewriteManifest(place, change)
    const { backups, good } = await verified(place)
    expect(good).toBe(false)
    expect(backups[0]?.problems.join('\n')).toContain(said)
  })

  test('rows without a parent are a note: they were there before', async () => {
    const place = await backedUp(
      `CREATE TABLE parents (id INTEGER PRIMARY KEY); PRAGMA foreign_keys = off;
       CREATE TABLE children (parent REFERENCES parents (id)); INSERT INTO children VALUES (1), (2)`,
    )
    const { backups, good } = await verified(place)
    expect(good).toBe(true)
    expect(backups[0]).toMatchObject({ result: 'good', notes: [expect.stringMatching(/2 rows of children .*parents/)] })
  })

  test('values that break a constraint are a note, too', async () => {
    const place = newPlace()
    change(place, "CREATE TABLE ages (age); INSERT INTO ages SELECT NULL FROM json_each('[1,2,3]')")
    pythonSql(
      place.database,
      "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE TABLE ages (age NOT NULL)'",
    )
    await backUpIn(place)
    const { backups, good } = await verified(place)
    expect(good).toBe(true)
    expect(backups[0]?.notes).toEqual(Array(3).fill('NULL value in ages.age'))
  })

  test('a database that SQLite cannot read is bad', async () => {
    const place = await backedUp(sql)
    const bytes = readFileSync(place.database)
    // The root of a table, which is no page of a table any more.
    bytes.fill(0x7f, 4096, 4096 + 16)
    await storeAsBackup(place, bytes)
    const { backups, good } = await verified(place, { all: true })
    expect(good).toBe(false)
    expect(backups.map(({ result }) => result)).toEqual(['bad', 'good'])
    expect(backups[0]?.problems[0]).toMatch(/Tree|malformed|btree/i)
  })
})

test('all of a repository is good with a backup of a damaged database that is as it was backed up; that one is not', async () => {
  const place = await withBackups(1)
  const repository = await openRepository(fileStore(place.repository), {
    databaseName: 'app',
    create: false,
    allowOtherDatabase: true,
  })
  await createBackup(repository, place.database, factsWith({ tiers: ['pre-restore'], damaged: 'page 3' }))
  for (let time = 0; time < 2; time++) {
    const { backups, good } = await verified(place, { all: true })
    expect(good).toBe(true)
    expect(backups.map(({ recorded, result }) => [result, recorded === null])).toEqual([
      ['damaged', true],
      ['good', false],
    ])
  }
  const damaged = place.backups()[1]!
  expect(objects(place, 'checks').filter(key => key.includes(damaged))).toEqual([])
  expect(await verified(place, { id: damaged })).toMatchObject({ good: false, backups: [{ result: 'bad' }] })
})

describe('the rest of the repository', () => {
  test('is looked at by verify --all: what is damaged is bad, what does not belong there is told', async () => {
    const place = await withBackups(1)
    await verified(place)
    const [check] = objects(place, 'checks')
    writeFileSync(
      join(place.repository, check!),
      readFileSync(join(place.repository, check!), 'utf8').replace('"good"', '"goad"'),
    )
    writeFileSync(join(place.repository, 'holiday.jpg'), 'x')
    writeFileSync(join(place.repository, 'backups', 'README.md'), 'x')
    const { backups, good, notes, problems } = await verified(place, { all: true })
    expect(good).toBe(false)
    expect(backups.map(({ result }) => result)).toEqual(['good'])
    expect(problems.map(({ key }) => key)).toEqual([check])
    expect(notes.toSorted()).toEqual([
      'backups/README.md: is no part of a repository',
      'holiday.jpg: is no part of a repository',
    ])
  })

  test('a manifest that was deleted leaves chunks and lists that belong to no backup, which is told', async () => {
    const place = await withBackups(2)
    rmSync(join(place.repository, 'backups', `${place.backups()[1]}.json`))
    const { good, notes } = await verified(place, { all: true })
    expect(good).toBe(true)
    expect(notes).toEqual([expect.stringMatching(/^1 chunks and 1 lists belong to no backup/)])
  })

  test('a manifest that a prune was just removing is told of, and is no stranger', async () => {
    const place = await withBackups(2)
    const leaving = join(place.repository, 'removed', '20261128T070000Z-0f0f0f0f-0000-4000-8000-000000000000')
    mkdirSync(leaving, { recursive: true })
    const name = `${place.backups()[1]}.json`
    renameSync(join(place.repository, 'backups', name), join(leaving, name))
    const { good, notes, problems } = await verified(place, { all: true })
    expect({ good, problems }).toEqual({ good: true, problems: [] })
    expect(notes).toEqual([
      expect.stringMatching(/^1 manifests lie in removed\/: a prune is at work/),
      expect.stringMatching(/^1 chunks and 1 lists belong to no backup/),
    ])
    writeFileSync(join(leaving, name), '{}')
    expect((await verified(place, { all: true })).problems[0]?.key).toContain(name)
  })

  test.each(['is lost', 'is damaged'])(
    'where repository.json %s, backups can be listed, verified and restored, and it can be put back',
    async how => {
      const place = await withBackups(2)
      const path = join(place.repository, 'repository.json')
      const before = readFileSync(path, 'utf8')
      if (how === 'is lost') rmSync(path)
      else writeFileSync(path, before.replace('app.db', 'apt.db'))
      const list = await backups({ url: place.env['LOCKKEEPER_REPOSITORY']! }, place.database)
      expect(list).toMatchObject({ backups: [{}, {}], problems: [{ key: 'repository.json' }] })
      const found = await verified(place, { all: true })
      expect(found).toMatchObject({ good: false, problems: [{ key: 'repository.json' }] })
      expect(found.backups.map(({ result }) => result)).toEqual(['good', 'good'])
      await restoreBeside({ ...jobOptions(place), selection: { latest: true }, to: join(place.folder, 'back.db') })
      const error = await refusal(backUpIn(place))
      expect(error.code).toBe('config')
      const [, line = ''] = /store this line as repository.json: (\{.*\})$/.exec(error.hint ?? '') ?? []
      expect(JSON.parse(line)).toMatchObject({ id: JSON.parse(before).id, databaseName: 'app.db' })
      writeFileSync(path, `${line}\n`)
      await backUpIn(place)
      expect((await verified(place, { all: true })).good).toBe(true)
    },
  )
})
