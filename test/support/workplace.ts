/** A folder of its own for a test, with a place each for the database, its migrations and its backups. */
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { type Environment, type How, lockkeeper, type Ran, type Running, start } from './cli.ts'

/** The migrations of the reference application. */
export const fossawork = fileURLToPath(new URL('../../migrations', import.meta.url))
export const newest = 'v006_add_monitoring_tables'

export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'lockkeeper-test-'))
  /** The volume of the database. */
  readonly volume = join(this.folder, 'volume')
  readonly database = join(this.volume, 'app.db')
  readonly migrations = join(this.folder, 'migrations')
  readonly repository = join(this.folder, 'repository')
  /** What its commands get; a test may add to it. */
  readonly env: Record<string, string | undefined> = {
    DATABASE_URL: this.database,
    LOCKKEEPER_MIGRATIONS: this.migrations,
    LOCKKEEPER_REPOSITORY: pathToFileURL(this.repository).href,
    LOCKKEEPER_LOG_FORMAT: 'json',
  }

  constructor() {
    mkdirSync(this.volume)
    mkdirSync(this.migrations)
  }

  /** Runs a command to its end. */
  run(args: readonly string[], env: Environment = {}): Promise<Ran> {
    return lockkeeper(args, { env: { ...this.env, ...env }, cwd: this.folder })
  }

  /** Starts a command and lets it run. */
  start(args: readonly string[], how: Pick<How, 'ownGroup'> = {}): Running {
    return start(args, { ...how, env: this.env, cwd: this.folder })
  }

  /** Writes a migration, in place of one of that name. `.sql` where the name has no ending. */
  migration(name: string, text: string): void {
    writeFileSync(join(this.migrations, /\.\w+$/.test(name) ? name : `${name}.sql`), text)
  }

  /** The versions in the folder that its commands read. */
  migrationNames(): string[] {
    return readdirSync(this.env['LOCKKEEPER_MIGRATIONS'] ?? '')
      .filter(name => /\.(sql|[jt]s)$/.test(name))
      .map(name => name.replace(/\.\w+$/, ''))
      .sort()
  }

  /** The ids of the backups, in order. */
  backups(): string[] {
    const folder = join(this.repository, 'backups')
    return existsSync(folder)
      ? readdirSync(folder)
          .sort()
          .map(name => basename(name, '.json'))
      : []
  }

  /** Reads the database without touching it: from a copy, with its log or journal beside it. */
  read<T>(work: (db: DatabaseSync) => T): T {
    return readCopy(this.database, work)
  }

  /** Rows of the database as plain objects. */
  query(sql: string): Record<string, unknown>[] {
    return this.read(db =>
      db
        .prepare(sql)
        .all()
        .map(row => ({ ...row })),
    )
  }
}

/** A workplace that is removed when the test ends. */
export function newPlace(env: Environment = {}): Workplace {
  const place = new Workplace()
  onTestFinished(() => rmSync(place.folder, { recursive: true, force: true }))
  Object.assign(place.env, env)
  return place
}

/** One for the reference application. */
export function fossaworkPlace(): Workplace {
  return newPlace({ LOCKKEEPER_MIGRATIONS: fossawork })
}

export function readCopy<T>(database: string, work: (db: DatabaseSync) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-copy-'))
  try {
    const copy = join(folder, 'copy.db')
    for (const suffix of ['', '-wal', '-journal'])
      if (existsSync(database + suffix)) copyFileSync(database + suffix, copy + suffix)
    const db = new DatabaseSync(copy)
    try {
      return work(db)
    } finally {
      db.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const ours = ['schema_migrations', 'schema_migration_events', 'lockkeeper_migrations', 'lockkeeper_restores']

/** The application's part of a database: every object of its schema and every row of its tables. */
export function applicationOf(database: string): { schema: unknown[]; rows: Record<string, unknown[]> } {
  return readCopy(database, db => {
    const except = ours.map(name => `'${name}'`).join(', ')
    const schema = db
      .prepare(
        `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT IN (${except}) ORDER BY type, name`,
      )
      .all()
    const tables = schema.filter(({ type }) => type === 'table').map(({ name }) => String(name))
    return { schema, rows: Object.fromEntries(tables.map(name => [name, rowsOf(db, name)])) }
  })
}

/** Every table that was there has the rows that it had; what came later may have brought more tables. */
export function expectEveryRow(after: Record<string, unknown[]>, before: Record<string, unknown[]>): void {
  for (const [table, rows] of Object.entries(before)) {
    // The counters of AUTOINCREMENT are rows of one table, and new tables have counters too.
    if (table === 'sqlite_sequence') expect(after[table], table).toEqual(expect.arrayContaining(rows))
    else expect(after[table], table).toEqual(rows)
  }
}

/** In an order that does not depend on how they are stored. */
function rowsOf(db: DatabaseSync, table: string): unknown[] {
  const columns = db.prepare('SELECT name FROM pragma_table_info(?)').all(table)
  return db.prepare(`SELECT * FROM "${table}" ORDER BY ${columns.map((_, position) => position + 1).join(', ')}`).all()
}

/** `wal`, `delete` and so on. */
export function journalModeOf(database: string): unknown {
  const bytes = readFileSync(database)
  return bytes[18] === 2 && bytes[19] === 2 ? 'wal' : 'rollback'
}

/** Everything about every file and folder in it that a write would change. */
export function traceOf(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {}
  const trace: Record<string, string> = {}
  for (const name of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()]) {
    const path = join(folder, name)
    const { ctimeNs, ino, mode, mtimeNs, size } = statSync(path, { bigint: true })
    const folderHere = statSync(path).isDirectory()
    const hash = folderHere ? 'folder' : createHash('sha256').update(readFileSync(path)).digest('hex')
    trace[name] = [hash, size, ino, mode, mtimeNs, ctimeNs].join(' ')
  }
  return trace
}
