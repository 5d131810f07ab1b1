import { describe, expect, it } from 'vitest'
import { appliedRow, type MigrationRow } from '../../src/migrations/bookkeeping.ts'
import type { Migration } from '../../src/migrations/model.ts'
import { type Down, downsOf, type RollbackTarget } from '../../src/migrations/rollback.ts'
import { refusalOf } from './database.ts'
import { migration } from './migration.ts'

const withDown = (version: string, ...dependencies: string[]): Migration =>
  migration(version, { up: 'SELECT 0', down: `SELECT '${version}'`, dependencies })
const folder = ['v1', 'v2', 'v3', 'v10'].map(version => withDown(version))
const rowsOf = (list: readonly Migration[]): MigrationRow[] => list.map(each => appliedRow(each, new Date(), 1))

function downs(target: RollbackTarget, known: readonly Migration[] = folder, rows = rowsOf(folder)): readonly Down[] {
  return downsOf(rows, known, target)
}
const versions = (list: readonly Down[]) => list.map(({ row }) => row.version)
const refusal = (...given: Parameters<typeof downs>) => refusalOf((async () => downs(...given))())

describe('what goes back', () => {
  it('is so many steps, the newest first', () => {
    expect(versions(downs({ steps: 2 }))).toEqual(['v10', 'v3'])
  })

  it('is everything after a version', () => {
    expect(versions(downs({ to: 'v2' }))).toEqual(['v10', 'v3'])
    expect(versions(downs({ to: 'v10' }))).toEqual([])
  })

  it('is one version in the middle, if nothing depends on it', () => {
    expect(versions(downs({ version: 'v2' }))).toEqual(['v2'])
  })

  it('is only what is applied', () => {
    const rows = rowsOf(folder).map(row => (row.version === 'v10' ? { ...row, status: 'rolled_back' as const } : row))
    expect(versions(downs({ steps: 1 }, folder, rows))).toEqual(['v3'])
  })

  it('is in the order in which the files run, which dependencies may change', () => {
    const list = [withDown('v1'), withDown('v3'), withDown('v2', 'v3')]
    expect(versions(downs({ steps: 2 }, list, rowsOf(list)))).toEqual(['v2', 'v3'])
  })

  it('counts one whose file is gone where its version belongs', () => {
    const known = folder.filter(({ version }) => version !== 'v2')
    expect(versions(downs({ steps: 3 }, known))).toEqual(['v10', 'v3', 'v2'])
    expect(versions(downs({ steps: 2 }, folder.slice(0, 2)))).toEqual(['v10', 'v3'])
  })
})

describe('a down comes', () => {
  it('from the file', () => {
    expect(downs({ steps: 1 })[0]).toMatchObject({
      runnable: {
        version: 'v10',
        file: 'v10.sql',
        script: { kind: 'sql', sql: "SELECT 'v10'" },
        inTransaction: true,
      },
      directives: { transaction: true, foreignKeys: false },
    })
  })

  it('from the database, with what was asked for then, where the file is gone', () => {
    const gone = migration('v11', { down: 'VACUUM', directives: { transaction: false, foreignKeys: true } })
    expect(downs({ steps: 1 }, folder, rowsOf([...folder, gone]))[0]).toMatchObject({
      runnable: { file: 'stored down of v11', script: { sql: 'VACUUM', line: 1 }, inTransaction: false },
      directives: { transaction: false, foreignKeys: true },
    })
  })

  it('from the database where the file has none any more', () => {
    const known = [...folder.slice(0, 3), migration('v10')]
    expect(downs({ steps: 1 }, known)[0]?.runnable).toMatchObject({ file: 'stored down of v10' })
  })

  it('from the file also where it is empty, if the up is as well', () => {
    const known = [...folder.slice(0, 3), migration('v10', { up: '-- nothing', down: '-- nothing' })]
    expect(downs({ steps: 1 }, known)[0]?.runnable).toMatchObject({ file: 'v10.sql' })
  })

  it('from the database where that of the file has nothing in it', () => {
    const known = [...folder.slice(0, 3), migration('v10', { up: 'SELECT 0', down: '\n-- not yet\n;' })]
    expect(downs({ steps: 1 }, known)[0]?.runnable).toMatchObject({ file: 'stored down of v10' })
  })

  it('from nowhere where both have nothing in them: refused, since it would take back nothing', async () => {
    const empty = migration('v11', { up: 'SELECT 0', down: '-- migrate:down\n' })
    for (const known of [[...folder, empty], folder]) {
      const error = await refusal({ steps: 1 }, known, rowsOf([...folder, empty]))
      expect(error).toMatchObject({
        code: 'invalid',
        message: 'v11 has no down: it is empty',
        hint: expect.stringMatching(/SELECT 1;/),
      })
    }
  })

  it('from a module', () => {
    const call = { url: 'file:///v10.ts', function: 'down' } as const
    const known = [...folder.slice(0, 3), { ...migration('v10'), down: { kind: 'module', call } as const }]
    expect(downs({ steps: 1 }, known)[0]?.runnable.script).toEqual({ kind: 'module', call })
  })

  it('from nowhere: refused, with the backup as the other way', async () => {
    const none = migration('v11')
    const error = await refusal({ steps: 1 }, [...folder, none], rowsOf([...folder, none]))
    expect(error).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('v11 has no down'),
      hint: expect.stringContaining('lockkeeper restore --id'),
    })
  })
})

describe('refused is', () => {
  it('what others depend on, by name', async () => {
    const list = [withDown('v1'), withDown('v2', 'v1'), withDown('v3', 'v1', 'v2')]
    const error = await refusal({ version: 'v1' }, list, rowsOf(list))
    expect(error).toMatchObject({ code: 'invalid', details: { problems: ['v2 depends on v1', 'v3 depends on v1'] } })
  })

  it('also by what was stored, where the file is gone', async () => {
    const rows = rowsOf([...folder, withDown('v11', 'v2')])
    const error = await refusal({ version: 'v2' }, folder, rows)
    expect(error.details['problems']).toEqual(['v11 depends on v2'])
  })

  it('not where they go as well, nor where they are not applied', () => {
    const list = [withDown('v1'), withDown('v2', 'v1'), withDown('v3', 'v2')]
    expect(versions(downs({ to: 'v1' }, list, rowsOf(list)))).toEqual(['v3', 'v2'])
    expect(versions(downs({ version: 'v2' }, list, rowsOf(list.slice(0, 2))))).toEqual(['v2'])
  })

  it('a version that is not applied', async () => {
    expect(await refusal({ version: 'v4' })).toMatchObject({ code: 'missing', hint: 'Applied are: v1, v2, v3, v10.' })
    expect(await refusal({ to: 'v4' })).toMatchObject({ code: 'missing' })
    expect(await refusal({ to: 'v1' }, folder, [])).toMatchObject({ hint: 'Applied are: none.' })
  })

  it('more steps than there are', async () => {
    expect(await refusal({ steps: 5 })).toMatchObject({
      code: 'missing',
      message: expect.stringMatching(/only 4 migrations are applied/),
    })
    expect(await refusal({ steps: 2 }, folder, rowsOf(folder.slice(0, 1)))).toMatchObject({
      message: expect.stringContaining('only 1 migration is applied'),
    })
  })

  it.each([0, -1, 1.5, Number.NaN])('a number of steps that is none: %s', async steps => {
    expect(await refusal({ steps })).toMatchObject({ code: 'usage' })
  })

  it('a record that somebody has broken', async () => {
    const rows = rowsOf([migration('v11', { down: 'SELECT 1' })]).map(row => ({ ...row, directives_json: '{' }))
    expect(await refusal({ steps: 1 }, folder, rows)).toMatchObject({ code: 'invalid', details: { version: 'v11' } })
  })
})
