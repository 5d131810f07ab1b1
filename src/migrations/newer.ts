/**
 * A database that is ahead of the folder: a newer image has migrated it, and an older one is deployed again (`helm
 * rollback`). What becomes of it is a policy. Loaded only then.
 */
import type { Connection } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { type Assessment, levelOf, type NewerPolicy } from './assess.ts'
import { type MigrationRow, readEvents } from './bookkeeping.ts'
import type { Migration } from './model.ts'
import { progressOf } from './progress.ts'
import { backupsBefore, type Down, downsOf, stored } from './rollback.ts'

export interface Newer {
  /** What is to be taken back before anything else; none where the database stays as it is. */
  readonly takeBack: readonly Down[]
  /** A sentence each. */
  readonly warnings: readonly string[]
}

/**
 * @param beyond the rows of what the folder does not know, see `rowsBeyond`
 * @throws LockkeeperError `newer` with the levels, the backup and the commands, unless the policy has an answer
 */
export async function judgeNewer(
  connection: Connection,
  assessment: Assessment,
  migrations: readonly Migration[],
  beyond: readonly MigrationRow[],
  policy: NewerPolicy,
): Promise<Newer> {
  const backups = backupsBefore(await readEvents(connection))
  const facts: Facts = { assessment, migrations, beyond, backup: backups.get(beyond[0]?.version ?? '') ?? null }
  const halfway = beyond.find(row => {
    const progress = progressOf(row)
    // A taking back that was stopped is gone on with.
    return progress !== undefined && (policy !== 'rollback' || progress.direction === 'up')
  })
  if (halfway !== undefined) throw refusal(facts, `; ${halfway.version} was stopped in the middle`)
  if (policy === 'allow') return allow(facts)
  if (policy === 'rollback') return { takeBack: waysBack(facts, backups), warnings: [] }
  throw refusal(facts, '')
}

interface Facts {
  readonly assessment: Assessment
  readonly migrations: readonly Migration[]
  readonly beyond: readonly MigrationRow[]
  /** The one that was made before the first of them. */
  readonly backup: string | null
}

function allow(facts: Facts): Newer {
  const { assessment, beyond } = facts
  const incompatible = beyond.filter(row => !isCompatible(row)).map(({ version }) => version)
  if (incompatible.length > 0)
    throw refusal(
      facts,
      `; ${incompatible.join(', ')} ${incompatible.length === 1 ? 'is' : 'are'} not marked as compatible`,
    )
  const missing = assessment.pending.map(({ version }) => version)
  if (missing.length > 0) throw refusal(facts, `, and lacks ${missing.join(', ')}, which this image has`)
  const versions = beyond.map(({ version }) => version).join(', ')
  return {
    takeBack: [],
    warnings: [`the database is ahead of this image by ${versions}, stored as compatible: it is left as it is`],
  }
}

function waysBack(facts: Facts, backups: ReadonlyMap<string, string>): readonly Down[] {
  const { assessment, beyond, migrations } = facts
  const versions = beyond.map(({ version }) => version)
  try {
    return downsOf(assessment.bookkeeping.rows, migrations, { versions }, backups)
  } catch (error) {
    if (!(error instanceof LockkeeperError) || error.code !== 'invalid') throw error
    throw refusal(facts, `, and cannot go back: ${error.message}`)
  }
}

function isCompatible(row: MigrationRow): boolean {
  return stored(row).compatible === true
}

function refusal({ assessment, backup, beyond, migrations }: Facts, why: string): LockkeeperError {
  const highest = levelOf(migrations.map(({ version }) => version))
  const level = levelOf([...beyond, ...assessment.applied].map(({ version }) => version))
  const unknown = beyond.map(({ version }) => version)
  const known = levelOf(assessment.applied.map(({ version }) => version))
  const ways = [`Deploy the image that has ${unknown.join(', ')}.`]
  if (beyond.every(row => row.status === 'applied' && row.down_sql !== null))
    ways.push(
      `Or go back by the downs that are stored in the database: lockkeeper rollback ${known === null ? `--steps ${beyond.length}` : `--to ${known}`}, or --on-newer-schema rollback.`,
    )
  if (backup !== null) ways.push(`Or restore what was there before ${unknown[0]}: lockkeeper restore --id ${backup}.`)
  if (beyond.every(row => row.status === 'applied' && isCompatible(row)))
    ways.push('All of them are stored as compatible: --on-newer-schema allow starts the application as it is.')
  return new LockkeeperError(
    'newer',
    `the database is at ${level}; this image knows migrations up to ${highest}${why}`,
    {
      hint: ways.join(' '),
      details: { level, highest, unknown, backup },
    },
  )
}
