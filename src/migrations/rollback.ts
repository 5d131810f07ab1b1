/** What has to run, and in which order, to take migrations back. */
import { LockkeeperError } from '../errors.ts'
import type { Runnable } from './apply.ts'
import type { MigrationRow } from './bookkeeping.ts'
import type { Directives, Migration } from './model.ts'
import { compareVersions } from './order.ts'

/** This one, everything after this one, or so many. */
export type RollbackTarget = { readonly version: string } | { readonly to: string } | { readonly steps: number }

export interface Down {
  readonly row: MigrationRow
  readonly runnable: Runnable
  readonly directives: Pick<Directives, 'foreignKeys' | 'transaction'>
}

/**
 * The downs, the newest first. The file's down is used where the file is there, or else the one that was stored with the row.
 * @throws LockkeeperError `missing` for a version that is not applied, `invalid` when others depend on it or when there
 * is no way down: by name.
 */
export function downsOf(
  rows: readonly MigrationRow[],
  migrations: readonly Migration[],
  target: RollbackTarget,
): readonly Down[] {
  const order = new Map(migrations.map(({ version }, position) => [version, position]))
  const place = (version: string) => order.get(version) ?? migrations.length
  const applied = rows
    .filter(row => row.status === 'applied')
    .toSorted((a, b) => place(a.version) - place(b.version) || compareVersions(a.version, b.version))
  const chosen = choose(applied, target).toReversed()
  refuseDependants(applied, chosen, migrations)
  return chosen.map(row => downOf(row, migrations))
}

function choose(applied: readonly MigrationRow[], target: RollbackTarget): readonly MigrationRow[] {
  if ('steps' in target) {
    if (target.steps <= applied.length) return applied.slice(applied.length - target.steps)
    throw new LockkeeperError(
      'missing',
      `${target.steps} steps back are asked for, but only ${applied.length} migrations are applied`,
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

function downOf(row: MigrationRow, migrations: readonly Migration[]): Down {
  const { version } = row
  const migration = migrations.find(candidate => candidate.version === version)
  const { transaction = true, foreignKeys = false } = migration?.directives ?? stored(row)
  const directives = { transaction, foreignKeys }
  if (migration?.down !== undefined)
    return {
      row,
      directives,
      runnable: { version, file: migration.file, script: migration.down, inTransaction: transaction },
    }
  if (row.down_sql !== null) {
    const script = { kind: 'sql', sql: row.down_sql, line: 1 } as const
    return {
      row,
      directives,
      runnable: { version, file: `stored down of ${version}`, script, inTransaction: transaction },
    }
  }
  throw new LockkeeperError('invalid', `${version} has no down: neither its file nor the database has one`, {
    hint: 'Nothing was touched. The backup that was made before it brings the old state back: lockkeeper backups, then lockkeeper restore --id.',
    details: { version },
  })
}

function stored({
  directives_json,
}: MigrationRow): Partial<Directives> & { readonly dependencies?: readonly string[] } {
  return directives_json === null ? {} : JSON.parse(directives_json)
}
