/** The second step of a deploy: is there anything to do? And the same question again, under the lock. */
import type { Connection } from '../database/connection.ts'
import { inspectFile, type Presence } from '../database/location.ts'
import { needsRecovery, viewDatabase } from '../database/view.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import { type Assessment, type AssessOptions, assess, pendingOf, rowsBeyond } from '../migrations/assess.ts'
import { bookkeepingTables } from '../migrations/bookkeeping.ts'
import type { Migration } from '../migrations/model.ts'
import { progressOf } from '../migrations/progress.ts'
import type { Down } from '../migrations/rollback.ts'
import { schemaFingerprint } from '../schema/fingerprint.ts'
import { formatBytes } from '../units.ts'
import type { DriftOptions } from '../validation/drift.ts'
import type { Finding } from '../validation/findings.ts'
import { step, warn } from './events.ts'
import { type ChangeResult, type MigrationOptions, urlOf } from './options.ts'

export interface Look {
  readonly assessment: Assessment
  /** What is to be run. */
  readonly pending: readonly Migration[]
  /** What a newer image has done and is to be taken back first. */
  readonly takeBack: readonly Down[]
  readonly warnings: readonly Finding[]
}

/** Nothing to run, in a database that is ours. */
export function isDone({ assessment, pending, takeBack }: Look): boolean {
  return assessment.kind === 'managed' && pending.length === 0 && takeBack.length === 0
}

/** What was read, and its judgement, which needs no connection: no lock is held while that takes its time. */
export interface Brief {
  /** Before its schema is judged. */
  readonly seen: Look
  /** @throws LockkeeperError `invalid` for drift */
  judge(): Promise<Look>
}

/**
 * Reads where the database stands and judges it. Where it is managed, its schema is compared with what its applied
 * migrations describe; equal to the fingerprint of the last validated attempt, it need not be.
 * @throws LockkeeperError `invalid` for drift, an edited or missing migration or a wrong order; `newer`; `missing`.
 */
export async function look(
  connection: Connection,
  migrations: readonly Migration[],
  options: AssessOptions & { readonly drift: DriftOptions },
  signal?: AbortSignal,
): Promise<Look> {
  return (await lookBriefly(connection, migrations, options, signal)).judge()
}

/** The part of `look` that needs the connection. @throws LockkeeperError as `look`, but for drift */
export async function lookBriefly(
  connection: Connection,
  migrations: readonly Migration[],
  options: AssessOptions & { readonly drift: DriftOptions },
  signal?: AbortSignal,
): Promise<Brief> {
  const assessment = await assess(connection, migrations)
  const beyond = rowsBeyond(assessment, migrations)
  if (beyond.length > 0) {
    const { lookFromBelow } = await import('./newer.ts')
    return judged(await lookFromBelow(connection, assessment, migrations, beyond, options))
  }
  const pending = pendingOf(assessment, migrations, options)
  if (assessment.bookkeeping.rows.some(row => progressOf(row) !== undefined)) {
    const { refuseToGoOn } = await import('../migrations/resume.ts')
    refuseToGoOn(assessment)
  }
  const seen = { assessment, pending, takeBack: [], warnings: [] }
  if (assessment.kind !== 'managed' || (await isAsValidated(connection, assessment))) return judged(seen)
  const { tolerableDrift } = await import('./drift.ts')
  const { readSchema } = await import('../schema/read.ts')
  const schema = await readSchema(connection)
  const judge = async () => ({ ...seen, warnings: await tolerableDrift(schema, assessment, options.drift, signal) })
  return { seen, judge }
}

function judged(seen: Look): Brief {
  return { seen, judge: async () => seen }
}

/** Whether the schema is still the one that was validated last. */
export async function isAsValidated(connection: Connection, { bookkeeping }: Assessment): Promise<boolean> {
  const { fingerprint } = bookkeeping
  const exclude = bookkeepingTables(bookkeeping)
  return fingerprint !== null && fingerprint === (await schemaFingerprint(connection, { exclude }))
}

/** The same where there is nothing to read. @throws LockkeeperError `missing` for an unknown `to` */
export function lookAtNothing(migrations: readonly Migration[], options: AssessOptions): Look {
  const nothing = { rows: [], succeeded: false, fingerprint: null }
  const bookkeeping = { table: 'schema_migrations', exists: false, foreign: false, ...nothing }
  const assessment: Assessment = { kind: 'empty', bookkeeping, level: null, applied: [], pending: migrations }
  return { assessment, pending: pendingOf(assessment, migrations, options), takeBack: [], warnings: [] }
}

export interface FirstLook {
  readonly presence: Presence
  /** No database, or none with anything in it. */
  readonly empty: boolean
  /** Undefined where only a job that may write can look: beside a writer, or after one that was killed. */
  readonly look: Look | undefined
}

/** Looks without the lock, and without leaving a trace. */
export async function lookFirst(
  options: MigrationOptions & AssessOptions,
  migrations: readonly Migration[],
): Promise<FirstLook> {
  const { database, listener, signal, viewInProcess = false } = options
  return step<FirstLook>(listener, 'look', async () => {
    try {
      const viewed = await viewDatabase(database, connection => lookBriefly(connection, migrations, options, signal), {
        inProcess: viewInProcess,
        ...(signal === undefined ? {} : { signal }),
      })
      const { presence } = viewed
      if (!('value' in viewed)) {
        const nothing = lookAtNothing(migrations, options)
        return {
          message: `no database yet, ${nothing.pending.length} pending`,
          value: { presence, empty: true, look: nothing },
        }
      }
      const seen = await viewed.value.judge()
      const { assessment, pending, takeBack } = seen
      const empty = assessment.kind === 'empty'
      const where = {
        empty: 'an empty database',
        unmanaged: 'tables, but no bookkeeping',
        managed: `at ${assessment.level ?? 'no level'}`,
      }[assessment.kind]
      const back = takeBack.length === 0 ? '' : `, ${takeBack.length} to take back`
      const message = `${where}${back}, ${pending.length} pending (${formatBytes(viewed.presence.bytes)})`
      return { message, value: { presence, empty, look: seen } }
    } catch (error) {
      // Behind the lock, SQLite recovers what is to be recovered, and what is in use is waited for.
      if (!needsRecovery(error) && !(error instanceof LockkeeperError && error.code === 'busy')) throw error
      const value = {
        presence: await inspectFile(database, { inProcess: viewInProcess }),
        empty: false,
        look: undefined,
      }
      return { message: `not without the lock: ${messageOf(error)}`, value }
    }
  })
}

/** There was nothing to do. */
export function unchanged(
  { database, repository, listener }: MigrationOptions,
  { assessment, warnings }: Look,
): ChangeResult {
  warn(listener, warnings)
  return {
    outcome: 'unchanged',
    database,
    restored: null,
    from: assessment.level,
    level: assessment.level,
    adopted: [],
    versions: [],
    backup: null,
    repository: urlOf(repository),
    warnings: warnings.map(warning => warning.message),
    rows: {},
  }
}
