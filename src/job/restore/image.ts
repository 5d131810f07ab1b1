/** How a backup stands to the migrations that are at hand: what will be next once it is restored. */
import type { Connection } from '../../database/connection.ts'
import { LockkeeperError, messageOf } from '../../errors.ts'
import { readUnmanaged } from '../../migrations/adoption.ts'
import { type Assessment, assess, levelOf, pendingOf } from '../../migrations/assess.ts'
import { loadMigrations } from '../../migrations/load.ts'
import type { Migration } from '../../migrations/model.ts'
import { refuseUnadopted } from '../adopt.ts'
import type { Listener } from '../events.ts'
import { look } from '../look.ts'
import type { DeployOptions } from '../options.ts'
import { refuseLostVolume, withoutHistory } from '../take.ts'

export interface Standing {
  readonly kind: Assessment['kind']
  /** The highest version that the migrations know. */
  readonly highest: string | null
  /** Versions that a deploy would run. */
  readonly pending: readonly string[]
  /** What a deploy would refuse; null: nothing. */
  readonly problem: string | null
  /** What to do about that. */
  readonly hint: string | null
}

/** A restore does not need them; where they cannot be read it only says less. */
export async function migrationsAtHand(
  folder: string | undefined,
  listener: Listener,
): Promise<readonly Migration[] | undefined> {
  if (folder === undefined) return undefined
  try {
    return await loadMigrations(folder)
  } catch (error) {
    const message = `whether migrations are pending is not known, for they cannot be read: ${messageOf(error)}`
    listener({ kind: 'note', step: 'read', message })
    return undefined
  }
}

export async function standingOf(connection: Connection, migrations: readonly Migration[]): Promise<Standing> {
  const assessment = await assess(connection, migrations)
  const known = { kind: assessment.kind, highest: levelOf(migrations.map(({ version }) => version)) }
  try {
    const pending = pendingOf(assessment, migrations, { outOfOrder: 'allow' }).map(({ version }) => version)
    return { ...known, pending, problem: null, hint: null }
  } catch (error) {
    if (!(error instanceof LockkeeperError)) throw error
    return { ...known, pending: [], problem: error.message, hint: error.hint ?? null }
  }
}

/** Refuses what the deploy that follows would refuse, before anything is touched. */
export async function refuseUndeployable(
  connection: Connection,
  options: DeployOptions,
  migrations: readonly Migration[],
): Promise<void> {
  const { assessment } = await look(connection, migrations, options, options.signal)
  if (assessment.kind === 'unmanaged') {
    if (!options.adopt) await refuseUnadopted(await readUnmanaged(connection, migrations), options, migrations)
    await refuseLostVolume(options, withoutHistory)
  }
  if (assessment.kind === 'empty')
    throw new LockkeeperError('invalid', 'there is nothing in it', { hint: 'lockkeeper backups lists the others.' })
}
