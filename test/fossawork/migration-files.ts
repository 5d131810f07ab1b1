/** The files in `migrations/`, cut at their markers, and what a test needs to run them on a database. */
import { readdirSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Level } from '../fixtures/fossawork/rows.ts'

const folder = new URL('../../migrations/', import.meta.url)

export interface MigrationFile {
  readonly version: string
  readonly level: Level
  readonly header: string
  readonly up: string
  readonly down: string
}

export const migrationFiles: readonly MigrationFile[] = readdirSync(folder)
  .filter(name => name.endsWith('.sql'))
  .sort()
  .map(name => {
    const text = readFileSync(new URL(name, folder), 'utf8')
    const parts = text.split(/^-- migrate:(?:up|down)$/m)
    if (parts.length !== 3) throw new Error(`${name} has ${parts.length - 1} markers, not 2`)
    const [header, up, down] = parts as [string, string, string]
    return { version: name.slice(0, -'.sql'.length), level: name.slice(0, 4) as Level, header, up, down }
  })

export const versions: readonly string[] = migrationFiles.map(file => file.version)

/** A database as migrations get it: foreign keys and double-quoted strings off. Without a path it is in memory. */
export function open(path = ':memory:'): DatabaseSync {
  return new DatabaseSync(path, { enableForeignKeyConstraints: false, enableDoubleQuotedStringLiterals: false })
}

/** Runs a script in one transaction, and throws if the script ends that transaction itself. */
export function apply(db: DatabaseSync, script: string): void {
  db.exec('BEGIN')
  try {
    db.exec(script)
    if (!db.isTransaction) throw new Error('the script ended the transaction')
    db.exec('COMMIT')
  } finally {
    if (db.isTransaction) db.exec('ROLLBACK')
  }
}

/** A database at this level, without rows but for the seeds. */
export function databaseAt(level: Level, path?: string): DatabaseSync {
  const db = open(path)
  for (const file of migrationFiles.filter(file => file.level <= level)) apply(db, file.up)
  return db
}
