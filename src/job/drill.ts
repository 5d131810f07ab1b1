/**
 * A drill: the newest good backup comes back to a private place, is looked at in the sandbox, and then this image's
 * pending migrations run on it, natively, by the same code as a deploy. The result is recorded beside the backup. No
 * live database is needed, and none is touched.
 */
import { join } from 'node:path'
import { type ListedBackup, listNames, readBackup } from '../backup/catalog.ts'
import type { Manifest } from '../backup/manifest.ts'
import type { Repository } from '../backup/repository.ts'
import { selectBackup } from '../backup/select.ts'
import { verifyBackup } from '../backup/verify.ts'
import { WorkingCopy } from '../backup/working-copy.ts'
import { setHeaderMode } from '../database/header-mode.ts'
import { type ErrorCode, LockkeeperError } from '../errors.ts'
import { loadMigrations } from '../migrations/load.ts'
import { deploy } from './deploy.ts'
import { step } from './events.ts'
import { examineCopy, judge } from './examine.ts'
import type { ChangeResult, DeployOptions, RepositorySettings } from './options.ts'
import { inPrivateFolder } from './private-folder.ts'
import { withRepository } from './save.ts'
import { type Outcome, outcomeOf, surroundings, toldOf, unrecordedOf, type Verified } from './verification.ts'

export interface DrillOptions
  extends Pick<
    DeployOptions,
    'actor' | 'adopt' | 'drift' | 'listener' | 'lockTimeout' | 'migrations' | 'outOfOrder' | 'redact' | 'signal'
  > {
  /** Path of the database, which need not be there: its name tells whether the repository is its own. */
  readonly database: string
  readonly repository: RepositorySettings
  /** Folder with room for a copy of the database, and for what its migrations need. */
  readonly tmpdir: string
}

export interface Drill {
  readonly repository: string
  /** The newest backup that is whole. */
  readonly backup: Verified
  /** What the migrations of this image did to it; null: they failed. */
  readonly deploy: Pick<ChangeResult, 'from' | 'level' | 'versions' | 'warnings'> | null
  /** Why they failed: then the backup is good all the same. */
  readonly failure: LockkeeperError | null
  /** Newer ones that were taken for good and are not. */
  readonly bad: readonly Verified[]
  /** Why the result could not be stored; null where it was. */
  readonly unrecorded: LockkeeperError | null
}

/**
 * Backups that turn out to be bad are recorded as such, and the next older one is taken.
 * @throws LockkeeperError `missing` when no backup is good, `config` when there are no migrations, `storage`, `io`
 */
export async function drill(options: DrillOptions): Promise<Drill> {
  // Before anything is fetched.
  await loadMigrations(options.migrations, options.signal)
  return withRepository(options.repository, options.database, { create: false }, repository =>
    inPrivateFolder(options.tmpdir, folder => drillIn(repository, new WorkingCopy(join(folder, 'database')), options)),
  )
}

async function drillIn(repository: Repository, copy: WorkingCopy, options: DrillOptions): Promise<Drill> {
  const bad: Outcome[] = []
  let { backups: left } = await listNames(repository)
  for (;;) {
    options.signal?.throwIfAborted()
    const { backup } = await newestGood(repository, left, bad)
    left = left.slice(
      0,
      left.findIndex(({ id }) => id === backup.id),
    )
    let rehearsal: Rehearsal = { deploy: null, failure: null }
    const report = await step(options.listener, 'verify', async () => {
      const value = await verifyBackup(repository, backup, {
        ...surroundings(options),
        kind: 'drill',
        copy,
        inspect: async path => {
          const inspection = judge(await examineCopy(path, options.signal), backup.manifest)
          if (inspection.problems.length > 0) return inspection
          rehearsal = await rehearse(path, backup.manifest, options)
          return { ...inspection, notes: [...inspection.notes, noteOf(rehearsal, options)] }
        },
      })
      const message = value === undefined ? `${backup.id} has been removed meanwhile` : toldOf(value)
      return { message, value }
    })
    // A prune has removed it.
    if (report === undefined) continue
    const outcome = outcomeOf(report)
    if (outcome.verified.result === 'bad') {
      bad.push(outcome)
      continue
    }
    return {
      repository: repository.store.url,
      backup: outcome.verified,
      ...rehearsal,
      bad: bad.map(({ verified }) => verified),
      unrecorded: unrecordedOf([...bad, outcome]),
    }
  }
}

async function newestGood(repository: Repository, left: readonly ListedBackup[], bad: readonly Outcome[]) {
  try {
    return await selectBackup(left, { latest: true }, listed => readBackup(repository, listed))
  } catch (error) {
    if (bad.length === 0 || !(error instanceof LockkeeperError) || error.code !== 'missing') throw error
    const found = bad.map(({ verified: { id, problems } }) => `  ${id}: ${problems[0]}`)
    throw new LockkeeperError('invalid', `no backup in ${repository.store.url} is good:\n${found.join('\n')}`, {
      hint: 'Make one now, while the database is there: lockkeeper backup. Then find out what damaged the others.',
      cause: error,
      details: { bad: bad.map(({ verified }) => verified.id) },
    })
  }
}

type Rehearsal = Pick<Drill, 'deploy' | 'failure'>

/** Outcomes of a deploy that say something about the migrations and the backup, not about this machine. */
const verdicts: readonly ErrorCode[] = ['failed', 'invalid', 'newer', 'missing', 'config']

/** As in reality, but for the way back, which a private copy needs none of. */
async function rehearse(path: string, { database }: Manifest, options: DrillOptions): Promise<Rehearsal> {
  const { listener } = options
  if (database.bytes > 0) await setHeaderMode(path, database.journalMode === 'wal' ? 'wal' : 'rollback')
  try {
    const { from, level, versions, warnings } = await deploy({
      ...options,
      database: path,
      repository: undefined,
      noBackup: true,
      firstInstall: true,
      listener: event => {
        if (event.step !== 'backup') listener(event)
      },
      // Nobody else has it open, and it is not to last.
      viewInProcess: true,
      fileSystem: { allowed: true },
    })
    return { deploy: { from, level, versions, warnings }, failure: null }
  } catch (error) {
    if (!(error instanceof LockkeeperError) || !verdicts.includes(error.code)) throw error
    return { deploy: null, failure: error }
  }
}

function noteOf({ deploy, failure }: Rehearsal, { redact = text => text }: DrillOptions): string {
  if (failure !== null) return `the migrations of this image do not run on it: ${redact(failure.message)}`
  if (deploy === null || deploy.versions.length === 0)
    return `nothing is pending in this image, at ${deploy?.level ?? 'no level'}`
  return `the pending migrations of this image run on it: from ${deploy.from ?? 'nothing'} to ${deploy.level}`
}
