/** What has to run, and in which order, to take migrations back. */
import { LockkeeperError } from '../errors.ts'
import { fileOf, type Runnable } from './apply.ts'
import type { EventRow, MigrationRow } from './bookkeeping.ts'
import type { Directives, Migration, Script } from './model.ts'
import { compareVersions } from './order.ts'
import { progressOf } from './progress.ts'
import { refuseOtherBeginning, refuseTransaction } from './resume.ts'
import { split } from './split.ts'

/** This one, everything after this one, so many, or these. */
export type RollbackTarget =
  | { readonly version: string }
  | { readonly to: string }
  | { readonly steps: number }
  | { readonly versions: readonly string[] }

/** The backup that was made before a migration was applied, by version. @param events the newest first */
export function backupsBefore(events: readonly EventRow[]): ReadonlyMap<string, string> {
  const backups = new Map<string, string>()
  for (const { action, backup_id, outcome, versions_json } of events) {
    if (action !== 'migrate' || outcome !== 'ok' || backup_id === null) continue
    for (const version of JSON.parse(versions_json) as string[])
      if (!backups.has(version)) backups.set(version, backup_id)
  }
  return backups
}

export interface Down {
  readonly row: MigrationRow
  readonly runnable: Runnable
  readonly directives: Pick<Directives, 'doubleQuotedStrings' | 'foreignKeys' | 'transaction'>
}

/**
 * The downs, the newest first. The file's down is used where the file is there, or else the one that was stored with the row.
 * @param backups see `backupsBefore`; what can be done where there is no way down
 * @throws LockkeeperError `usage` for a number of steps that is none, `missing` for a version that is not applied,
 * `invalid` when others depend on it or when there is no way down: by name.
 */
export function downsOf(
  rows: readonly MigrationRow[],
  migrations: readonly Migration[],
  target: RollbackTarget,
  backups: ReadonlyMap<string, string> = new Map(),
): readonly Down[] {
  const applied = inOrder(
    rows.filter(row => row.status === 'applied'),
    migrations,
  )
  const chosen = choose(applied, target).toReversed()
  refuseDependants(applied, chosen, migrations)
  return chosen.map(row => downOf(row, migrations, backups.get(row.version)))
}

/** By the order of the files; one without a file stands before the first file of a higher version. */
function inOrder(applied: readonly MigrationRow[], migrations: readonly Migration[]): readonly MigrationRow[] {
  const order = new Map(migrations.map(({ version }, position) => [version, position]))
  const between = (version: string) => {
    const next = migrations.findIndex(migration => compareVersions(migration.version, version) > 0)
    return (next === -1 ? migrations.length : next) - 0.5
  }
  const places = new Map(applied.map(({ version }) => [version, order.get(version) ?? between(version)]))
  return applied.toSorted(
    (a, b) => places.get(a.version)! - places.get(b.version)! || compareVersions(a.version, b.version),
  )
}

function choose(applied: readonly MigrationRow[], target: RollbackTarget): readonly MigrationRow[] {
  if ('versions' in target) return applied.filter(row => target.versions.includes(row.version))
  if ('steps' in target) {
    if (!Number.isInteger(target.steps) || target.steps < 1)
      throw new LockkeeperError('usage', `${target.steps} is no number of steps to go back`, {
        hint: 'Give a whole number from 1.',
      })
    if (target.steps <= applied.length) return applied.slice(applied.length - target.steps)
    throw new LockkeeperError(
      'missing',
      `${target.steps} steps back are asked for, but only ${applied.length} ${applied.length === 1 ? 'migration is' : 'migrations are'} applied`,
      { hint: 'lockkeeper status shows where the database is.' },
    )
  }
  const wanted = 'version' in target ? target.version : target.to
  const at = applied.findIndex(row => row.version === wanted)
  if (at === -1)
    throw new LockkeeperError('missing', `${wanted} is not applied`, {
      hint: `Applied are: ${applied.map(row => row.version).join(', ') || 'none'}.`,
    })
  return 'version' in target ? applied.slice(at, at + 1) : applied.slice(at + 1)
}

function refuseDependants(
  applied: readonly MigrationRow[],
  chosen: readonly MigrationRow[],
  migrations: readonly Migration[],
): void {
  const going = new Set(chosen.map(row => row.version))
  const problems: string[] = []
  for (const row of applied) {
    if (going.has(row.version)) continue
    const needed = dependenciesOf(row, migrations).filter(version => going.has(version))
    for (const version of needed) problems.push(`${row.version} depends on ${version}`)
  }
  if (problems.length === 0) return
  const first = chosen.at(-1)?.version
  throw new LockkeeperError(
    'invalid',
    `other applied migrations depend on what is to go:\n  ${problems.join('\n  ')}`,
    {
      hint: `Nothing was touched. Take those back first, or everything down to a level with --to (the one before ${first}).`,
      details: { problems },
    },
  )
}

function dependenciesOf(row: MigrationRow, migrations: readonly Migration[]): readonly string[] {
  const known = migrations.find(({ version }) => version === row.version)
  return known?.dependencies ?? stored(row).dependencies ?? []
}

function downOf(row: MigrationRow, migrations: readonly Migration[], backup: string | undefined): Down {
  const { version } = row
  const migration = migrations.find(candidate => candidate.version === version)
  const { transaction = true, foreignKeys = false, doubleQuotedStrings = false } = migration?.directives ?? stored(row)
  const down = (file: string, script: Script): Down => {
    const progress = progressOf(row)
    if (progress !== undefined) {
      refuseOtherBeginning(`the down of ${version}`, script, progress)
      refuseTransaction(`the down of ${version}`, transaction, progress)
    }
    return {
      row,
      directives: { transaction, foreignKeys, doubleQuotedStrings },
      runnable: { version, file, script, inTransaction: transaction },
    }
  }
  if (migration?.down !== undefined && undoes(migration.down, migration.up))
    return down(fileOf(migration, migration.down), migration.down)
  const kept = row.down_sql === null ? undefined : ({ kind: 'sql', sql: row.down_sql, line: 1 } as const)
  if (kept !== undefined && undoes(kept)) return down(`stored down of ${version}`, kept)
  const empty = migration?.down !== undefined || kept !== undefined
  throw new LockkeeperError(
    'invalid',
    `${version} has no down: ${empty ? 'it is empty' : 'neither its file nor the database has one'}`,
    {
      hint: `Nothing was touched. ${instead(backup)}${empty ? ' If there is nothing to undo, its down may say so: SELECT 1;' : ''}`,
      details: { version, backup: backup ?? null },
    },
  )
}

function instead(backup: string | undefined): string {
  return backup === undefined
    ? 'No backup is known that was made before it: look through lockkeeper backups, then lockkeeper restore --id.'
    : `The backup that was made before it brings the old state back: lockkeeper restore --id ${backup}.`
}

/** Tools write an empty down into each new file; to run it would take back nothing and record that it did. */
export function undoes(down: Script, up?: Script): boolean {
  return down.kind === 'module' || !isEmpty(down) || (up !== undefined && isEmpty(up))
}

function isEmpty(script: Script): boolean {
  return script.kind === 'sql' && split(script.sql).next().done === true
}

/** What was stored of the directives of a migration when it was applied. @throws LockkeeperError `invalid` when it cannot be read */
export function stored({
  version,
  directives_json,
}: MigrationRow): Partial<Directives> & { readonly dependencies?: readonly string[] } {
  if (directives_json === null) return {}
  try {
    return JSON.parse(directives_json)
  } catch (error) {
    throw new LockkeeperError('invalid', `what was stored of the directives of ${version} cannot be read`, {
      hint: 'Somebody has changed the bookkeeping. Nothing was touched: go back with an image that has its file.',
      cause: error,
      details: { version },
    })
  }
}
