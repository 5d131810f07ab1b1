/** Taking migrations back: the same steps and guards as a deploy, with the downs. */

import type { Connection } from '../database/connection.ts'
import { viewDatabase } from '../database/view.ts'
import { LockkeeperError } from '../errors.ts'
import { assess, levelOf } from '../migrations/assess.ts'
import { appliedVersions, type MigrationRow, readEvents } from '../migrations/bookkeeping.ts'
import { expectedSchema, takeDoubleQuotes } from '../migrations/expected.ts'
import type { Migration } from '../migrations/model.ts'
import { progressOf, withoutProgress } from '../migrations/progress.ts'
import { backupsBefore, type Down, downsOf, type RollbackTarget } from '../migrations/rollback.ts'
import { locate } from './locate.ts'
import { unchanged } from './look.ts'
import type { Change } from './model.ts'
import type { ChangeResult, MigrationOptions } from './options.ts'
import { carryOut } from './outcome.ts'
import type { OwnRows } from './own-rows.ts'
import { readMigrations } from './read.ts'
import { explainingFull } from './room.ts'
import { repositoryOf, wayBack } from './save.ts'
import { take } from './take.ts'

export interface RollbackOptions extends MigrationOptions {
  readonly target: RollbackTarget
  /** Let the downs delete rows. */
  readonly allowRowLoss: boolean
}

/** @throws LockkeeperError as `deploy`, and as `downsOf` */
export async function rollBack(given: RollbackOptions): Promise<ChangeResult> {
  const options = { ...given, database: await locate(given) }
  const migrations = await readMigrations(options)
  const { assessment, downs: needed } = await lookEarly(options, migrations)
  if (needed.length === 0) return unchanged(options, { ...nothing, assessment })
  repositoryOf(options)
  let doubleQuotedStrings = takeDoubleQuotes(needed)
  for (;;) {
    const { db, confirm } = await take(options, { create: false, doubleQuotedStrings })
    try {
      const now = await assess(db, migrations)
      const { bookkeeping, level } = now
      const downs = downsOf(bookkeeping.rows, migrations, options.target)
      // Another job may have done it while this one waited.
      if (downs.length === 0) return unchanged(options, { ...nothing, assessment: now })
      if (takeDoubleQuotes(downs) === doubleQuotedStrings) {
        const backup = await wayBack(db, options, 'pre-migration')
        await confirm()
        const applied = appliedVersions(bookkeeping.rows)
        const changes = planBack(migrations, applied, downs, options)
        const { table } = bookkeeping
        const undertaking = { confirm, table, from: level, backup, warnings: [], adopted: [], changes }
        return await explainingFull(options, () => carryOut(db, options, undertaking))
      }
      // Others are to be taken back than before the wait. It can only be said when a database is opened.
      doubleQuotedStrings = takeDoubleQuotes(downs)
    } finally {
      await db.close()
    }
  }
}

const nothing = { pending: [], takeBack: [], warnings: [] }

/** What is wrong with the request is said before anybody is locked out. */
export async function lookEarly(options: RollbackOptions, migrations: readonly Migration[]) {
  const { database, target, viewInProcess = false } = options
  const look = async (connection: Connection) => ({
    assessment: await assess(connection, migrations),
    backups: backupsBefore(await readEvents(connection)),
  })
  const viewed = await viewDatabase(database, look, { inProcess: viewInProcess })
  if (!('value' in viewed))
    throw new LockkeeperError('missing', `there is no database at ${database}`, {
      hint: 'Is DATABASE_URL right, and the volume mounted? lockkeeper restore --latest brings a lost one back.',
    })
  const { assessment, backups } = viewed.value
  return { assessment, downs: downsOf(assessment.bookkeeping.rows, migrations, target, backups) }
}

/** All downs that can share a transaction do, as changes; what the remaining migrations describe is what is left. */
export async function* planBack(
  migrations: readonly Migration[],
  applied: ReadonlySet<string>,
  downs: readonly Down[],
  { allowRowLoss, signal }: Pick<RollbackOptions, 'allowRowLoss' | 'signal'>,
): AsyncGenerator<Change> {
  const left = new Set(applied)
  const known = new Set(migrations.map(({ version }) => version))
  const groups = groupsOf(downs)
  for (const group of groups) {
    const fromLevel = levelOf(left)
    for (const { row } of group) left.delete(row.version)
    const described = migrations.filter(({ version }) => left.has(version))
    // What a newer image has done and is taken back only by a later group, no file here describes.
    const isBetween = group !== groups.at(-1) && [...left].some(version => !known.has(version))
    yield {
      action: 'rollback',
      steps: group.map(({ row, runnable }) => ({
        runnable,
        allowRowLoss: allowRowLoss ? 'any' : [],
        record: () => takenBack(row),
        progress: progressOf(row),
        own: ownRowsOf(row),
      })),
      transaction: group[0]?.directives.transaction ?? true,
      foreignKeys: group[0]?.directives.foreignKeys ?? false,
      expected: async () => (isBetween ? undefined : expectedSchema(described, { signal })),
      fromLevel,
      toLevel: levelOf(left),
    }
  }
}

function ownRowsOf({ metadata_json }: MigrationRow): OwnRows | undefined {
  return (JSON.parse(metadata_json ?? '{}') as { readonly own?: OwnRows }).own
}

function takenBack(row: MigrationRow): MigrationRow {
  const metadata_json = withoutProgress(row.metadata_json)
  return { ...row, metadata_json, status: 'rolled_back', rollback_applied: 1, rollback_at: new Date().toISOString() }
}

function groupsOf(downs: readonly Down[]): Down[][] {
  const groups: Down[][] = []
  for (const down of downs) {
    const last = groups.at(-1)
    const before = last?.[0]?.directives
    const { transaction, foreignKeys } = down.directives
    if (last !== undefined && transaction && before?.transaction === true && before.foreignKeys === foreignKeys)
      last.push(down)
    else groups.push([down])
  }
  return groups
}
