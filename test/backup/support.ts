/** What the tests of backups need: folders, real databases, real repositories, and a store that tells what was asked of it. */

import { hash, randomBytes, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, statfsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import { type Catalog, listBackups } from '../../src/backup/catalog.ts'
import { type BackupFacts, type BackupOptions, createBackup } from '../../src/backup/create.ts'
import { openRepository, type Repository } from '../../src/backup/repository.ts'
import type { Inspection } from '../../src/backup/verify.ts'
import { LockkeeperError, messageOf } from '../../src/errors.ts'
import { fileStore } from '../../src/storage/file.ts'
import { type Asked, factsWith, forget, observed } from './observed.ts'

export { by, forget, observed } from './observed.ts'
export { sealed } from './sealed.ts'

/** In memory where there is room: these tests make many small files durable, which keeps a real disk busy for long. */
export const scratch = roomyMemory() ?? tmpdir()

function roomyMemory(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    return bavail * bsize > 512 * 1024 * 1024 ? '/dev/shm' : undefined
  } catch {
    return undefined
  }
}

/** A folder that is gone after the test. */
export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'lockkeeper-backup-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export interface TestRepository {
  /** A folder of this test; the repository is in `root`. */
  readonly folder: string
  readonly root: string
  readonly repository: Repository
  readonly asked: Asked
  /** A path in the folder. */
  readonly path: (name: string) => string
}

/** A new repository in a folder. Small chunks, so that small databases have many. */
export async function freshRepository(chunkSize = 4096): Promise<TestRepository> {
  const folder = await freshFolder()
  const root = join(folder, 'repository')
  const { store, asked } = observed(fileStore(root))
  const repository = await openRepository(store, { databaseName: 'app', create: true, chunkSize })
  forget(asked)
  return { folder, root, repository, asked, path: name => join(folder, name) }
}

/** Every object of a repository on disk with a hash of its content, seen without the code under test. */
export function objectsOf(root: string): Map<string, string> {
  const objects = new Map<string, string>()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const key = join(entry.parentPath, entry.name).slice(root.length + 1)
    if (entry.isFile() && !key.startsWith('.')) objects.set(key, hash('sha256', readFileSync(join(root, key))))
  }
  return objects
}

/** Keys that are new, with `id`-like parts left as they are. */
export function added(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...after.keys()].filter(key => !before.has(key)).sort()
}

/** How many objects of each folder. */
export function byFolder(keys: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const key of keys) {
    const folder = key.split('/')[0] ?? ''
    counts[folder] = (counts[folder] ?? 0) + 1
  }
  return counts
}

/** A real database with text, numbers and incompressible bytes, cleanly closed. About 200 bytes a row. */
export function makeDatabase(
  path: string,
  { rows = 500, mode = 'delete' }: { rows?: number; mode?: string } = {},
): void {
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA journal_mode = ${mode}; PRAGMA synchronous = OFF;
    CREATE TABLE visits(id INTEGER PRIMARY KEY, uuid TEXT, note TEXT, photo BLOB); BEGIN`)
  const insert = database.prepare('INSERT INTO visits(uuid, note, photo) VALUES (?, ?, ?)')
  for (let row = 0; row < rows; row++) insert.run(randomUUID(), `visit ${row} `.repeat(5), randomBytes(60))
  database.exec('COMMIT')
  database.close()
}

export function change(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  if (String(database.prepare('PRAGMA journal_mode').get()?.['journal_mode']) === 'wal') {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }
  database.close()
}

/** What SQLite's own integrity_check says of a file. */
export async function integrityCheck(path: string): Promise<Inspection> {
  const how = 'integrity_check by node:sqlite'
  const notes: string[] = []
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database.prepare('PRAGMA integrity_check').all()
    return { how, notes, problems: rows.map(row => String(row['integrity_check'])).filter(row => row !== 'ok') }
  } catch (error) {
    return { how, notes, problems: [messageOf(error)] }
  } finally {
    database.close()
  }
}

export function sha256Of(path: string): string {
  return hash('sha256', readFileSync(path))
}

/** A backup of a file, with the facts that matter to the test. */
export function backup(
  { repository }: Pick<TestRepository, 'repository'>,
  path: string,
  changes: Partial<BackupFacts> = {},
  options: BackupOptions = {},
) {
  return createBackup(repository, path, factsWith(changes), options)
}

export function catalogOf({ repository }: Pick<TestRepository, 'repository'>): Promise<Catalog> {
  return listBackups(repository)
}

/** What this rejects with, which has to be a `LockkeeperError`. */
export async function refusal(action: Promise<unknown>): Promise<LockkeeperError> {
  const error = await action.then(
    () => new Error('it was not refused'),
    error => error,
  )
  if (error instanceof LockkeeperError) return error
  throw error
}

/** What this throws, which has to be a `LockkeeperError`. */
export function thrownBy(action: () => unknown): Promise<LockkeeperError> {
  return refusal((async () => action())())
}
