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
  /** Only the highest is written down, and everything up to it is applied. */
  readonly highestOnly?: true
}

const sameNumber: Tool['isAbout'] = ({ version }, migration) =>
  numberOf(version) !== '' && numberOf(version) === numberOf(migration.version)

const tools: readonly Tool[] = [
  {
    table: 'goose_db_version',
    columns: ['version_id', 'is_applied'],
    query: `SELECT CAST(version_id AS TEXT) AS version, 1 AS done FROM main.goose_db_version AS v
            WHERE version_id > 0 AND is_applied AND id = (SELECT max(id) FROM main.goose_db_version WHERE version_id = v.version_id)`,
    isAbout: sameNumber,
  },
  {
    table: '_sqlx_migrations',
    columns: ['version', 'success'],
    query: 'SELECT CAST(version AS TEXT) AS version, success AS done FROM main._sqlx_migrations',
    isAbout: sameNumber,
  },
  {
    table: '_prisma_migrations',
    columns: ['migration_name', 'finished_at', 'rolled_back_at'],
    query: `SELECT migration_name AS version, max(finished_at IS NOT NULL) AS done FROM main._prisma_migrations
            WHERE rolled_back_at IS NULL GROUP BY migration_name`,
    isAbout: ({ version }, migration) => version === migration.version,
  },
  {
    table: '__drizzle_migrations',
    columns: ['hash'],
    query: 'SELECT hash AS version, 1 AS done FROM main.__drizzle_migrations',
    // It writes down the hash of the file alone, SHA-256 like ours.
    isAbout: ({ version }, migration) => version === migration.checksum,
  },
  {
    table: '__diesel_schema_migrations',
    columns: ['version', 'run_on'],
    query: 'SELECT version, 1 AS done FROM main.__diesel_schema_migrations',
    isAbout: ({ version }, migration) => version === dieselVersion(migration.version),
  },
  {
    // golang-migrate
    table: 'schema_migrations',
    columns: ['version', 'dirty'],
    query: 'SELECT CAST(version AS TEXT) AS version, NOT dirty AS done FROM main.schema_migrations',
    isAbout: sameNumber,
    highestOnly: true,
  },
  {
    // dbmate
    table: 'schema_migrations',
    columns: ['version'],
    without: 'dirty',
    query: 'SELECT version, 1 AS done FROM main.schema_migrations',
    isAbout: sameNumber,
  },
]

/** The number that a version begins with, without zeros in front; empty where it begins with none. */
function numberOf(version: string): string {
  return /^0*(\d+)/.exec(version)?.[1] ?? ''
}

/**
 * Undefined where there is none, or where what it names has nothing to do with these migrations.
 * @param migrations in the order in which they run
 * @throws LockkeeperError `invalid` where one was begun and not finished, or is not among these migrations
 */
export async function readForeignRecord(
  connection: Connection,
  migrations: readonly Migration[],
): Promise<ForeignRecord | undefined> {
  for (const tool of tools) {
    if (!(await isThere(connection, tool))) continue
    const entries = (await connection.all<Entry>(tool.query)).filter(({ version }) => version !== '')
    const found = entries.map(entry => migrations.findIndex(migration => tool.isAbout(entry, migration)))
    if (found.every(place => place === -1)) continue
    refuseUnfit(tool, entries, found)
    const applied = new Set(found)
    const highest = Math.max(...found)
    return {
      table: tool.table,
      applied: migrations.filter((_, place) => (tool.highestOnly ? place <= highest : applied.has(place))),
    }
  }
  return undefined
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

function refuseUnfit({ table }: Tool, entries: readonly Entry[], found: readonly number[]): void {
  const half = entries.filter(({ done }) => done === 0).map(({ version }) => version)
  if (half.length > 0)
    throw new LockkeeperError('invalid', `by its table ${table}, ${half.join(', ')} was begun and not finished`, {
      hint: 'Nothing was touched. Finish it with the tool that began it, or bring the schema to a level by hand and name that: lockkeeper baseline --version.',
      details: { table, versions: half },
    })
  const unknown = entries.filter((_, at) => found[at] === -1).map(({ version }) => version)
  if (unknown.length > 0)
    throw new LockkeeperError(
      'invalid',
      `by its table ${table}, ${unknown.join(', ')} ${unknown.length === 1 ? 'is' : 'are'} applied, of which there is no such file`,
      {
        hint: 'Nothing was touched. Is this the image that belongs to the database? Where these files were given up, name the level that its schema has: lockkeeper baseline --version.',
        details: { table, versions: unknown },
      },
    )
}
