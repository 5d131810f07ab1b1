/** Where a database stands against a list of migrations: what is applied, what is pending, what does not fit. */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import {
  appliedVersions,
  type Bookkeeping,
  bookkeepingTables,
  type MigrationRow,
  readBookkeeping,
} from './bookkeeping.ts'
import type { Migration } from './model.ts'
import { compareVersions } from './order.ts'
import { progressOf } from './progress.ts'

export interface Assessment {
  /**
   * - `empty`: nothing of an application, so a first install (one that failed before may have left its record)
   * - `unmanaged`: tables, but no record of ours: an ORM or another tool made it
   * - `managed`: ours, if only by the record of an attempt that failed (a sidecar's table beside it takes nothing away)
   */
  readonly kind: 'empty' | 'unmanaged' | 'managed'
  readonly bookkeeping: Bookkeeping
  /** The highest applied version, or null. */
  readonly level: string | null
  /** Applied ones that the folder has, in its order. */
  readonly applied: readonly Migration[]
  readonly pending: readonly Migration[]
}

/**
 * What becomes of a database that a newer image has migrated: `fail`, `allow` (it stays as it is where every newer
 * migration was stored as compatible), `rollback` (they are taken back by their stored downs).
 */
export type NewerPolicy = 'fail' | 'allow' | 'rollback'

export interface AssessOptions {
  /** A pending migration that sorts before an applied one. Default fail. */
  readonly outOfOrder: 'fail' | 'allow'
  /** Leave this version applied as the last one. Default all. */
  readonly to?: string
  /** Default fail. */
  readonly onNewerSchema?: NewerPolicy
}

/** Reads; judges nothing. */
export async function assess(connection: Connection, migrations: readonly Migration[]): Promise<Assessment> {
  const bookkeeping = await readBookkeeping(connection)
  const applied = appliedVersions(bookkeeping.rows)
  const ours = bookkeepingTables(bookkeeping)
  const [others] = await connection.all<{ n: number }>(
    `SELECT count(*) AS n FROM main.sqlite_schema
     WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(tbl_name) NOT IN (${ours.map(() => '?').join(', ')})`,
    ...ours,
  )
  const begun = bookkeeping.succeeded || bookkeeping.rows.some(row => row.status !== 'failed')
  return {
    kind: others?.n === 0 && !begun ? 'empty' : bookkeeping.exists ? 'managed' : 'unmanaged',
    bookkeeping,
    level: levelOf(applied),
    applied: migrations.filter(migration => applied.has(migration.version)),
    pending: migrations.filter(migration => !applied.has(migration.version)),
  }
}

/** The highest of some versions, or null where there is none. */
export function levelOf(versions: Iterable<string>): string | null {
  let highest: string | null = null
  for (const version of versions) if (highest === null || compareVersions(version, highest) > 0) highest = version
  return highest
}

/** What to do about applied ones that are not as they were. */
export const asTheyWere =
  'Applied migrations are never edited, renamed or removed: put the files back as they were and make the change in a new one.'

/**
 * Refuses a history that the folder does not fit, all of it in one message.
 * @param tolerated versions that the folder does not know, and need not
 * @returns what is to be run, cut off at `to`
 * @throws LockkeeperError `newer` when the database is ahead of the folder, `invalid` for edited or missing files and
 * for a wrong order, `missing` for an unknown `to`.
 */
export function pendingOf(
  assessment: Assessment,
  migrations: readonly Migration[],
  { outOfOrder, to }: AssessOptions,
  tolerated: ReadonlySet<string> = new Set(),
): readonly Migration[] {
  refuseNewer(
    rowsBeyond(assessment, migrations).filter(({ version }) => !tolerated.has(version)),
    migrations,
  )
  const pending = cutAt(assessment, migrations, to)
  const problems = [
    ...historyProblems(assessment, migrations, tolerated),
    ...haltProblems(assessment, migrations, tolerated),
  ]
  if (outOfOrder === 'fail') problems.push(...lateOnes(assessment.applied, migrations, pending))
  if (problems.length > 0)
    throw new LockkeeperError('invalid', `the migrations do not fit the database:\n  ${problems.join('\n  ')}`, {
      hint: `${asTheyWere} A pending one that comes late: --out-of-order allow.`,
      details: { problems },
    })
  return pending
}

/** By the order in which migrations run, in which a dependency may put a higher version first. */
export function lateOnes(
  applied: readonly Migration[],
  migrations: readonly Migration[],
  pending: readonly Migration[],
): readonly string[] {
  const last = applied.at(-1)
  if (last === undefined) return []
  const before = new Set(migrations.slice(0, migrations.indexOf(last)))
  return pending
    .filter(migration => before.has(migration))
    .map(({ version }) => `${version} is pending, but ${last.version}, which comes after it, is applied`)
}

/** Applied ones whose files were edited or are gone: a sentence each. @param tolerated versions that are not looked at */
export function* historyProblems(
  assessment: Pick<Assessment, 'bookkeeping'>,
  migrations: readonly Migration[],
  tolerated: ReadonlySet<string>,
): Generator<string> {
  const known = new Map(migrations.map(migration => [migration.version, migration]))
  for (const row of assessment.bookkeeping.rows) {
    if (row.status !== 'applied' || tolerated.has(row.version)) continue
    const migration = known.get(row.version)
    if (migration === undefined) yield `${row.version} is applied, but its file is gone`
    else if (migration.checksum !== row.checksum)
      yield `${row.version} was edited after it was applied at ${row.applied_at}: its checksum is ${short(migration.checksum)}, applied was ${short(row.checksum)} (${migration.file})`
  }
}

/** One that is half taken back is neither applied nor gone; one that is half applied and has no file cannot be ended. */
function* haltProblems(
  { bookkeeping }: Assessment,
  migrations: readonly Migration[],
  tolerated: ReadonlySet<string>,
): Generator<string> {
  const known = new Set(migrations.map(({ version }) => version))
  for (const row of bookkeeping.rows) {
    const progress = progressOf(row)
    const { version } = row
    if (progress === undefined || tolerated.has(version)) continue
    const { backup, begunAt, direction, done } = progress
    if (direction === 'down')
      yield `${version} is half taken back: its down, begun at ${begunAt}, was stopped after ${done} statements. Finish that first: lockkeeper rollback --version ${version}`
    else if (done > 0 && !known.has(version)) {
      const back = backup === null ? '' : `, or go back: lockkeeper restore --id ${backup}`
      yield `${version}, begun at ${begunAt}, was stopped after ${done} statements, which are committed, and its file is gone. Put it back${back}`
    }
  }
}

/**
 * The rows of what a newer image has done: applied or begun, and above everything that the folder has; in their order.
 * An unknown one below its highest is a history that does not fit.
 */
export function rowsBeyond(
  assessment: Pick<Assessment, 'bookkeeping'>,
  migrations: readonly Migration[],
): readonly MigrationRow[] {
  return rowsAbove(assessment, levelOf(migrations.map(migration => migration.version)))
}

/** The same above a version; none where there is none. */
export function rowsAbove(
  { bookkeeping }: Pick<Assessment, 'bookkeeping'>,
  highest: string | null,
): readonly MigrationRow[] {
  if (highest === null) return []
  const isThere = (row: MigrationRow) => row.status === 'applied' || progressOf(row) !== undefined
  return bookkeeping.rows
    .filter(row => isThere(row) && compareVersions(row.version, highest) > 0)
    .toSorted((a, b) => compareVersions(a.version, b.version))
}

function refuseNewer(beyond: readonly MigrationRow[], migrations: readonly Migration[]): void {
  const [first] = beyond
  if (first === undefined) return
  const highest = levelOf(migrations.map(migration => migration.version))
  const unknown = beyond.map(({ version }) => version)
  throw new LockkeeperError(
    'newer',
    `the database is at ${unknown.at(-1)}; this image knows migrations up to ${highest}`,
    {
      hint: `Deploy the image that has ${unknown.join(', ')}, or go back first: lockkeeper rollback --to ${highest}.`,
      details: { level: unknown.at(-1), highest, unknown },
    },
  )
}

function cutAt(assessment: Assessment, migrations: readonly Migration[], to: string | undefined): readonly Migration[] {
  if (to === undefined) return assessment.pending
  const last = migrations.findIndex(migration => migration.version === to)
  if (last === -1)
    throw new LockkeeperError('missing', `there is no migration ${to}`, {
      hint: `Known are: ${migrations.map(migration => migration.version).join(', ')}.`,
    })
  const wanted = new Set(migrations.slice(0, last + 1))
  return assessment.pending.filter(migration => wanted.has(migration))
}

function short(checksum: string): string {
  return checksum.slice(0, 12)
}
