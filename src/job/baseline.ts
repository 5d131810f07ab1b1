/**
 * `baseline`: takes over a database that something else made. What its schema has already is recorded as applied, after a
 * backup and under the lock, and nothing is run.
 */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { type Adoptable, findLevel, readUnmanaged, takeoverLevel } from '../migrations/adoption.ts'
import type { Migration } from '../migrations/model.ts'
import { readSchema, type Schema } from '../schema/read.ts'
import { noteAdoption } from './adopt.ts'
import { locate } from './locate.ts'
import { type Look, look, lookFirst, unchanged } from './look.ts'
import type { ChangeResult, MigrationOptions } from './options.ts'
import { readMigrations } from './read.ts'
import { explainingFull } from './room.ts'
import { repositoryOf } from './save.ts'
import { refuseLostVolume, take, withoutHistory } from './take.ts'
import { takeOver } from './upgrade.ts'

export interface BaselineOptions extends MigrationOptions {
  /** Take it over at this version. Default: the highest whose schema it has, which migrations that only change rows do not tell apart. */
  readonly version?: string
}

/**
 * @throws LockkeeperError `invalid` when its schema equals no level, or not that of the version, or it is managed at
 * another level; `missing` when there is no database, nothing in it, or no such version; and as `deploy`
 */
export async function baseline(given: BaselineOptions): Promise<ChangeResult> {
  const options = { ...given, database: await locate(given), adopt: true, firstInstall: false }
  const migrations = await readMigrations(options)
  const { version } = options
  if (version !== undefined && !migrations.some(migration => migration.version === version))
    throw new LockkeeperError('missing', `there is no migration ${version} in ${options.migrations}`, {
      hint: `There are: ${migrations.map(migration => migration.version).join(', ')}.`,
    })
  const first = await lookFirst(options, migrations)
  if (first.empty) throw nothingThere(options)
  if (first.look?.assessment.kind === 'managed') return managed(options, first.look)
  repositoryOf(options)
  const { db, confirm } = await take(options, { create: false })
  try {
    const now = await look(db, migrations, options, options.signal)
    if (now.assessment.kind === 'managed') return managed(options, now)
    if (now.assessment.kind === 'empty') throw nothingThere(options)
    const adopted = await atVersion(db, options, migrations)
    await refuseLostVolume(options, withoutHistory)
    return await explainingFull(options, () => takeOver({ db, confirm }, options, migrations, now, adopted, []))
  } finally {
    await db.close()
  }
}

/** What it has already, up to the version that was asked for. @throws LockkeeperError `invalid` */
async function atVersion(
  connection: Connection,
  { database, drift, listener, outOfOrder, signal, version }: BaselineOptions,
  migrations: readonly Migration[],
): Promise<readonly Migration[]> {
  const found =
    version === undefined
      ? await takeoverLevel(
          await readUnmanaged(connection, migrations),
          migrations,
          { ignore: drift.ignore, outOfOrder },
          signal,
        )
      : await levelNamed(version)
  noteAdoption(listener, found)
  return found.applied

  async function levelNamed(name: string): Promise<Adoptable> {
    const schema = await readSchema(connection)
    const highest = await findLevel(schema, migrations, drift.ignore, signal)
    const here = await levelUpTo(schema, name)
    // What it has beyond the version may belong to no later migration, or that one would run into it.
    if (here !== undefined && here.extra.length <= highest.extra.length) return here
    const level = highest.applied.at(-1)?.version
    throw new LockkeeperError(
      'invalid',
      `${database} cannot be taken over at ${name}: its schema equals level ${level}`,
      {
        hint: `Nothing was touched. Take it over where it is: lockkeeper baseline --version ${level}`,
        details: { level },
      },
    )
  }

  /** Undefined where its schema is not that of the version. */
  async function levelUpTo(schema: Schema, name: string): Promise<Adoptable | undefined> {
    const upTo = migrations.slice(0, migrations.findIndex(migration => migration.version === name) + 1)
    try {
      const found = await findLevel(schema, upTo, drift.ignore, signal)
      return found.applied.at(-1)?.version === name ? found : undefined
    } catch (error) {
      if (error instanceof LockkeeperError && error.code === 'invalid') return undefined
      throw error
    }
  }
}

/** @throws LockkeeperError `invalid` where it is ours, but elsewhere than it was asked to be */
function managed(options: BaselineOptions, seen: Look): ChangeResult {
  const { level } = seen.assessment
  if (options.version === undefined || options.version === level) return unchanged(options, seen)
  throw new LockkeeperError('invalid', `${options.database} has been taken over already, and is at ${level}`, {
    hint: 'lockkeeper run goes on from there; lockkeeper rollback goes back.',
    details: { level },
  })
}

function nothingThere({ database }: BaselineOptions): LockkeeperError {
  return new LockkeeperError('missing', `there is no database at ${database} with anything in it to take over`, {
    hint: 'Is DATABASE_URL right, and the volume mounted? A new database is made by: lockkeeper run',
  })
}
