/** Files of a test: a folder on a real disk that is gone afterwards, and databases in it. */
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'

export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lockkeeper-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Both of SQLite's ways to keep a commit whole. */
export const modes = ['rollback', 'wal'] as const
export type Mode = (typeof modes)[number]

/** Makes a database with these statements, closes it cleanly and returns its path. */
export function makeDatabase(path: string, mode: Mode, ...statements: string[]): string {
  const database = new DatabaseSync(path)
  if (mode === 'wal') database.exec('PRAGMA journal_mode = WAL')
  for (const statement of statements) database.exec(statement)
  database.close()
  return path
}

/** A database with one table `t (n)`, in a folder of its own. */
export async function database(mode: Mode, rows = 1): Promise<string> {
  return makeDatabase(
    join(await freshFolder(), 'app.db'),
    mode,
    'CREATE TABLE t (n INTEGER)',
    `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${rows}) INSERT INTO t SELECT i FROM c`,
  )
}

/** Reads a database in this process; only when nobody else has it open. */
export function ask(path: string, sql: string): unknown[][] {
  const opened = new DatabaseSync(path)
  try {
    return opened
      .prepare(sql)
      .all()
      .map(row => Object.values(row))
  } finally {
    opened.close()
  }
}

/** All files of a folder with their content, size and time of change. */
export async function everything(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name)
    const { mtimeNs, size, ino } = await stat(path, { bigint: true })
    files[name] = `${await sha256(path)} ${size} ${mtimeNs} ${ino}`
  }
  return files
}

export async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}
