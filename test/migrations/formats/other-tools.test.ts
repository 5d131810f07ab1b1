/** Folders as other tools lay them out, and what is read from them. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadMigrations } from '../../../src/migrations/load.ts'
import type { Migration } from '../../../src/migrations/model.ts'
import { split } from '../../../src/migrations/split.ts'
import { checksumOf } from '../../../src/migrations/text.ts'
import { folderOf, load, problemsOf, sql } from '../folder.ts'

type Files = Readonly<Record<string, string>>

const versions = async (files: Files) => (await load(files)).map(({ version }) => version)

/** The statements of both directions, without what is around them. */
function statementsOf({ down, up }: Migration): readonly (readonly string[] | undefined)[] {
  return [up, down].map(script => (script?.kind === 'sql' ? [...split(script.sql)].map(each => each.sql) : undefined))
}

const lines = (...all: readonly string[]) => `${all.join('\n')}\n`

describe('goose', () => {
  const file = lines(
    '-- +goose Up',
    'CREATE TABLE a (x);',
    '-- +goose StatementBegin',
    'CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a WHERE x = 1; END',
    '-- +goose StatementEnd',
    "INSERT INTO a VALUES ('",
    '-- +goose Down',
    "');",
    '-- +goose Down',
    'DROP TABLE a;',
  )

  it('has an up and a down in one file, and statements that end by an annotation', async () => {
    const [migration] = await load({ '00001_first_table.sql': file })
    expect(migration).toMatchObject({
      version: '00001_first_table',
      description: 'first table',
      checksum: checksumOf(file),
      directives: { transaction: true, doubleQuotedStrings: true },
    })
    expect(statementsOf(migration!)).toEqual([
      [
        'CREATE TABLE a (x);',
        'CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a WHERE x = 1; END\n;',
        "INSERT INTO a VALUES ('\n-- +goose Down\n');",
      ],
      ['DROP TABLE a;'],
    ])
    expect(migration).toMatchObject({ up: { line: 1 }, down: { line: 9 } })
  })

  it.each([
    ['before the up', lines('-- +goose NO TRANSACTION', '-- +goose Up', 'VACUUM;')],
    ['after it, in any case', lines('--+GOOSE up', '  -- +goose   no   transaction', 'VACUUM;')],
  ])('may say that it runs without a transaction %s', async (_, text) => {
    const [migration] = await load({ '1_a.sql': text })
    expect(migration?.directives.transaction).toBe(false)
  })

  it('runs in the order of its numbers', async () => {
    const up = '-- +goose Up\n'
    expect(await versions({ '10_c.sql': up, '9_b.sql': up, '00001_a.sql': up })).toEqual(['00001_a', '9_b', '10_c'])
  })

  it.each([
    ['-- +goose Down\n-- +goose Up\n', 'line 1: "+goose Down" comes before "+goose Up"'],
    ['-- +goose Up\n-- +goose Up\n', 'line 2: "+goose Up" is there for the second time'],
    ['-- +goose Up\n-- +goose Down\n-- +goose Down\n', 'line 3: "+goose Down" is there for the second time'],
    ['-- +goose Up\n-- +goose ENVSUB ON\nSELECT 1;', 'line 2: "+goose ENVSUB ON" would put variables'],
    ['-- +goose Upp\n', 'line 1: "+goose Upp" is no annotation that goose has'],
    ['SELECT 1;\n-- +goose Up\n', 'it has a statement before "-- +goose Up"'],
    ['-- +goose NO TRANSACTION\nSELECT 1;\n', 'it has no line "-- +goose Up"'],
  ])('refuses %j', async (text, why) => {
    expect(await problemsOf({ '1_a.sql': text })).toEqual([expect.stringContaining(`1_a.sql: ${why}`)])
  })

  it('names steps written in Go, unless something else is in their place', async () => {
    const files = { '00001_a.sql': '-- +goose Up\n', '00002_b.go': '', '00002_b_test.go': '', 'embed.go': '' }
    expect(await problemsOf(files)).toEqual([
      expect.stringContaining('00002_b.go: it is a step written in Go. Put 00002_b.ts (or .sql)'),
    ])
    expect(await versions({ ...files, '00002_b.ts': 'export function up() {}' })).toEqual(['00001_a', '00002_b'])
  })
})

describe('golang-migrate, and sqlx with downs', () => {
  it('has a file for each direction', async () => {
    const [first, second, third] = await load({
      '2_b.up.sql': 'CREATE TABLE b (x)',
      '2_b.down.sql': 'DROP TABLE b',
      '10_c.up..sql': '-- nothing',
      '000001_add_a.up.sql': 'CREATE TABLE a (x);',
      '000001_add_a.down.sql': '',
      'seed.sql': 'not one of them',
    })
    expect([first, second, third].map(each => [each?.version, each?.description, statementsOf(each!)])).toEqual([
      ['000001_add_a', 'add a', [['CREATE TABLE a (x);'], []]],
      ['2_b', 'b', [['CREATE TABLE b (x)'], ['DROP TABLE b']]],
      ['10_c', 'c', [[], undefined]],
    ])
    expect(second).toMatchObject({
      file: expect.stringMatching(/2_b\.up\.sql$/),
      down: { file: expect.stringMatching(/2_b\.down\.sql$/), line: 1 },
      checksum: checksumOf('CREATE TABLE b (x)'),
    })
  })

  it('says what is neither up nor down, and a down of nothing', async () => {
    const files = { '1_a.up.sql': '', '2_b.sql': 'SELECT 1;', '3_c.down.sql': '' }
    expect(await problemsOf(files)).toEqual([
      '3_c.down.sql: there is no 3_c.up.sql that it would undo',
      expect.stringContaining('2_b.sql: is it the up or the down? The others are NAME.up.sql and NAME.down.sql'),
    ])
  })

  it('says when there are two of a kind', async () => {
    expect(await problemsOf({ '1_a.up.sql': '', '1_a.up..sql': '' })).toEqual([
      '1_a.up.sql: 1_a.up..sql is the up of it already',
    ])
  })

  it('of sqlx may run without a transaction', async () => {
    const [a, b] = await load({ '1_a.up.sql': '-- no-transaction\nVACUUM;', '2_b.up.sql': '\n-- no-transaction\n' })
    expect([a, b].map(each => each?.directives.transaction)).toEqual([false, true])
  })
})

describe('sqlx without downs', () => {
  const files = { '1_a.sql': 'CREATE TABLE a (x);', '2_b.sql': '-- no-transaction\nVACUUM;' }

  it('is read where the folder says that files without markers are ups', async () => {
    const [a, b] = await load({ ...files, 'lockkeeper.json': '{"$unmarked": "up"}' })
    expect(statementsOf(a!)).toEqual([['CREATE TABLE a (x);'], undefined])
    expect(b?.directives.transaction).toBe(false)
  })

  it('is otherwise taken for a marker that was forgotten', async () => {
    expect(await problemsOf(files)).toEqual([
      expect.stringMatching(/^1_a\.sql: it has no line "-- migrate:up"/),
      expect.stringMatching(/^2_b\.sql: it has no line "-- migrate:up"/),
    ])
  })
})

describe('diesel', () => {
  it('has a folder for each, ordered by what is before the first underscore, without its dashes', async () => {
    const migrations = await load({
      '2023-05-10-143000_b/up.sql': 'CREATE TABLE b (x);',
      '2023-05-10-143000_b/down.sql': 'DROP TABLE b;',
      '20230401000000_a/up.sql': 'CREATE TABLE a (x);',
      '2023-05-10-143000-0001_c/up.sql': 'VACUUM;',
      '2023-05-10-143000-0001_c/metadata.toml': 'run_in_transaction = false\n',
      '00000000000000_setup/up.sql': '-- nothing',
      '20230601000000_d/up.sql': 'SELECT 1;',
      '.diesel_lock': '',
      'diesel.toml': '',
    })
    expect(migrations.map(({ directives, version }) => [version, directives.transaction])).toEqual([
      ['00000000000000_setup', true],
      ['20230401000000_a', true],
      ['2023-05-10-143000_b', true],
      ['2023-05-10-143000-0001_c', false],
      ['20230601000000_d', true],
    ])
    expect(migrations[2]).toMatchObject({
      description: 'b',
      file: expect.stringMatching(/2023-05-10-143000_b\/up\.sql$/),
      down: { sql: 'DROP TABLE b;', file: expect.stringMatching(/2023-05-10-143000_b\/down\.sql$/) },
    })
  })
})

describe('Prisma', () => {
  const lock = { 'migration_lock.toml': 'provider = "sqlite"\n' }

  it('has a folder for each, with spaces and with names as texts', async () => {
    const migrations = await load({
      ...lock,
      '20240101000000_with a space/migration.sql': 'CREATE TABLE "a" ("x" TEXT);\n',
      '10_ten/migration.sql': '',
      '9_nine/migration.sql': '',
      'stray.sql': 'passed over',
    })
    // By name as a text, which is how Prisma sorts them.
    expect(migrations.map(({ version }) => version)).toEqual(['10_ten', '20240101000000_with a space', '9_nine'])
    expect(migrations[1]).toMatchObject({ description: 'with a space', down: undefined })
  })

  it('says which folder has no migration, and for which database they are', async () => {
    expect(
      await problemsOf({
        'migration_lock.toml': 'provider = "postgresql"',
        '1_a/migration.sql': '',
        'init/other.txt': '',
      }),
    ).toEqual(['migration_lock.toml: these migrations are for postgresql', 'init: there is no migration.sql in it'])
  })
})

describe('Drizzle', () => {
  const journal = (...tags: string[]) =>
    JSON.stringify({ version: '7', dialect: 'sqlite', entries: tags.map((tag, idx) => ({ idx, tag, when: idx })) })

  it('has a journal, whose order counts, and breakpoints that end statements', async () => {
    const migrations = await load({
      'meta/_journal.json': journal('0000_a', '0002_c', '0001_b', '0003_d'),
      'meta/0000_snapshot.json': '{}',
      '0000_a.sql':
        'CREATE TABLE `a` (`x` text)\n--> statement-breakpoint\nCREATE TABLE `b` (`x` text);--> statement-breakpoint\n',
      '0001_b.sql': 'SELECT 1;',
      '0002_c.sql': 'SELECT 2;\nSELECT 3;',
      '0003_d.sql': '',
      'stray.sql': 'passed over',
    })
    expect(migrations.map(({ version }) => version)).toEqual(['0000_a', '0002_c', '0001_b', '0003_d'])
    expect(statementsOf(migrations[0]!)).toEqual([
      ['CREATE TABLE `a` (`x` text)\n;', 'CREATE TABLE `b` (`x` text);'],
      undefined,
    ])
  })

  it('may have a folder for each, without a journal', async () => {
    const file = 'CREATE TABLE `a` (`x` text)\n--> statement-breakpoint\nCREATE TABLE `b` (`x` text);'
    const [migration] = await load({
      '20260101000000_a/migration.sql': file,
      '20260101000000_a/snapshot.json': '{}',
      'stray.sql': 'passed over',
    })
    expect(statementsOf(migration!)[0]).toHaveLength(2)
  })

  it.each([
    ['not JSON', '{', 'meta/_journal.json: '],
    ['without a list', '{}', 'meta/_journal.json: it has no list of entries'],
    [
      'for another database',
      '{"dialect": "mysql", "entries": []}',
      'meta/_journal.json: these migrations are for mysql',
    ],
    ['that names no file', '{"entries": [{"tag": "../a"}]}', 'meta/_journal.json: {"tag":"../a"} names no file'],
    ['with a file that is not there', journal('0000_a'), '0000_a.sql, which is in the journal: ENOENT'],
  ])('has a journal %s', async (_, text, why) => {
    expect(await problemsOf({ 'meta/_journal.json': text })).toEqual([expect.stringContaining(why)])
  })
})

describe('any of them', () => {
  it('goes on in the house format beside what is there', async () => {
    expect(
      await versions({
        'migration_lock.toml': 'provider = "sqlite"',
        '20240101000000_a/migration.sql': '',
        '20240301000000_c.sql': sql('SELECT 1;'),
        '20240201000000_b/migration.sql': '',
      }),
    ).toEqual(['20240101000000_a', '20240201000000_b', '20240301000000_c'])
    expect(
      await versions({
        '1_a.up.sql': '',
        '2_b.sql': '-- +goose Up\n',
        '3_c.sql': sql(''),
        '4_d.ts': 'export function up() {}',
      }),
    ).toEqual(['1_a', '2_b', '3_c', '4_d'])
  })

  it('has no file passed over beside one that is ours', async () => {
    expect(
      await problemsOf({ '20240101000000_a/migration.sql': '', '2_b.sql': sql(''), '3_c.sql': 'SELECT 1;' }),
    ).toEqual([expect.stringContaining('3_c.sql: the other migrations here are not of this kind')])
  })

  it('has its directives in lockkeeper.json, or in a comment of the few that change how a file runs', async () => {
    const [a, b] = await load({
      '1_a.up.sql': '-- transaction: of money\n-- description: not ours\n-- allow-row-loss: x\nDROP TABLE x;',
      '20240101_b/up.sql': '-- double_quoted_strings: off\n-- lint-ignore: of another linter\n',
      'lockkeeper.json': '{"20240101_b": {"allow-row-loss": ["y"], "description": "said here"}}',
    })
    expect(a).toMatchObject({ description: 'a', directives: { allowRowLoss: ['x'], transaction: true } })
    expect(b).toMatchObject({
      description: 'said here',
      directives: { allowRowLoss: ['y'], doubleQuotedStrings: false },
    })
  })

  it('may have CRLF in some files', async () => {
    const [lf, crlf] = await load({ '1_a.up.sql': 'SELECT 1;\nSELECT 2;', '2_b.up.sql': 'SELECT 1;\r\nSELECT 2;' })
    expect(crlf?.checksum).toBe(lf?.checksum)
  })

  it('does not take a folder for a migration that is not called like one', async () => {
    expect(await versions({ '1_a.sql': sql(''), 'archive/up.sql': 'DROP TABLE a;', 'old/migration.sql': 'x' })).toEqual(
      ['1_a'],
    )
  })
})

describe('a down never runs as part of an up', () => {
  const down = '-- +goose Up\nCREATE TABLE a (x);\n-- +goose Down\nDROP TABLE a;\n'

  it('where goose has both in a file that is called like one of a pair', async () => {
    const [migration] = await load({ '1_a.up.sql': down })
    expect(statementsOf(migration!)).toEqual([['CREATE TABLE a (x);'], ['DROP TABLE a;']])
  })

  it.each([
    '-- migrate:down',
    '-- +migrate Down',
    '-- +goose down',
    '-- Down',
    '  --down:',
    '--- !Downs',
    '-- Down Migration',
    '-- @UNDO',
    '-- rollback',
    '-- +migrate Down notransaction',
    '-- //@UNDO',
    '-- ==== DOWN ====',
    '-- rambler down',
    '/* Down */',
    '-- Down: drop it again',
    '-- [down]',
    '-- Revert',
    '-- downgrade',
  ])('where a file that is an up as a whole has a line %j', async marker => {
    const text = `CREATE TABLE a (x);\n${marker}\nDROP TABLE a;\n`
    const why = 'line 2 looks like the beginning of a down'
    const journal = JSON.stringify({ entries: [{ tag: '0000_a', when: 1 }] })
    const folders: Files[] = [
      { '20240101_a/up.sql': text },
      { '20240101_a/migration.sql': text },
      { 'meta/_journal.json': journal, '0000_a.sql': text },
    ]
    for (const files of folders) expect(await problemsOf(files)).toEqual([expect.stringContaining(why)])
    // By these the file is the house's or goose's, which say what is wrong in their own way.
    if (!/migrate:|goose/.test(marker))
      for (const files of [{ '1_a.up.sql': text }, { '1_a.sql': text, 'lockkeeper.json': '{"$unmarked": "up"}' }])
        expect(await problemsOf(files)).toEqual([expect.stringContaining(why)])
  })

  it('where it is one by its name', async () => {
    const downs = ['1_a_down', '2_b.undo', 'U3__c', 'down_4_d']
    const ups = ['1_a', '3_scroll_down', 'V3__c', '4_d']
    const files = Object.fromEntries([...downs, ...ups].map(name => [`${name}.sql`, '']))
    const problems = await problemsOf({ ...files, 'lockkeeper.json': '{"$unmarked": "up"}' })
    expect(problems).toEqual(downs.map(name => expect.stringContaining(`${name}.sql: by its name it is a down`)))
  })

  it.each([
    '-- break down the numbers\nSELECT 1;',
    '-- downtime is expected\nSELECT 1;',
    '-- Migration Up\nSELECT 1;',
    '-- we roll back nothing\nSELECT 1;',
    'SELECT 1;\n-- Rollback:\n-- DROP TABLE a;\n',
    'CREATE TABLE a (x,\n-- undo\ny);',
    "INSERT INTO a VALUES ('\n-- down\n');",
    '/*\n-- Down\n*/\nSELECT 1;',
  ])('and there is none in %j', async text => {
    expect(await versions({ '1_a.up.sql': text })).toEqual(['1_a'])
  })
})

describe('nothing is left out, or taken in, without a word', () => {
  it('where a marker was forgotten beside files of another tool', async () => {
    const files = {
      '1_a.up.sql': '',
      'v001_b.sql': sql(''),
      'v002_c.sql': 'CREATE TABLE c (x);',
      'v003_d.sql': sql('', undefined, '-- depends: v002_c\n'),
    }
    expect(await problemsOf(files)).toEqual([expect.stringContaining('v002_c.sql: is it the up or the down?')])
  })

  it('where a folder among others has no migration, a misspelt one or a link to nothing', async () => {
    const folder = folderOf({ '20240101_a/migration.sql': '', '20240102_b/migraton.sql': '', '20240103_c/x': '' })
    symlinkSync('nowhere', join(folder, '20240103_c/migration.sql'))
    await expect(loadMigrations(folder)).rejects.toThrow(/20240102_b: there is no .*\n.*20240103_c: there is no/)
  })

  it('where one has a number and the others a time', async () => {
    expect(await versions({ '0_init/migration.sql': '', '20240101000000_b/migration.sql': '' })).toEqual([
      '0_init',
      '20240101000000_b',
    ])
  })

  it('but what is no migration of theirs is', async () => {
    expect(await versions({ '1_a.up.sql': '', 'teardown.up.sql': 'DROP TABLE a;' })).toEqual(['1_a'])
    expect(
      await versions({ '1_a.sql': sql(''), '2023_archive/up.sql': 'DROP TABLE a;', '2/migration.sql': '' }),
    ).toEqual(['1_a'])
  })

  it('where two have the same number', async () => {
    const up = '-- +goose Up\n'
    expect(await problemsOf({ '1_a.up.sql': '', '1_b.up.sql': '' })).toEqual(['1_b.up.sql: 1_a has the same number'])
    expect(await problemsOf({ '1_a.sql': up, '0001_b.sql': up })).toHaveLength(1)
  })

  it('where links lead to themselves, or a folder is called like a file of a tool', async () => {
    const folder = folderOf({ 'v1.sql': sql(''), 'migration_lock.toml/x': '', 'meta/other.json': '' })
    symlinkSync('loop', join(folder, 'loop'))
    expect((await loadMigrations(folder)).map(({ version }) => version)).toEqual(['v1'])
  })

  it('where the checks of the application lie beside the migrations of Prisma', async () => {
    const files = { 'migration_lock.toml': '', '20240101_a/migration.sql': '', 'checks/rows.sql': 'SELECT 1' }
    expect(await versions(files)).toEqual(['20240101_a'])
  })

  it('diesel runs without a transaction what has metadata that does not ask for one', async () => {
    const [a, b] = await load({
      '20240101_a/up.sql': '',
      '20240101_a/metadata.toml': 'other = 1\n',
      '20240102_b/up.sql': '',
      '20240102_b/metadata.toml': 'run_in_transaction = true\n',
    })
    expect([a, b].map(each => each?.directives.transaction)).toEqual([false, true])
  })
})
