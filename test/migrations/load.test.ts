import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadMigrations } from '../../src/migrations/load.ts'
import { checksumOf } from '../../src/migrations/text.ts'
import { folderOf, load, problemsOf, sql } from './folder.ts'

const versions = async (files: Record<string, string>) => (await load(files)).map(({ version }) => version)
const empty = sql('')

describe('a folder of migrations', () => {
  it('is read in the order in which they run', async () => {
    expect(await versions({ 'v10.sql': empty, 'v2.sql': empty, 'v1.ts': 'export function up() {}' })).toEqual([
      'v1',
      'v2',
      'v10',
    ])
  })

  it('of the reference application has its six', async () => {
    const migrations = await loadMigrations(fileURLToPath(new URL('../../migrations', import.meta.url)))
    expect(migrations.map(({ version }) => version.slice(0, 4))).toEqual([
      'v001',
      'v002',
      'v003',
      'v004',
      'v005',
      'v006',
    ])
    expect(migrations.every(({ down, description }) => down !== undefined && description !== '')).toBe(true)
  })

  it('may hold other things: a README, data, types, hidden files, folders', async () => {
    const files = {
      'v1.sql': empty,
      'README.md': '',
      'data.csv': '',
      'v2.sql.bak': '',
      'v2.sqlite': '',
      'types.d.ts': 'export type A = 1',
      '.v3.sql': '',
      'more/v4.sql': empty,
      'schema.json': '{}',
    }
    expect(await versions(files)).toEqual(['v1'])
  })

  it('may have endings in capitals', async () => {
    expect(await versions({ 'v1.SQL': empty })).toEqual(['v1'])
  })

  it('gives each migration a checksum over its content, whatever the line ends', async () => {
    const [lf] = await load({ 'v1.sql': sql('SELECT 1;', 'SELECT 2;') })
    const [crlf] = await load({ 'v1.sql': `\uFEFF${sql('SELECT 1;', 'SELECT 2;').replaceAll('\n', '\r\n')}` })
    expect(lf?.checksum).toBe(checksumOf(sql('SELECT 1;', 'SELECT 2;')))
    expect({ ...crlf, file: '' }).toEqual({ ...lf, file: '' })
  })

  it('can be a mounted ConfigMap: links to links', async () => {
    const folder = folderOf({ '..2026_01_01/v1.sql': empty, '..2026_01_01/v2.ts': 'export function up() {}' })
    symlinkSync('..2026_01_01', join(folder, '..data'))
    for (const name of ['v1.sql', 'v2.ts']) symlinkSync(join('..data', name), join(folder, name))
    const migrations = await loadMigrations(folder)
    expect(migrations.map(({ version, file }) => [version, file])).toEqual([
      ['v1', join(folder, 'v1.sql')],
      ['v2', join(folder, 'v2.ts')],
    ])
  })

  it('of 5,000 takes less than a few seconds', async () => {
    const name = (n: number) => `v${String(n).padStart(4, '0')}`
    const folder = folderOf({})
    for (let n = 1; n <= 5_000; n++)
      writeFileSync(join(folder, `${name(n)}.sql`), sql('SELECT 1;', '', n > 1 ? `-- depends: ${name(n - 1)}\n` : ''))
    const before = performance.now()
    expect(await loadMigrations(folder)).toHaveLength(5_000)
    expect(performance.now() - before).toBeLessThan(10_000)
  })
})

describe('a folder is refused as a setting that is wrong', () => {
  it('where it is not there', async () => {
    await expect(loadMigrations('/no/such/folder')).rejects.toMatchObject({
      code: 'config',
      hint: expect.stringContaining('LOCKKEEPER_MIGRATIONS'),
    })
  })

  it('where it is a file', async () => {
    const folder = folderOf({ 'v1.sql': empty })
    await expect(loadMigrations(join(folder, 'v1.sql'))).rejects.toMatchObject({ code: 'config' })
  })

  it('where it has no migration', async () => {
    await expect(load({ 'README.md': '' })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/there is no migration/),
    })
  })
})

describe('what is wrong with any file', () => {
  it('is said of all of them at once', async () => {
    const problems = await problemsOf({
      'v1.sql': 'CREATE TABLE t(a);',
      'v2.ts': 'export const up = 1',
      'v3.sql': sql('SELECT 1;', undefined, '-- depends: v9\n'),
      'v4.sql': sql('SELECT 1;', undefined, '-- depends: v5\n'),
      'v5.sql': sql('SELECT 1;', undefined, '-- depends: v4\n'),
      'v6.sql': sql(''),
      'v6.ts': 'export function up() {}',
      'lockkeeper.json': '{"v7": {}}',
    })
    expect(problems).toEqual([
      expect.stringContaining('v1.sql: it has no line "-- migrate:up"'),
      'v2.ts: it exports no function up(db)',
      'lockkeeper.json: there is no migration v7',
      'version v6 is there twice: v6.sql and v6.ts',
      'v3 depends on v9, which is not there',
      'these depend on each other in a circle: v4 -> v5 -> v4',
    ])
  })

  it('is not said again of those that depend on it', async () => {
    const problems = await problemsOf({ 'v1.sql': '', 'v2.sql': sql('', undefined, '-- depends: v1\n') })
    expect(problems).toEqual([expect.stringContaining('v1.sql: it has no line "-- migrate:up". If files')])
  })

  it('includes characters that are not UTF-8', async () => {
    const latin1 = Buffer.from(sql("INSERT INTO t VALUES ('Jos\xe9');"), 'latin1')
    expect(await problemsOf({ 'v1.sql': latin1 })).toEqual(['v1.sql: line 2 is not UTF-8: save the file as UTF-8'])
  })

  it('includes a folder of that name, which a missing mount leaves', async () => {
    const folder = folderOf({ 'v1.sql': empty })
    mkdirSync(join(folder, 'v2.sql'))
    await expect(loadMigrations(folder)).rejects.toThrow('v2.sql: it is a folder, not a file')
  })

  it('includes a link that leads nowhere', async () => {
    const folder = folderOf({ 'v1.sql': empty })
    symlinkSync('..data/v2.sql', join(folder, 'v2.sql'))
    await expect(loadMigrations(folder)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/v2\.sql: ENOENT/),
    })
  })

  it('includes a pipe, which nobody would ever read to the end', async () => {
    const folder = folderOf({ 'v1.sql': empty })
    execFileSync('mkfifo', [join(folder, 'v2.sql')])
    await expect(loadMigrations(folder)).rejects.toThrow('v2.sql: it is not a regular file')
  })
})

describe('lockkeeper.json beside the files', () => {
  it('says what they cannot say themselves', async () => {
    const migrations = await load({
      'v1.sql': empty,
      'v2.sql': sql('', undefined, '-- description: file\n-- allow-row-loss: a\n'),
      'lockkeeper.json': `\uFEFF${JSON.stringify({
        v2: { description: 'json', depends: ['v1'], 'allow-row-loss': ['b'], transaction: false },
      })}`,
    })
    expect(migrations[0]).toMatchObject({ description: '', dependencies: [], directives: { transaction: true } })
    expect(migrations[1]).toMatchObject({
      description: 'json',
      dependencies: ['v1'],
      directives: { allowRowLoss: ['a', 'b'], transaction: false, foreignKeys: false, compatible: false },
    })
  })

  it('is refused with what is wrong with it', async () => {
    expect(await problemsOf({ 'v1.sql': empty, 'lockkeeper.json': '{"v1": {"allow_row_loss": "t"}}' })).toEqual([
      'lockkeeper.json: "v1" has an unknown directive "allow_row_loss"; did you mean "allow-row-loss"?',
    ])
    expect(await problemsOf({ 'v1.sql': empty, 'lockkeeper.json': '{"v1": ' })).toEqual([
      expect.stringMatching(/^lockkeeper\.json: .*JSON/),
    ])
  })
})
