/** Questions about a database that change nothing: `status`, `plan`, `history`. */

import type { Connection } from '../database/connection.ts'
import { realDatabasePath } from '../database/location.ts'
import { type Viewed, viewDatabase } from '../database/view.ts'
import { LockkeeperError } from '../errors.ts'
import { assess, levelOf } from '../migrations/assess.ts'
import { batchesOf } from '../migrations/batches.ts'
import {
  appliedVersions,
  bookkeepingTables,
  type EventRow,
  type MigrationRow,
  readBookkeeping,
  readEvents,
} from '../migrations/bookkeeping.ts'
import type { Migration } from '../migrations/model.ts'
import { progressOf } from '../migrations/progress.ts'
import type { Halted } from './halted.ts'
import { type Brief, type Look, lookAtNothing, lookBriefly } from './look.ts'
import type { DeployOptions } from './options.ts'
import { migrationsOf } from './read.ts'

type Asked = Pick<
  DeployOptions,
  'database' | 'migrations' | 'drift' | 'outOfOrder' | 'onNewerSchema' | 'viewInProcess' | 'signal'
>

export interface Status {
  readonly database: string
  /** As `Assessment.kind`, or `missing`. */
  readonly state: 'missing' | 'empty' | 'unmanaged' | 'managed'
  readonly bytes: number
  readonly journalMode: 'wal' | 'rollback' | null
  readonly level: string | null
  readonly applied: number
  readonly pending: readonly string[]
  /** Migrations that commit by themselves and were stopped in the middle. */
  readonly halted: readonly Halted[]
  readonly lastAttempt: EventRow | null
  readonly warnings: readonly string[]
  /** What a deploy would refuse; null: nothing. */
  readonly problem: string | null
  /** What to do about it. */
  readonly hint: string | null
}

/** Where a database stands. What a deploy would refuse is part of the answer, not an error. */
export async function status(options: Asked): Promise<Status> {
  const migrations = await migrationsOf(options)
  const viewed = await view(options, async connection => {
    const assessment = await assess(connection, migrations)
    const [lastAttempt = null] = await readEvents(connection)
    const judge = await lookAsDeploy(connection, migrations, options).then(brief => brief.judge, refusal)
    const isHalted = assessment.bookkeeping.rows.some(row => progressOf(row) !== undefined)
    const halted = isHalted ? (await import('./halted.ts')).haltedOnes(assessment, migrations) : []
    return { assessment, halted, lastAttempt, judge }
  })
  const { database, presence } = viewed
  if (!('value' in viewed)) {
    const pending = migrations.map(({ version }) => version)
    const nothing = {
      level: null,
      applied: 0,
      halted: [],
      lastAttempt: null,
      warnings: [],
      problem: null,
      hint: null,
      journalMode: null,
      bytes: 0,
    }
    return { database, state: presence.kind === 'missing' ? 'missing' : 'empty', pending, ...nothing }
  }
  const { assessment, halted, judge, lastAttempt } = viewed.value
  const seen = await orProblem(judge())
  return {
    database,
    state: assessment.kind,
    bytes: viewed.presence.bytes,
    journalMode: viewed.presence.header.journalMode,
    level: assessment.level,
    applied: appliedVersions(assessment.bookkeeping.rows).size,
    pending: assessment.pending.map(({ version }) => version),
    halted,
    lastAttempt,
    warnings: 'problem' in seen ? [] : seen.look.warnings.map(({ message }) => message),
    problem: 'problem' in seen ? seen.problem : null,
    hint: 'problem' in seen ? seen.hint : null,
  }
}

/** It is at the level of these migrations, and there is nothing that a deploy would refuse. */
export function isReady({ pending, problem, state }: Status): boolean {
  return state === 'managed' && pending.length === 0 && problem === null
}

export interface PlannedMigration {
  readonly version: string
  readonly description: string
  /** Why it runs: not applied yet, failed before, or taken back. */
  readonly why: string
  readonly dependencies: readonly string[]
  readonly file: string
  /** Counts from 1; migrations of one batch commit together. */
  readonly batch: number
  /** What is worth a second look: what it drops, deletes or rebuilds, and which triggers it fires. */
  readonly marks: readonly string[]
}

export interface Plan {
  readonly database: string
  readonly from: string | null
  readonly level: string | null
  /** What a newer image has done and is taken back first, in this order. */
  readonly takeBack: readonly string[]
  readonly migrations: readonly PlannedMigration[]
}

/** What `run` would do. @throws LockkeeperError for what it would refuse */
export async function plan(options: Asked & { readonly to?: string }): Promise<Plan> {
  const all = await migrationsOf(options)
  const viewed = await view(options, async connection => {
    const { judge, seen } = await lookAsDeploy(connection, all, options)
    const own = bookkeepingTables(seen.assessment.bookkeeping)
    // In an empty database there is nothing to lose; and what runs after something was taken back runs on another schema.
    const foreseen = seen.assessment.kind !== 'empty' && seen.takeBack.length === 0 && seen.pending.length > 0
    const definitions = foreseen ? await (await marking()).readDefinitions(connection, own) : undefined
    return { judge, definitions }
  })
  const { assessment, pending, takeBack } = 'value' in viewed ? await viewed.value.judge() : lookAtNothing(all, options)
  const definitions = 'value' in viewed ? viewed.value.definitions : undefined
  const marks = definitions === undefined ? undefined : await (await marking()).markMigrations(definitions, pending)
  const rows = new Map(assessment.bookkeeping.rows.map(row => [row.version, row]))
  const migrations = batchesOf(pending).flatMap((batch, position) =>
    batch.migrations.map(({ version, description, dependencies, file }) => {
      return {
        version,
        description,
        dependencies,
        file,
        why: reason(rows.get(version)),
        batch: position + 1,
        marks: marks?.get(version) ?? [],
      }
    }),
  )
  const reached = levelOf([...assessment.applied, ...pending].map(({ version }) => version))
  return {
    database: viewed.database,
    from: assessment.level,
    level: reached,
    takeBack: takeBack.map(({ row }) => row.version),
    migrations,
  }
}

function marking() {
  return import('./plan-marks.ts')
}

export interface History {
  readonly database: string
  readonly migrations: readonly MigrationRow[]
  /** The newest first. */
  readonly attempts: readonly EventRow[]
}

/** What was done. @throws LockkeeperError `missing` when there is no database */
export async function history(options: Pick<Asked, 'database' | 'viewInProcess' | 'signal'>): Promise<History> {
  const viewed = await view(options, async connection => ({
    migrations: (await readBookkeeping(connection)).rows,
    attempts: await readEvents(connection),
  }))
  if (!('value' in viewed))
    throw new LockkeeperError('missing', `there is no database at ${viewed.database}`, {
      hint: 'Is DATABASE_URL right, and the volume mounted?',
    })
  return { database: viewed.database, ...viewed.value }
}

/** What a deploy would see, and refuse. */
async function lookAsDeploy(
  connection: Connection,
  migrations: readonly Migration[],
  options: Asked & { readonly to?: string },
): Promise<Brief> {
  const brief = await lookBriefly(connection, migrations, options, options.signal)
  if (brief.seen.assessment.kind !== 'unmanaged') return brief
  const { refuseUnadopted } = await import('./adopt.ts')
  const { readUnmanaged } = await import('../migrations/adoption.ts')
  const unmanaged = await readUnmanaged(connection, migrations)
  return { seen: brief.seen, judge: () => refuseUnadopted(unmanaged, options, migrations) }
}

/** What a deploy would refuse is a judgement as well; what SQLite refuses is not. */
function refusal(error: unknown): () => Promise<never> {
  if (!(error instanceof LockkeeperError)) throw error
  return () => Promise.reject(error)
}

async function view<T>(
  { database: given, signal, viewInProcess = false }: Pick<Asked, 'database' | 'viewInProcess' | 'signal'>,
  read: (connection: Connection) => Promise<T>,
): Promise<Viewed<T> & { readonly database: string }> {
  const database = await realDatabasePath(given)
  const viewed = await viewDatabase(database, read, {
    inProcess: viewInProcess,
    ...(signal === undefined ? {} : { signal }),
  })
  return { ...viewed, database }
}

async function orProblem(
  looking: Promise<Look>,
): Promise<{ readonly look: Look } | { readonly problem: string; readonly hint: string | null }> {
  try {
    return { look: await looking }
  } catch (error) {
    if (error instanceof LockkeeperError) return { problem: error.message, hint: error.hint ?? null }
    throw error
  }
}

function reason(row: MigrationRow | undefined): string {
  if (row?.status === 'failed') return `failed at ${row.applied_at}: ${row.error_message}`
  if (row?.status === 'rolled_back') return `was taken back at ${row.rollback_at}`
  return 'not applied yet'
}
