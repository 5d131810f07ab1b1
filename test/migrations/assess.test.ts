import { describe, expect, it } from 'vitest'
import { assess, levelOf, pendingOf } from '../../src/migrations/assess.ts'
import {
  appliedRow,
  createBookkeeping,
  type MigrationRow,
  readBookkeeping,
  recordMigration,
  recordProgress,
  type Status,
} from '../../src/migrations/bookkeeping.ts'
import type { Migration } from '../../src/migrations/model.ts'
import { orderMigrations } from '../../src/migrations/order.ts'
import { memory, refusalOf } from './database.ts'
import { migration, versionsOf } from './migration.ts'

const list = (...versions: string[]) => versions.map(version => migration(version))

async function database(rows: readonly (Migration | readonly [Migration, Status])[], sql = '') {
  const db = await memory(sql)
  await createBookkeeping(db, 'schema_migrations')
  for (const each of rows) {
    const [one, status] = 'version' in each ? [each, 'applied' as const] : each
    const row: MigrationRow = { ...appliedRow(one, new Date(), 1), status }
    await recordMigration(db, 'schema_migrations', row)
  }
  return db
}

async function pending(
  applied: readonly (Migration | readonly [Migration, Status])[],
  folder: readonly Migration[],
  options: { outOfOrder?: 'fail' | 'allow'; to?: string } = {},
) {
  const assessment = await assess(await database(applied), folder)
  return versionsOf(pendingOf(assessment, folder, { outOfOrder: 'fail', ...options }))
}

describe('a database is', () => {
  const folder = list('v1', 'v2')

  it('empty without an object, and with nothing but the record of an install that failed', async () => {
    expect(await assess(await memory(), folder)).toMatchObject({
      kind: 'empty',
      level: null,
      applied: [],
      pending: folder,
    })
    expect(await assess(await database([[folder[0]!, 'failed']]), folder)).toMatchObject({
      kind: 'empty',
      pending: folder,
    })
  })

  it.each([
    'CREATE TABLE t(a)',
    'CREATE VIEW v AS SELECT 1',
    'CREATE TABLE schema_migrations(version)',
    'CREATE TABLE schema_migrations_2(a)',
  ])('unmanaged with something in it that is not ours: %s', async sql => {
    expect(await assess(await memory(sql), folder)).toMatchObject({ kind: 'unmanaged', level: null, pending: folder })
  })

  it('managed with the record of a failure beside tables, as of a sidecar', async () => {
    expect(await assess(await database([[folder[0]!, 'failed']], 'CREATE TABLE t(a)'), folder)).toMatchObject({
      kind: 'managed',
      level: null,
      pending: folder,
    })
  })

  it('managed once something was applied, even if it was all taken back', async () => {
    expect(await assess(await database([folder[0]!]), folder)).toMatchObject({
      kind: 'managed',
      level: 'v1',
      applied: [{ version: 'v1' }],
      pending: [{ version: 'v2' }],
    })
    expect(await assess(await database([[folder[0]!, 'rolled_back']]), folder)).toMatchObject({
      kind: 'managed',
      level: null,
      pending: folder,
    })
  })

  it('managed beside the record of another tool', async () => {
    const db = await memory('CREATE TABLE schema_migrations(version)')
    await createBookkeeping(db, 'lockkeeper_migrations')
    await recordMigration(db, (await readBookkeeping(db)).table, appliedRow(folder[0]!, new Date(), 1))
    expect(await assess(db, folder)).toMatchObject({ kind: 'managed', level: 'v1' })
  })
})

it('the level is the highest version, where numbers count as numbers', () => {
  expect(levelOf(['v2', 'v10', 'v9'])).toBe('v10')
  expect(levelOf([])).toBeNull()
})

describe('pending is', () => {
  it('what is not applied, what failed, and what was taken back', async () => {
    const [v1, v2, v3, v4] = list('v1', 'v2', 'v3', 'v4') as [Migration, Migration, Migration, Migration]
    expect(await pending([v1, [v2, 'failed'], [v3, 'rolled_back']], [v1, v2, v3, v4])).toEqual(['v2', 'v3', 'v4'])
    expect(await pending([v1, v2], [v1, v2])).toEqual([])
  })

  it('no more than up to the version that is asked for', async () => {
    const folder = list('v1', 'v2', 'v3')
    expect(await pending([], folder, { to: 'v2' })).toEqual(['v1', 'v2'])
    expect(await pending(folder.slice(0, 2), folder, { to: 'v1' })).toEqual([])
  })

  it('an error with an unknown version', async () => {
    const folder = list('v1', 'v2')
    const error = await refusalOf(pending([], folder, { to: 'v9' }))
    expect(error).toMatchObject({ code: 'missing', hint: 'Known are: v1, v2.' })
  })

  it('in the order of dependencies, and not late when a higher version had to come first', async () => {
    const { migrations } = orderMigrations([...list('v1', 'v3'), migration('v2', { dependencies: ['v3'] })])
    expect(versionsOf(migrations)).toEqual(['v1', 'v3', 'v2'])
    expect(await pending(migrations.slice(0, 2), migrations)).toEqual(['v2'])
  })
})

describe('a history that does not fit is refused:', () => {
  const folder = list('v1', 'v2', 'v3')

  it('an applied file that was edited', async () => {
    const error = await refusalOf(pending([migration('v1', { checksum: 'a'.repeat(64) })], folder))
    expect(error.code).toBe('invalid')
    expect(error.details['problems']).toEqual([
      expect.stringMatching(
        /^v1 was edited after it was applied at .*: its checksum is checksum of , applied was aaaaaaaaaaaa \(v1\.sql\)$/,
      ),
    ])
  })

  it('but not one that was edited after it failed or was taken back', async () => {
    const edited = migration('v1', { checksum: 'other' })
    expect(await pending([[edited, 'failed']], folder)).toEqual(['v1', 'v2', 'v3'])
    expect(await pending([[edited, 'rolled_back']], folder)).toEqual(['v1', 'v2', 'v3'])
  })

  it('an applied file that is gone', async () => {
    const error = await refusalOf(pending([...folder.slice(0, 1), migration('v2_other')], folder))
    expect(error.details['problems']).toContain('v2_other is applied, but its file is gone')
  })

  it('a pending file that comes before an applied one, unless that is allowed', async () => {
    const applied = [folder[0]!, folder[2]!]
    const error = await refusalOf(pending(applied, folder))
    expect(error).toMatchObject({ code: 'invalid', hint: expect.stringContaining('--out-of-order allow') })
    expect(error.details['problems']).toEqual(['v2 is pending, but v3, which comes after it, is applied'])
    expect(await pending(applied, folder, { outOfOrder: 'allow' })).toEqual(['v2'])
  })

  it('a migration that is half taken back', async () => {
    const db = await database(folder)
    const progress = {
      direction: 'down',
      begunAt: 'then',
      backup: null,
      done: 2,
      prefix: '',
      rows: {},
      counters: {},
      sound: true,
    } as const
    await recordProgress(db, 'schema_migrations', 'v2', progress)
    const error = await refusalOf(assess(db, folder).then(seen => pendingOf(seen, folder, { outOfOrder: 'fail' })))
    expect(error.details['problems']).toEqual([
      'v2 is half taken back: its down, begun at then, was stopped after 2 statements. Finish that first: lockkeeper rollback --version v2',
    ])
  })

  it('all of it in one message', async () => {
    const applied = [migration('v1', { checksum: 'other' }), migration('v2_gone'), folder[2]!]
    const error = await refusalOf(pending(applied, folder))
    expect(error.details['problems']).toHaveLength(3)
    for (const problem of error.details['problems'] as string[]) expect(error.message).toContain(problem)
  })

  it('a database that is ahead of the folder', async () => {
    const error = await refusalOf(pending(list('v1', 'v2', 'v10', 'v11'), list('v1', 'v2')))
    expect(error).toMatchObject({
      code: 'newer',
      message: 'the database is at v11; this image knows migrations up to v2',
      hint: expect.stringMatching(/v10, v11.*rollback --to v2/),
      details: { level: 'v11', highest: 'v2', unknown: ['v10', 'v11'] },
    })
  })
})

it('5,000 migrations are assessed in a moment', async () => {
  const folder = Array.from({ length: 5_000 }, (_, n) => migration(`v${n}`))
  const assessment = await assess(await database(folder.slice(0, 4_000)), folder)
  const before = performance.now()
  expect(pendingOf(assessment, folder, { outOfOrder: 'fail', to: 'v4999' })).toHaveLength(1_000)
  expect(performance.now() - before).toBeLessThan(1_000)
})
