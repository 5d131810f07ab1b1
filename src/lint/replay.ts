/** Replays a migration for the rules: on an empty database, with a row in every table, and back by its down. */
import { quoteName, SqliteError, type Workspace } from '../database/connection.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import { applyScript, upOf } from '../migrations/apply.ts'
import type { Migration } from '../migrations/model.ts'
import { countRows, lostRows, type RowLoss } from '../migrations/rows.ts'
import { compareSchemas, type Difference } from '../schema/compare.ts'
import { fold, type Schema } from '../schema/model.ts'
import { readSchema } from '../schema/read.ts'
import { findUnresolved } from '../validation/resolve.ts'
import type { Found } from './finding.ts'
import { observe } from './observe.ts'
import type { Replayed } from './replayed.ts'
import { addSampleRows } from './sample-rows.ts'

/** Runs it for good, without looking. @throws LockkeeperError when it does not run */
export function replayOnly(memory: Workspace, migration: Migration): Promise<unknown> {
  return inTransaction(memory, migration, 'COMMIT', () => applyScript(memory, upOf(migration)))
}

/**
 * Runs it for good.
 * @returns what happened, and what was found while it did
 * @throws LockkeeperError when it does not run on an empty database
 */
export async function replayForRules(memory: Workspace, migration: Migration): Promise<readonly [Replayed, Found[]]> {
  const before = await readSchema(memory)
  const viewsOf = await tablesOfViews(memory, before, migration)
  const known = await findUnresolved(memory)
  const { failure, losses } = await withRows(memory, migration, before)
  return inTransaction(memory, migration, 'COMMIT', async () => {
    const observed = await observe(memory, migration)
    const after = await readSchema(memory)
    const found: Found[] = []
    if (failure !== undefined) found.push(failure)
    for (const [key, { message, severity }] of await findUnresolved(memory))
      if (!known.has(key) && severity === 'fail') found.push({ rule: 'unresolved', message })
    const down = await tryDown(memory, migration, before)
    if (down !== undefined) found.push(down)
    return [{ ...observed, migration, before, after, losses, viewsOf }, found] as const
  })
}

/** What the rule `does-not-run` says of an error. */
export function notRunning(error: unknown): Found {
  return { rule: 'does-not-run', line: lineOf(error), message: reasonOf(error) }
}

/** As in reality: in a transaction or not, with foreign keys or without. */
async function inTransaction<T>(
  memory: Workspace,
  { directives: { foreignKeys, transaction } }: Migration,
  end: 'COMMIT' | 'ROLLBACK',
  work: () => Promise<T>,
): Promise<T> {
  await memory.exec(`PRAGMA foreign_keys = ${foreignKeys ? 'ON' : 'OFF'}`)
  if (!transaction) return work()
  await memory.exec('BEGIN')
  try {
    const value = await work()
    await memory.exec(end)
    return value
  } catch (error) {
    // SQLite may have rolled back by itself.
    await memory.exec('ROLLBACK').catch(() => {})
    throw error
  }
}

const needsValue = /NOT NULL constraint failed|Cannot add a NOT NULL column/

interface WithRows {
  readonly losses: readonly RowLoss[]
  readonly failure?: Found
}

/** Nothing of it stays. A sample may fail for reasons of its own: only what NULLs and missing values do is of interest. */
async function withRows(memory: Workspace, migration: Migration, before: Schema): Promise<WithRows> {
  const { allowRowLoss, foreignKeys, transaction } = migration.directives
  if (!transaction || foreignKeys) return { losses: [] }
  try {
    return await inTransaction(memory, migration, 'ROLLBACK', async () => {
      await addSampleRows(memory, before)
      const counted = await countRows(memory, [])
      const { renames } = await applyScript(memory, upOf(migration))
      return { losses: lostRows(counted, await countRows(memory, []), renames, allowRowLoss) }
    })
  } catch (error) {
    if (!isOfMigration(error)) throw error
    const message = reasonOf(error)
    if (!needsValue.test(message)) return { losses: [] }
    const said = `runs on an empty table, and fails where there are rows: ${message}`
    return { losses: [], failure: { rule: 'not-null-without-default', line: lineOf(error), message: said } }
  }
}

/** In the transaction of the up, which stays as it is. */
async function tryDown(memory: Workspace, migration: Migration, before: Schema): Promise<Found | undefined> {
  const { directives, down, file, version } = migration
  if (down === undefined || !directives.transaction) return undefined
  await memory.exec('SAVEPOINT lockkeeper_down')
  try {
    await applyScript(memory, { version, file, script: down, inTransaction: true })
    const differences = compareSchemas(before, await readSchema(memory))
    if (differences.length === 0) return undefined
    const line = down.kind === 'sql' ? down.line : undefined
    return { rule: 'broken-down', line, message: `the down does not lead back: ${listed(differences)}` }
  } catch (error) {
    if (!isOfMigration(error)) throw error
    return { rule: 'broken-down', line: lineOf(error), message: `the down does not run: ${reasonOf(error)}` }
  } finally {
    await memory.exec('ROLLBACK TO lockkeeper_down; RELEASE lockkeeper_down').catch(() => {})
  }
}

function listed(differences: readonly Difference[]): string {
  const words = { missing: 'is missing', differs: 'differs', extra: 'is left over' }
  const shown = differences.slice(0, 3).map(({ kind, name, object }) => `${object} ${name} ${words[kind]}`)
  if (differences.length > shown.length) shown.push(`${differences.length - shown.length} more`)
  return shown.join(', ')
}

/** Asked for only where it matters: compiling every view before every migration takes long. */
async function tablesOfViews(memory: Workspace, { views }: Schema, { up }: Migration) {
  const tables = new Map<string, readonly string[]>()
  if (up.kind !== 'sql' || !/\bDROP\s+VIEW\b/i.test(up.sql)) return tables
  for (const { name } of views) {
    const accesses = await memory.accesses(`SELECT * FROM main.${quoteName(name)}`).catch(() => [])
    const read = accesses.filter(({ action }) => action === 'READ').map(({ first }) => fold(first ?? ''))
    tables.set(name, [...new Set(read)])
  }
  return tables
}

function isOfMigration(error: unknown): boolean {
  return error instanceof LockkeeperError && (error.code === 'failed' || error.code === 'invalid')
}

function reasonOf(error: unknown): string {
  const cause = error instanceof LockkeeperError ? error.cause : undefined
  return messageOf(cause instanceof SqliteError ? cause : error)
}

function lineOf(error: unknown): number | undefined {
  const where = error instanceof LockkeeperError ? String(error.details['where'] ?? '') : ''
  const line = /:(\d+)$/.exec(where)?.[1]
  return line === undefined ? undefined : Number(line)
}
