/**
 * The tables that Lockkeeper keeps in the database: `schema_migrations`, one row a version, and
 * `schema_migration_events`, append only, one row an attempt; where one-shot restores were done, `lockkeeper_restores`
 * (`restores.ts`). Where `schema_migrations` belongs to another tool (Rails,
 * golang-migrate, dbmate and others have one), the first is called `lockkeeper_migrations`.
 */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import type { Migration } from './model.ts'
import type { Progress } from './progress.ts'

export const eventsTable = 'schema_migration_events'
export const ownName = 'schema_migrations'
export const otherName = 'lockkeeper_migrations'
export const restoresTable = 'lockkeeper_restores'

export type Status = 'applied' | 'rolled_back' | 'failed'

export interface MigrationRow {
  readonly version: string
  readonly description: string
  /** ISO 8601, UTC. */
  readonly applied_at: string
  readonly execution_time_ms: number
  readonly checksum: string
  readonly status: Status
  readonly rollback_applied: number
  readonly rollback_at: string | null
  readonly error_message: string | null
  readonly metadata_json: string | null
  /** The SQL that goes back, so that an older image still can. */
  readonly down_sql: string | null
  readonly directives_json: string | null
}

/** Who did it. Each is null where it is not known. */
export interface Actor {
  readonly host: string | null
  readonly pod: string | null
  readonly namespace: string | null
  readonly node: string | null
  readonly image: string | null
  readonly job: string | null
}

export interface EventRow extends Actor {
  readonly id: number
  readonly action: 'migrate' | 'adopt' | 'rollback' | 'restore' | 'import' | 'encrypt'
  readonly outcome: 'ok' | 'failed'
  readonly started_at: string
  readonly duration_ms: number
  readonly from_level: string | null
  readonly to_level: string | null
  /** JSON array of the versions that were applied or rolled back. */
  readonly versions_json: string
  readonly backup_id: string | null
  readonly error_message: string | null
  /** Of the schema as this attempt left it, validated; null where it differs from what the migrations describe. */
  readonly schema_fingerprint: string | null
  readonly lockkeeper_version: string
}

export interface Bookkeeping {
  /** The name that the table of versions has, or would get. */
  readonly table: string
  readonly exists: boolean
  /** A `schema_migrations` of another tool is there. */
  readonly foreign: boolean
  readonly rows: readonly MigrationRow[]
  /** Some attempt went well, once. */
  readonly succeeded: boolean
  readonly fingerprint: string | null
}

const columns =
  'version, description, applied_at, execution_time_ms, checksum, status, rollback_applied, rollback_at, ' +
  'error_message, metadata_json, down_sql, directives_json'

/** The tables that are Lockkeeper's own and no part of the application's schema. */
export function bookkeepingTables({ table }: { readonly table: string }): string[] {
  return [table, eventsTable, restoresTable]
}

/**
 * Finds the tables, whoever's they are, and reads those that are Lockkeeper's. Another tool's are never read nor changed.
 * @throws LockkeeperError `invalid` where both names, or that of the events, belong to something else.
 */
export async function readBookkeeping(connection: Connection): Promise<Bookkeeping> {
  const [owners, events] = await ownersOf(connection)
  const foreign = owners.get(ownName) === 'other'
  const table = [ownName, otherName].find(name => owners.get(name) === 'us') ?? (foreign ? otherName : ownName)
  if (owners.get(table) === 'other') throw occupied(table)
  if (events === 'other') throw occupied(eventsTable)
  if (!owners.has(table)) return { table, exists: false, foreign, rows: [], succeeded: false, fingerprint: null }
  const rows = await connection.all<MigrationRow>(`SELECT ${columns} FROM main.${table} ORDER BY version`)
  const [last] =
    events === undefined
      ? []
      : await connection.all<{ schema_fingerprint: string | null }>(
          `SELECT schema_fingerprint FROM main.${eventsTable} WHERE outcome = 'ok' ORDER BY id DESC LIMIT 1`,
        )
  return {
    table,
    exists: true,
    foreign,
    rows,
    succeeded: last !== undefined,
    fingerprint: last?.schema_fingerprint ?? null,
  }
}

/** Whose is what has these names: tables, views, even an index, in any case of letters. */
async function ownersOf(connection: Connection) {
  const found = await connection.all<{ name: string; ours: number; events: number }>(
    `SELECT lower(s.name) AS name,
       s.type = 'table' AND (SELECT count(*) FROM pragma_table_info(s.name, 'main') AS c
         WHERE lower(c.name) IN ('down_sql', 'directives_json')) = 2 AS ours,
       s.type = 'table' AND (SELECT count(*) FROM pragma_table_info(s.name, 'main') AS c
         WHERE lower(c.name) IN ('versions_json', 'lockkeeper_version')) = 2 AS events
     FROM main.sqlite_schema AS s WHERE lower(s.name) IN ('${ownName}', '${otherName}', '${eventsTable}')`,
  )
  const owner = (is: number) => (is === 1 ? ('us' as const) : ('other' as const))
  const events = found.find(({ name }) => name === eventsTable)
  const tables = found.filter(({ name }) => name !== eventsTable)
  return [
    new Map(tables.map(({ name, ours }) => [name, owner(ours)])),
    events === undefined ? undefined : owner(events.events),
  ] as const
}

export function occupied(name: string): LockkeeperError {
  return new LockkeeperError('invalid', `the database has something called ${name} that is not Lockkeeper's`, {
    hint: `Nothing was touched. Rename it: Lockkeeper keeps its own record under that name.`,
    details: { name },
  })
}

/** The versions that are applied now. */
export function appliedVersions(rows: readonly MigrationRow[]): ReadonlySet<string> {
  return new Set(rows.filter(row => row.status === 'applied').map(row => row.version))
}

/** All attempts, the newest first. */
export async function readEvents(connection: Connection): Promise<EventRow[]> {
  const [, events] = await ownersOf(connection)
  return events === 'us' ? connection.all<EventRow>(`SELECT * FROM main.${eventsTable} ORDER BY id DESC`) : []
}

/** @throws LockkeeperError `invalid` where something else has come to be called like them since they were looked for */
export async function createBookkeeping(connection: Connection, table: string): Promise<void> {
  const [owners, events] = await ownersOf(connection)
  if (owners.get(table) === 'other') throw occupied(table)
  if (events === 'other') throw occupied(eventsTable)
  await connection.exec(`
    CREATE TABLE IF NOT EXISTS ${table} (
      version TEXT NOT NULL PRIMARY KEY,
      description TEXT NOT NULL DEFAULT '',
      applied_at TEXT NOT NULL,
      execution_time_ms INTEGER NOT NULL DEFAULT 0,
      checksum TEXT NOT NULL,
      status TEXT NOT NULL CHECK (status IN ('applied', 'rolled_back', 'failed')),
      rollback_applied INTEGER NOT NULL DEFAULT 0,
      rollback_at TEXT,
      error_message TEXT,
      metadata_json TEXT,
      down_sql TEXT,
      directives_json TEXT
    );
    CREATE TABLE IF NOT EXISTS ${eventsTable} (
      id INTEGER PRIMARY KEY,
      action TEXT NOT NULL,
      outcome TEXT NOT NULL,
      started_at TEXT NOT NULL,
      duration_ms INTEGER NOT NULL,
      from_level TEXT,
      to_level TEXT,
      versions_json TEXT NOT NULL DEFAULT '[]',
      backup_id TEXT,
      error_message TEXT,
      schema_fingerprint TEXT,
      lockkeeper_version TEXT NOT NULL,
      host TEXT,
      pod TEXT,
      namespace TEXT,
      node TEXT,
      image TEXT,
      job TEXT
    );`)
}

/** Writes the row of a version, in place of an earlier one. */
export async function recordMigration(connection: Connection, table: string, row: MigrationRow): Promise<void> {
  await insert(connection, `INSERT OR REPLACE INTO ${table}`, row)
}

/** Notes how far a migration has come; its row is there. */
export async function recordProgress(
  connection: Connection,
  table: string,
  version: string,
  progress: Progress,
): Promise<void> {
  await connection.all(
    `UPDATE main.${table} SET metadata_json = json_set(coalesce(metadata_json, '{}'), '$.progress', json(?)) WHERE version = ?`,
    JSON.stringify(progress),
    version,
  )
}

/** Notes why a migration stopped that had begun; how far it came stays as it is noted. */
export async function recordStop(
  connection: Connection,
  table: string,
  version: string,
  message: string | null,
): Promise<void> {
  await connection.all(`UPDATE main.${table} SET error_message = ? WHERE version = ?`, message, version)
}

export async function recordEvent(connection: Connection, event: Omit<EventRow, 'id'>): Promise<void> {
  await insert(connection, `INSERT INTO ${eventsTable}`, event)
}

/** The row of a migration as it is applied. */
export function appliedRow(migration: Migration, at: Date, milliseconds: number, metadata?: object): MigrationRow {
  const { down } = migration
  return {
    version: migration.version,
    description: migration.description,
    applied_at: at.toISOString(),
    execution_time_ms: Math.round(milliseconds),
    checksum: migration.checksum,
    status: 'applied',
    rollback_applied: 0,
    rollback_at: null,
    error_message: null,
    metadata_json: metadata === undefined ? null : JSON.stringify(metadata),
    down_sql: down?.kind === 'sql' ? down.sql : null,
    directives_json: JSON.stringify({ ...migration.directives, dependencies: migration.dependencies }),
  }
}

async function insert(connection: Connection, into: string, row: object): Promise<void> {
  const names = Object.keys(row)
  const values = Object.values(row) as (null | number | string)[]
  await connection.all(`${into} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`, ...values)
}
