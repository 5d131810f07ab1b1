/**
 * Looks at what a blow has left: a program of its own, that reads copies of the files through Node's SQLite and knows
 * nothing of Lockkeeper's code. It is asked by messages; see verdict.ts for the other end.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Change } from './changes.ts'
import type { Account } from './ledger.ts'
import { backupIds, readBackups } from './plain-restore.ts'

/** What of a database's own settings has to stay as it is. */
export interface Settings {
  readonly page_size: number
  readonly auto_vacuum: number
  readonly user_version: number
  readonly application_id: number
  readonly journal_mode: string
}

/** What there is to judge by. Nobody may be writing. */
export interface Case {
  readonly database: string
  /** Names the round. */
  readonly round: string
  /** The folder of the repository. */
  readonly repository: string
  /** Backups that are no longer in it, through nobody's fault. */
  readonly lost: readonly string[]
  /** All migrations so far. */
  readonly changes: readonly Change[]
  /** Where it may stand. */
  readonly levels: readonly string[]
  /** The tables that keep what was there, in order. */
  readonly taken: readonly string[]
  readonly accounts: readonly Account[]
  readonly settings: Settings
}

export interface Verdict {
  readonly level: string
  readonly problems: readonly string[]
}

export type Question =
  | { readonly id: number; readonly case: Case }
  | { readonly id: number; readonly make: string; readonly settings: Settings }
  | { readonly id: number; readonly fill: string; readonly rows: number }
export type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string }

const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lockkeeper-judge-'))

function judge(given: Case): Verdict {
  const copy = join(scratch, 'copy.db')
  for (const suffix of ['', '-wal', '-journal', '-shm']) rmSync(copy + suffix, { force: true })
  for (const suffix of ['', '-wal', '-journal'])
    if (existsSync(given.database + suffix)) copyFileSync(given.database + suffix, copy + suffix)
  const db = new DatabaseSync(copy)
  try {
    return look(db, given)
  } catch (error) {
    return { level: 'unreadable', problems: [`the database cannot be read: ${(error as Error).message}`] }
  } finally {
    db.close()
  }
}

function look(db: DatabaseSync, given: Case): Verdict {
  const rows = (sql: string) => db.prepare(sql).all() as Record<string, string | number | null>[]
  const value = (sql: string) => Object.values(rows(sql)[0] ?? {})[0]
  const memory = memoryOf(given)
  const problems: string[] = []
  const expect = (what: string, found: unknown, wanted: unknown) => {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
    if (a !== b) problems.push(`${what}: ${a}, not ${b}`)
  }

  const integrity = rows('PRAGMA integrity_check')
  expect('integrity_check', integrity[0]?.['integrity_check'], 'ok')
  expect('foreign_key_check', rows('PRAGMA foreign_key_check').length, 0)
  for (const [name, wanted] of Object.entries(given.settings)) expect(name, value(`PRAGMA ${name}`), wanted)

  const kept = rows('SELECT version, status FROM schema_migrations ORDER BY version')
  const level = String(kept.at(-1)?.['version'])
  const upTo = given.changes.filter(({ version }) => version <= level)
  if (!given.levels.includes(level)) problems.push(`it stands at ${level}, not at ${given.levels.join(' or ')}`)
  expect(
    'bookkeeping',
    kept.map(row => `${row['version']} ${row['status']}`),
    upTo.map(({ version }) => `${version} applied`),
  )
  const events = rows(
    `SELECT action, outcome, versions_json, from_level, to_level, backup_id FROM schema_migration_events ORDER BY id`,
  )
  expect(
    'versions of the attempts on record',
    events.filter(event => event['outcome'] === 'ok').flatMap(event => JSON.parse(String(event['versions_json']))),
    upTo.map(({ version }) => version),
  )
  expect('attempts that failed', events.filter(event => event['outcome'] !== 'ok').length, 0)
  expect('schema', schemaOf(db), referenceSchema(memory, upTo))

  for (const found of rows(`SELECT writer, count(*) AS count, count(DISTINCT n) AS different, min(n) AS low, max(n) AS high,
      sum(body IS NOT writer || ':' || n || ':' || substr('${'.'.repeat(60)}', 1, n * 7919 % 61)) AS wrong
      FROM entries GROUP BY writer`)) {
    const account = given.accounts.find(({ writer }) => writer === found['writer'])
    if (account === undefined) problems.push(`rows of nobody: ${found['writer']}`)
    else judgeRows(account, found, problems)
  }
  const writers = new Set(rows('SELECT DISTINCT writer FROM entries').map(row => row['writer']))
  for (const { acknowledged, writer } of given.accounts)
    if (acknowledged > 0 && !writers.has(writer)) problems.push(`all ${acknowledged} rows of ${writer} are gone`)
  expect(
    'entries without their detail',
    value('SELECT count(*) FROM entries e LEFT JOIN details d ON d.entry_id = e.id WHERE d.body IS NOT e.n'),
    0,
  )
  expect('details', value('SELECT count(*) FROM details'), value('SELECT count(*) FROM entries'))

  const taken = given.taken.findLast(version => version <= level)
  if (taken !== undefined) {
    expect(
      `entries that are not stamped as ${taken} left them`,
      value(`SELECT count(*) FROM entries e LEFT JOIN ${taken} t ON t.writer = e.writer AND t.n = e.n
        WHERE e.stamp IS NOT CASE WHEN t.n IS NULL THEN NULL ELSE '${taken}' END`),
      0,
    )
    const event = events.find(({ versions_json }) => JSON.parse(String(versions_json)).includes(taken))
    const id = String(event?.['backup_id'])
    const backup = backupsOf(memory, given.repository, problems).get(id)
    if (given.lost.includes(id)) return { level, problems }
    if (backup === undefined) problems.push(`the backup before ${taken} (${id}) is not in the repository`)
    else {
      expect('rows at the commit that its backup does not have', backup.rows, summary(db, taken))
      expect('level in the backup', backup.level, event?.['from_level'])
    }
  } else backupsOf(memory, given.repository, problems)
  return { level, problems }
}

function judgeRows({ acknowledged, tried, writer }: Account, found: Record<string, unknown>, problems: string[]): void {
  const { count, different, low, high, wrong } = found as Record<string, number>
  if (count !== different) problems.push(`${writer} has ${count} rows, but only ${different} different ones`)
  if (high !== different || low !== 1)
    problems.push(`${writer} has ${different} rows, from ${low} to ${high}: some are missing`)
  if (high !== acknowledged && high !== tried)
    problems.push(
      `${writer} was told that ${acknowledged} rows are committed (and tried up to ${tried}), but ${high} are there`,
    )
  if (wrong !== 0) problems.push(`${writer} has ${wrong} rows with another content`)
}

/** How many rows of which writer, in a way that differs as soon as one of them does. */
function summary(db: DatabaseSync, table: string): unknown {
  return db
    .prepare(`SELECT writer, count(*), min(n), max(n), sum(n), sum(n * n) FROM ${table} GROUP BY 1 ORDER BY 1`)
    .all()
}

function schemaOf(db: DatabaseSync): unknown {
  return db
    .prepare(
      `SELECT type, name, tbl_name, sql FROM sqlite_schema
       WHERE tbl_name NOT IN ('schema_migrations', 'schema_migration_events') ORDER BY type, name`,
    )
    .all()
}

/** The schema after these changes, made by nothing but SQLite. */
function referenceSchema({ reference, schemas }: Memory, changes: readonly Change[]): unknown {
  for (const { sql, version } of changes.slice(schemas.size)) {
    reference.exec(sql)
    schemas.set(version, schemaOf(reference))
  }
  return schemas.get(changes.at(-1)?.version ?? '')
}

interface Backup {
  readonly rows: unknown
  readonly level: unknown
}

/** What need not be found out again in the same round. */
interface Memory {
  readonly round: string
  readonly backups: Map<string, Backup>
  /** The schema by the last version. */
  readonly schemas: Map<string, unknown>
  readonly reference: DatabaseSync
}

const memories = new Map<string, Memory>()

function memoryOf({ database, round }: Case): Memory {
  const there = memories.get(database)
  if (there?.round === round) return there
  there?.reference.close()
  const reference = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false })
  const memory = { round, backups: new Map(), schemas: new Map(), reference }
  memories.set(database, memory)
  return memory
}

/** All backups, each one fetched once and found whole. */
function backupsOf({ backups }: Memory, repository: string, problems: string[]): ReadonlyMap<string, Backup> {
  const place = join(scratch, 'backup.db')
  const there = backupIds(repository)
  for (const id of backups.keys()) if (!there.includes(id)) backups.delete(id)
  for (const { id, problem } of readBackups(repository, new Set(backups.keys()), place)) {
    if (problem !== undefined) {
      problems.push(`backup ${id}: ${problem}`)
      continue
    }
    const db = new DatabaseSync(place)
    try {
      const integrity = db.prepare('PRAGMA integrity_check').get()?.['integrity_check']
      if (integrity !== 'ok') problems.push(`backup ${id}: ${integrity}`)
      const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE name IN ('entries', 'schema_migrations')`).all()
      if (tables.length < 2) backups.set(id, { rows: [], level: null })
      else
        backups.set(id, {
          rows: summary(db, 'entries'),
          level: db.prepare('SELECT max(version) AS level FROM schema_migrations').get()?.['level'],
        })
    } finally {
      db.close()
    }
  }
  return backups
}

function make(path: string, { journal_mode, ...others }: Settings): void {
  const db = new DatabaseSync(path)
  for (const [name, value] of Object.entries(others)) db.exec(`PRAGMA ${name} = ${value}`)
  // A first page, so that the settings are kept.
  db.exec(`CREATE TABLE passing (x); DROP TABLE passing; PRAGMA journal_mode = ${journal_mode}`)
  db.close()
}

function fill(path: string, rows: number): void {
  const db = new DatabaseSync(path)
  db.exec(`BEGIN;
    WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${rows})
    INSERT INTO entries (writer, n, body) SELECT 'before', n, 'before:' || n || ':' || substr('${'.'.repeat(60)}', 1, n * 7919 % 61) FROM c;
    INSERT INTO details (entry_id, body) SELECT id, n FROM entries;
    COMMIT`)
  db.close()
}

function answer(question: Question): unknown {
  if ('case' in question) return judge(question.case)
  if ('make' in question) return make(question.make, question.settings)
  return fill(question.fill, question.rows)
}

process.on('message', (question: Question) => {
  let said: Answer
  try {
    said = { id: question.id, value: answer(question) }
  } catch (error) {
    said = { id: question.id, error: (error as Error).stack ?? String(error) }
  }
  process.send?.(said)
})
process.on('disconnect', () => {
  rmSync(scratch, { recursive: true, force: true })
  process.exit()
})
