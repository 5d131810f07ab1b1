/** Real databases for these tests, in memory and as migrations get them. */
import { expect, onTestFinished } from 'vitest'
import type { Workspace } from '../../src/database/connection.ts'
import { openMemory } from '../../src/database/memory.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { type Applied, applyScript, type Runnable } from '../../src/migrations/apply.ts'
import { countRows, lostRows, type RowLoss } from '../../src/migrations/rows.ts'

/** An SQLite database in this process, closed when the test ends. */
export async function memory(sql = ''): Promise<Workspace> {
  const db = await openMemory({ scripts: false })
  onTestFinished(() => db.close())
  await db.exec(sql)
  return db
}

export function sqlRunnable(sql: string, { inTransaction = true, line = 1 } = {}): Runnable {
  return { version: 'v1', file: 'v1.sql', script: { kind: 'sql', sql, line }, inTransaction }
}

/** Runs a script as a migration, in a transaction that is committed unless it fails. */
export async function migrate(db: Workspace, sql: string): Promise<Applied> {
  await db.exec('BEGIN IMMEDIATE')
  try {
    const applied = await applyScript(db, sqlRunnable(sql))
    await db.exec('COMMIT')
    return applied
  } catch (error) {
    await db.exec('ROLLBACK')
    throw error
  }
}

/** Runs a script as a migration, and what the row guard says of it. */
export async function lossesOf(db: Workspace, sql: string, allowed: readonly string[] = []): Promise<RowLoss[]> {
  const before = await countRows(db, [])
  const { renames } = await migrate(db, sql)
  return lostRows(before, await countRows(db, []), renames, allowed)
}

/** The error that a promise is rejected with. */
export async function refusalOf(promise: Promise<unknown>): Promise<LockkeeperError> {
  const error: unknown = await promise.then(
    () => 'it was not refused',
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(LockkeeperError)
  return error as LockkeeperError
}

/** Rows as plain objects. */
export async function rowsOf(db: Workspace, sql: string): Promise<Record<string, unknown>[]> {
  return (await db.all<Record<string, unknown>>(sql)).map(row => ({ ...row }))
}

/** The first column of all rows. */
export async function column(db: Workspace, sql: string): Promise<unknown[]> {
  return (await db.all(sql)).map(row => Object.values(row)[0])
}

export function definitions(db: Workspace): Promise<unknown[]> {
  return column(db, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name`)
}
