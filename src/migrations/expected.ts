/** The schema that ought to be there: what a list of migrations builds, found by running them in memory. */
import type { Workspace } from '../database/connection.ts'
import { openMemory } from '../database/memory.ts'
import { LockkeeperError } from '../errors.ts'
import { readSchema, type Schema } from '../schema/read.ts'
import { replayAndRead } from '../schema/replay.ts'
import { type Applied, applyScript, upOf } from './apply.ts'
import type { Directives, Migration } from './model.ts'

export interface ReplayOptions {
  /** One that was stopped in the middle, as the part of it that has run. Default none. */
  readonly halted?: Migration | undefined
  /** Called around each migration. Default: nothing is done but to apply it. */
  readonly around?: Replaying
  readonly signal?: AbortSignal | undefined
}

/** What is done around the replay of a migration; it calls `apply` once. */
export type Replaying = (memory: Workspace, migration: Migration, apply: () => Promise<Applied>) => Promise<void>

/**
 * The schema after all of them; of none, an empty one.
 * @throws LockkeeperError `failed` when one of them does not run on an empty database.
 */
export function expectedSchema(migrations: readonly Migration[], options: ReplayOptions = {}): Promise<Schema> {
  return replayed(migrations, readSchema, options)
}

/** The same with something else that is read of it. */
export function replayed<T>(
  migrations: readonly Migration[],
  read: (memory: Workspace) => Promise<T>,
  { around, halted, signal }: ReplayOptions = {},
): Promise<T> {
  return replayAndRead(
    () => openReplay(halted === undefined ? migrations : [...migrations, halted], signal),
    async memory => {
      for (const migration of migrations)
        if (around === undefined) await replay(memory, migration)
        else await around(memory, migration, () => replay(memory, migration))
      if (halted !== undefined) await replay(memory, halted)
    },
    read,
  )
}

/** The same, handed out after each of them. */
export async function* replayEach(
  migrations: readonly Migration[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly migration: Migration; readonly schema: Schema }> {
  const memory = await openReplay(migrations, signal)
  try {
    for (const migration of migrations) {
      await replay(memory, migration)
      yield { migration, schema: await readSchema(memory) }
    }
  } finally {
    await memory.close()
  }
}

interface Asking {
  readonly directives: Pick<Directives, 'doubleQuotedStrings'>
}

/** See `Directives.doubleQuotedStrings`. */
export function takeDoubleQuotes(migrations: readonly Asking[]): boolean {
  return migrations.some(({ directives }) => directives.doubleQuotedStrings)
}

/** Rows that come from no table, and very many statements: what takes time also in an empty database. */
const generating = /\bWITH\b|generate_series/i
const quickText = 1024 * 1024

/** A statement in this process would keep it from hearing a signal. */
function mayTakeLong(sql: string): boolean {
  return sql.length > quickText || generating.test(sql)
}

/** An empty database in memory in which these can be run. */
export function openReplay(migrations: readonly Migration[], signal?: AbortSignal): Promise<Workspace> {
  const scripts = migrations.some(({ up }) => up.kind === 'module' || mayTakeLong(up.sql))
  return openMemory({ scripts, doubleQuotedStrings: takeDoubleQuotes(migrations) }, signal)
}

/** As in reality: in a transaction or not, with foreign keys or without. */
async function replay(memory: Workspace, migration: Migration): Promise<Applied> {
  const { transaction, foreignKeys } = migration.directives
  await memory.exec(`PRAGMA foreign_keys = ${foreignKeys ? 'ON' : 'OFF'}`)
  try {
    if (transaction) await memory.exec('BEGIN')
    const applied = await applyScript(memory, upOf(migration))
    if (transaction) await memory.exec('COMMIT')
    return applied
  } catch (error) {
    throw inReplay(error)
  }
}

/** A migration that expects rows fails here although it would run on the real database. */
function inReplay(error: unknown): unknown {
  if (!(error instanceof LockkeeperError) || (error.code !== 'failed' && error.code !== 'invalid')) return error
  return new LockkeeperError(error.code, error.message, {
    hint: `${error.hint ?? ''} This was a replay in an empty database in memory, from which Lockkeeper learns the schema: a migration has to run there too.`.trim(),
    cause: error,
    details: { ...error.details, replay: true },
  })
}
