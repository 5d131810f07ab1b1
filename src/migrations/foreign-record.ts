/**
 * What another tool has written down in a database of the migrations that it applied: more than the schema tells, which
 * shows no trace of one that only changes rows. It is read when a database is taken over, and never changed.
 */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { dieselVersion } from './formats/nested.ts'
import type { Migration } from './model.ts'

export interface ForeignRecord {
  readonly table: string
  /** Those that it has applied, in the order in which they run. */
  readonly applied: readonly Migration[]
}

interface Entry {
  readonly version: string
  /** 0: begun, and neither finished nor taken back. */
  readonly done: number
}

interface Tool {
  readonly table: string
  /** Columns by which its table is told from another one of that name; and which tell it from another tool's. */
  readonly columns: readonly string[]
  readonly without?: string
  /** The newest word on each version. */
  readonly query: string
  /** Whether an entry is about a migration. */
  readonly isAbout: (entry: Entry, migration: Migration) => boolean
  /** Whether the tool's record could be about it at all. */
  readonly knows: (migration: Migration) => boolean
  /** Only the highest is written down, and every file of the tool up to it is applied: those whose names are like this. */
  readonly highestOf?: RegExp
}

const sameNumber: Tool['isAbout'] = ({ version }, migration) =>
  numberOf(version) !== '' && numberOf(version) === numberOf(migration.version)

const hasNumber: Tool['knows'] = ({ version }) => numberOf(version) !== ''
const isNested: Tool['knows'] = ({ recordedAs }) => recordedAs !== undefined

const tools: readonly Tool[] = [
  {
    table: 'goose_db_version',
    columns: ['id', 'version_id', 'is_applied'],
    query: `SELECT CAST(version_id AS TEXT) AS version, 1 AS done FROM main.goose_db_version AS v
            WHERE version_id > 0 AND is_applied AND id = (SELECT max(id) FROM main.goose_db_version WHERE version_id = v.version_id)`,
    isAbout: sameNumber,
    knows: hasNumber,
  },
  {
    table: '_sqlx_migrations',
    columns: ['version', 'success'],
    query: 'SELECT CAST(version AS TEXT) AS version, success AS done FROM main._sqlx_migrations',
    isAbout: sameNumber,
    knows: hasNumber,
  },
  {
    table: '_prisma_migrations',
    columns: ['migration_name', 'finished_at', 'rolled_back_at'],
    query: `SELECT migration_name AS version, max(finished_at IS NOT NULL) AS done FROM main._prisma_migrations
            WHERE rolled_back_at IS NULL GROUP BY migration_name`,
    isAbout: ({ version }, migration) => version === migration.version,
    knows: isNested,
  },
  {
    table: '__drizzle_migrations',
    columns: ['hash', 'created_at', 'name'],
    query: `SELECT coalesce(name, CAST(created_at AS TEXT)) AS version, 1 AS done FROM main.__drizzle_migrations`,
    isAbout: ({ version }, migration) => version === migration.version || version === migration.recordedAs,
    knows: isNested,
  },
  {
    // Before it had names: by the time that the journal has for each.
    table: '__drizzle_migrations',
    columns: ['hash', 'created_at'],
    without: 'name',
    query: 'SELECT CAST(CAST(created_at AS INTEGER) AS TEXT) AS version, 1 AS done FROM main.__drizzle_migrations',
    isAbout: ({ version }, migration) => version === migration.recordedAs,
    knows: isNested,
  },
  {
    table: '__diesel_schema_migrations',
    columns: ['version', 'run_on'],
    query: 'SELECT CAST(version AS TEXT) AS version, 1 AS done FROM main.__diesel_schema_migrations',
    isAbout: ({ version }, migration) => version === dieselVersion(migration.version),
    knows: hasNumber,
  },
  {
    // golang-migrate
    table: 'schema_migrations',
    columns: ['version', 'dirty'],
    query: 'SELECT CAST(version AS TEXT) AS version, NOT dirty AS done FROM main.schema_migrations',
    isAbout: sameNumber,
    knows: hasNumber,
    highestOf: /\.up\.+sql$/i,
  },
  {
    // dbmate
    table: 'schema_migrations',
    columns: ['version'],
    without: 'dirty',
    query: 'SELECT CAST(version AS TEXT) AS version, 1 AS done FROM main.schema_migrations',
    isAbout: sameNumber,
    knows: hasNumber,
  },
]

/** The number that a version begins with, without zeros in front; empty where it begins with none. */
function numberOf(version: string): string {
  return /^0*(\d+)/.exec(version)?.[1] ?? ''
}

/**
 * Undefined where no tool has written anything down, or where these are no migrations that it could know. Where several
 * have, and what one of them names has nothing to do with these, another one counts.
 * @param migrations in the order in which they run
 * @throws LockkeeperError `invalid` where one was begun and not finished, is not among these migrations, or where two
 * records say different things
 */
export async function readForeignRecord(
  connection: Connection,
  migrations: readonly Migration[],
): Promise<ForeignRecord | undefined> {
  const records: ForeignRecord[] = []
  let strange: LockkeeperError | undefined
  for (const tool of tools) {
    if (!(await isThere(connection, tool))) continue
    const entries = (await connection.all<Entry>(tool.query)).filter(({ version }) => isName(tool, version))
    if (entries.length === 0) continue
    const places = entries.map(entry => placeOf(tool, entry, migrations))
    if (places.every(place => place === -1)) {
      if (migrations.some(tool.knows)) strange ??= unknownOnes(tool, entries)
    } else {
      const applied = appliedBy(tool, entries, places, migrations)
      if (applied.length > 0) records.push({ table: tool.table, applied })
    }
  }
  const [record, ...others] = records
  if (record === undefined && strange !== undefined) throw strange
  if (record !== undefined) for (const other of others) refuseDifferent(record, other)
  return record
}

/** What some program of its own keeps under the name of such a table, and has no numbers in it, says nothing to us. */
function isName({ isAbout }: Tool, version: string | null): boolean {
  return isAbout === sameNumber ? numberOf(version ?? '') !== '' : version !== null && version !== ''
}

/** -1: there is none. */
function placeOf({ isAbout, table }: Tool, entry: Entry, migrations: readonly Migration[]): number {
  const [place = -1, ...others] = [...migrations.keys()].filter(at => isAbout(entry, migrations[at]!))
  if (others.length === 0) return place
  const versions = [place, ...others].map(at => migrations[at]?.version).join(', ')
  throw new LockkeeperError(
    'invalid',
    `its table ${table} has ${entry.version} as applied, which may be each of ${versions}`,
    {
      hint: 'Nothing was touched. Name the level that the schema has: lockkeeper baseline --version.',
      details: { table, version: entry.version },
    },
  )
}

function appliedBy(
  tool: Tool,
  entries: readonly Entry[],
  places: readonly number[],
  migrations: readonly Migration[],
): readonly Migration[] {
  refuseHalfDone(tool, entries)
  const unknown = entries.filter((_, at) => places[at] === -1)
  if (unknown.length > 0) throw unknownOnes(tool, unknown)
  const { highestOf } = tool
  const highest = Math.max(...places)
  const applied = new Set(places)
  return migrations.filter(({ file }, place) =>
    highestOf === undefined ? applied.has(place) : place <= highest && highestOf.test(file),
  )
}

function refuseDifferent(one: ForeignRecord, other: ForeignRecord): void {
  const versions = ({ applied }: ForeignRecord) => applied.map(({ version }) => version).join(', ')
  if (versions(one) === versions(other)) return
  throw new LockkeeperError(
    'invalid',
    `two tables of other tools say different things: by ${one.table} are applied ${versions(one)}; by ${other.table} ${versions(other)}`,
    {
      hint: 'Nothing was touched. Drop or rename the one that is out of date, or name the level that the schema has: lockkeeper baseline --version.',
      details: { tables: [one.table, other.table] },
    },
  )
}

async function isThere(connection: Connection, { columns, table, without }: Tool): Promise<boolean> {
  const found = await connection.all<{ name: string }>(
    `SELECT lower(c.name) AS name FROM pragma_table_info(?, 'main') AS c, main.sqlite_schema AS s
     WHERE s.type = 'table' AND s.name = ?`,
    table,
    table,
  )
  const names = new Set(found.map(({ name }) => name))
  return columns.every(name => names.has(name)) && !(without !== undefined && names.has(without))
}

function refuseHalfDone({ table }: Tool, entries: readonly Entry[]): void {
  const half = entries.filter(({ done }) => done === 0).map(({ version }) => version)
  if (half.length > 0)
    throw new LockkeeperError('invalid', `by its table ${table}, ${half.join(', ')} was begun and not finished`, {
      hint: 'Nothing was touched. Finish it with the tool that began it, or bring the schema to a level by hand and name that: lockkeeper baseline --version.',
      details: { table, versions: half },
    })
}

function unknownOnes({ table }: Tool, entries: readonly Entry[]): LockkeeperError {
  const unknown = entries.map(({ version }) => version)
  return new LockkeeperError(
    'invalid',
    `by its table ${table}, ${unknown.join(', ')} ${unknown.length === 1 ? 'is' : 'are'} applied, of which there is no such file`,
    {
      hint: 'Nothing was touched. Is this the image that belongs to the database? Where these files were given up, name the level that its schema has: lockkeeper baseline --version.',
      details: { table, versions: unknown },
    },
  )
}
