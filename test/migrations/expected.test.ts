import { describe, expect, it } from 'vitest'
import { expectedSchema, replayEach } from '../../src/migrations/expected.ts'
import { emptySchema } from '../../src/schema/model.ts'
import { readSchema } from '../../src/schema/read.ts'
import { memory, refusalOf } from './database.ts'
import { load, sql } from './folder.ts'
import { migration } from './migration.ts'

const tablesOf = async (...ups: Parameters<typeof migration>[1][]) =>
  (await expectedSchema(ups.map((given, n) => migration(`v${n}`, given)))).tables.map(({ name }) => name)

describe('the schema that migrations describe', () => {
  it('is what they build in an empty database', async () => {
    const up = "CREATE TABLE t(a TEXT NOT NULL DEFAULT 'x'); CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT a FROM t;"
    expect(await expectedSchema([migration('v1', { up })])).toEqual(await readSchema(await memory(up)))
  })

  it('of none is empty', async () => {
    expect(await expectedSchema([])).toEqual(emptySchema)
  })

  it('includes what runs outside of a transaction', async () => {
    const directives = { transaction: false }
    const up =
      'CREATE TABLE b(x); VACUUM; PRAGMA journal_mode = WAL; PRAGMA page_size = 8192; BEGIN; CREATE TABLE c(x); COMMIT; VACUUM;'
    expect(await tablesOf({ up: 'CREATE TABLE a(x)' }, { up, directives }, { up: 'CREATE TABLE d(x)' })).toEqual([
      'a',
      'b',
      'c',
      'd',
    ])
  })

  it('includes what modules do', async () => {
    const migrations = await load({
      'v1.sql': sql('CREATE TABLE a(x);'),
      'v2.ts': "export function up(db: { exec(sql: string): void }): void { db.exec('CREATE TABLE b(x)') }",
    })
    expect((await expectedSchema(migrations)).tables.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('is built with foreign keys on where a migration wants them on', async () => {
    const up = 'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id)); INSERT INTO c VALUES (1);'
    expect(await tablesOf({ up })).toEqual(['c', 'p'])
    const error = await refusalOf(tablesOf({ up, directives: { foreignKeys: true } }))
    expect(error.message).toMatch(/FOREIGN KEY constraint failed/)
    expect(await tablesOf({ up: 'SELECT 1', directives: { foreignKeys: true } }, { up })).toEqual(['c', 'p'])
  })

  it('does not depend on whether a setting of one was still on for the next', async () => {
    const tables = 'CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id));'
    const rename = 'ALTER TABLE p RENAME TO q;'
    const both = await expectedSchema([
      migration('v1', { up: `${tables} PRAGMA legacy_alter_table = ON;` }),
      migration('v2', { up: rename }),
    ])
    expect(both).toEqual(await expectedSchema([migration('v1', { up: tables }), migration('v2', { up: rename })]))
  })

  it('comes after each of them, where that is asked for', async () => {
    const migrations = [migration('v1', { up: 'CREATE TABLE a(x)' }), migration('v2', { up: 'CREATE TABLE b(x)' })]
    const seen: [string, number][] = []
    for await (const { migration, schema } of replayEach(migrations))
      seen.push([migration.version, schema.tables.length])
    expect(seen).toEqual([
      ['v1', 1],
      ['v2', 2],
    ])
  })
})

describe('a migration that fails in an empty database', () => {
  it('is named, and so is the reason why it was run there', async () => {
    const migrations = await load({
      'v1.sql': sql('CREATE TABLE settings(name);'),
      'v2.ts': `export function up(db: any) { db.exec("INSERT INTO settings VALUES ('" + db.get('SELECT name FROM settings').name + "')") }`,
    })
    const error = await refusalOf(expectedSchema(migrations))
    expect(error).toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/^v2 failed at .*v2\.ts \(up\): Cannot read properties of undefined/),
      hint: expect.stringMatching(/replay in an empty database in memory/),
      details: { version: 'v2', replay: true },
    })
  })

  it('keeps its line', async () => {
    const error = await refusalOf(expectedSchema([migration('v1', { up: 'SELECT 1;\nSELEC 2;' })]))
    expect(error.details).toMatchObject({ where: 'v1.sql:2' })
  })
})
