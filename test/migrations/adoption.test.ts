import { copyFileSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import { fileUri } from '../../src/database/location.ts'
import { NativeDatabase, workspaceOf } from '../../src/database/native.ts'
import { findLevel } from '../../src/migrations/adoption.ts'
import { applyScript, upOf } from '../../src/migrations/apply.ts'
import { readBookkeeping } from '../../src/migrations/bookkeeping.ts'
import { expectedSchema } from '../../src/migrations/expected.ts'
import { loadMigrations } from '../../src/migrations/load.ts'
import type { Migration } from '../../src/migrations/model.ts'
import { compareSchemas } from '../../src/schema/compare.ts'
import { readSchema } from '../../src/schema/read.ts'
import { column, memory, refusalOf } from './database.ts'
import { folderOf } from './folder.ts'
import { migration, versionsOf } from './migration.ts'

const list = [
  migration('v1', {
    up: 'CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE scratch(x); CREATE TABLE scratch_2(x);',
  }),
  migration('v2', { up: 'CREATE INDEX users_by_name ON users(name); DROP TABLE scratch; DROP TABLE scratch_2;' }),
  migration('v3', { up: 'CREATE TABLE orders(id INTEGER PRIMARY KEY); CREATE INDEX orders_i ON orders(id);' }),
]
const upTo = (count: number, more = '') =>
  list
    .slice(0, count)
    .map(({ up }) => (up.kind === 'sql' ? up.sql : ''))
    .join('') + more
const levelOf = async (sql: string, migrations: readonly Migration[] = list, ignore: string[] = []) =>
  findLevel(await readSchema(await memory(sql)), migrations, ignore)

describe('a database that something else made is at a level', () => {
  it.each([1, 2, 3])('where its schema equals that of %i migrations', async count => {
    const { applied, extra, unseen } = await levelOf(upTo(count))
    expect(versionsOf(applied)).toEqual(versionsOf(list.slice(0, count)))
    expect([extra, unseen]).toEqual([[], []])
  })

  it('with what is its own beside it', async () => {
    const { applied, extra } = await levelOf(upTo(2, 'CREATE TABLE scheduler(x); CREATE INDEX mine ON users(id);'))
    expect(versionsOf(applied)).toEqual(['v1', 'v2'])
    expect(extra.map(({ object, name }) => `${object} ${name}`)).toEqual(['table scheduler', 'index mine'])
  })

  it('with something that a migration once made and another one removed', async () => {
    const { applied, extra } = await levelOf(upTo(3, 'CREATE TABLE scratch(x);'))
    expect(versionsOf(applied)).toEqual(['v1', 'v2', 'v3'])
    expect(extra.map(({ name }) => name)).toEqual(['scratch'])
  })

  it('before a migration that drops what is still there', async () => {
    const dropping = [
      ...list,
      migration('v4', { up: 'CREATE TABLE toys(x);' }),
      migration('v5', { up: 'DROP TABLE toys;' }),
    ]
    const { applied, extra } = await levelOf(upTo(3, 'CREATE TABLE toys(x); CREATE TABLE scheduler(x);'), dropping)
    expect(versionsOf(applied)).toEqual(['v1', 'v2', 'v3', 'v4'])
    expect(extra.map(({ name }) => name)).toEqual(['scheduler'])
  })

  it('without what is to be ignored', async () => {
    const { applied, extra } = await levelOf(upTo(2, 'CREATE TABLE scheduler(x);'), list, ['sched*'])
    expect([versionsOf(applied), extra]).toEqual([['v1', 'v2'], []])
  })

  it('that may be higher than it seems: what changes rows only leaves no trace, and is named', async () => {
    const rowsOnly = [list[0]!, migration('v1_rows', { up: 'INSERT INTO users VALUES (1, 1);' }), ...list.slice(1)]
    const { applied, unseen } = await levelOf(upTo(1), rowsOnly)
    expect(versionsOf(applied)).toEqual(['v1', 'v1_rows'])
    expect(versionsOf(unseen)).toEqual(['v1_rows'])
  })
})

describe('a database is at no level', () => {
  it('where its schema equals none; the nearest is named, with what is different', async () => {
    const error = await refusalOf(
      levelOf('CREATE TABLE users(id INTEGER PRIMARY KEY, name INTEGER); CREATE INDEX users_by_name ON users(name);'),
    )
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(
      /equals no level of the migrations. Nearest is v2, but:\n {2}column users\.name: expected/,
    )
    expect(error.message.split('\n')).toHaveLength(2)
  })

  it('where nothing of it is known', async () => {
    const error = await refusalOf(levelOf('CREATE TABLE other(x)'))
    expect(error.message).toMatch(/Nearest is v2, but:\n {2}table users is in the migrations but not in the database/)
  })

  it('and what is different is cut where it gets long', async () => {
    const columns = Array.from({ length: 30 }, (_, n) => `c${n}`).join(', ')
    const error = await refusalOf(levelOf(`CREATE TABLE t(${columns})`, [migration('v1', { up: 'CREATE TABLE t(x)' })]))
    expect(error.message.split('\n')).toHaveLength(22)
    expect(error.message).toMatch(/and \d+ more$/)
  })
})

describe('parts of a later migration', () => {
  it('that hold no rows are named, with what removes them', async () => {
    const later = [
      ...list,
      migration('v4', { up: 'CREATE VIEW names AS SELECT name FROM users; CREATE INDEX "odd""one" ON users(id);' }),
    ]
    const error = await refusalOf(levelOf(upTo(3, 'CREATE INDEX "odd""one" ON users(id);'), later))
    expect(error).toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(
        /everything up to v3, and parts of a later migration \(v4\):\n {2}index odd"one on users$/,
      ),
      hint: expect.stringMatching(/None of these holds rows.*--adopt:\n {2}DROP INDEX "odd""one";$/s),
      details: { level: 'v3', parts: [{ object: 'index', name: 'odd"one', version: 'v4' }] },
    })
  })

  it('that may hold rows are not to be removed without a look', async () => {
    const error = await refusalOf(levelOf(upTo(2, 'CREATE TABLE orders(id INTEGER PRIMARY KEY);')))
    expect(error.message).toMatch(/up to v2, and parts of a later migration \(v3\):\n {2}table orders$/)
    expect(error.hint).toMatch(/may hold rows: look first/)
    expect(error.hint).not.toMatch(/DROP/)
  })
})

describe("the reference application's databases", () => {
  const folder = fileURLToPath(new URL('../../migrations', import.meta.url))

  /** v001 and v002, and the first 16 indexes of v003, as its first runner left them, with that runner's own table. */
  async function likeFirstRunner(): Promise<Workspace> {
    const [one, two, three] = await loadMigrations(folder)
    const db =
      await memory(`CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY, version VARCHAR(50), status VARCHAR(20));
      CREATE TABLE apscheduler_jobs (id VARCHAR(191) PRIMARY KEY);`)
    for (const each of [one!, two!]) await applyScript(db, upOf(each))
    const sql = three?.up.kind === 'sql' ? three.up.sql : ''
    for (const index of sql.match(/CREATE INDEX [^;]+;/g)?.slice(0, 16) ?? []) await db.exec(index)
    return db
  }

  const original = fileURLToPath(new URL('../../../shared/fossawork/made-by-first-runner.db', import.meta.url))
  async function madeByFirstRunner(): Promise<Workspace> {
    const copy = `${folderOf({})}/app.db`
    copyFileSync(original, copy)
    const db = workspaceOf(new NativeDatabase({ location: fileUri(copy) }))
    onTestFinished(() => db.close())
    return db
  }
  const sources: [string, () => Promise<Workspace>][] = [['like the one of the first runner', likeFirstRunner]]
  if (existsSync(original)) sources.push(['of the first runner', madeByFirstRunner])

  it.each(sources)('%s: what is half done is named, and can be removed and done again', async (_, open) => {
    const migrations = await loadMigrations(folder)
    const db = await open()
    const error = await refusalOf(findLevel(await readSchema(db), migrations, []))
    expect(error.message).toMatch(/up to v002_add_security_tables, and parts of a later migration \(v003_add_indexes\)/)
    expect(error.details['parts']).toHaveLength(16)
    expect((await readBookkeeping(db)).foreign).toBe(true)

    const removal = error.hint?.split('\n').at(-1) ?? ''
    expect(removal.match(/DROP INDEX/g)).toHaveLength(16)
    await db.exec(removal)
    const { applied, extra } = await findLevel(await readSchema(db), migrations, [])
    expect(versionsOf(applied)).toEqual(versionsOf(migrations.slice(0, 2)))
    expect(extra.map(({ name }) => name)).toEqual(['apscheduler_jobs', 'schema_migrations'])
    for (const each of migrations.slice(2)) await applyScript(db, upOf(each))
    const differences = compareSchemas(await expectedSchema(migrations), await readSchema(db))
    expect(differences.map(({ name }) => name)).toEqual(['apscheduler_jobs', 'schema_migrations'])
    expect(await column(db, 'PRAGMA integrity_check')).toEqual(['ok'])
  })
})
