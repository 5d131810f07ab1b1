/**
 * Verification of backups: each one is fetched, every object checked against its hash, the database put together in a
 * private place and looked at in the sandbox, and the result recorded beside it. No live database is needed.
 */
import { join } from 'node:path'
import { listNames, readBackup } from '../backup/catalog.ts'
import { takeInventory } from '../backup/inventory.ts'
import type { Repository } from '../backup/repository.ts'
import { findBackup } from '../backup/select.ts'
import { verifyBackup } from '../backup/verify.ts'
import { WorkingCopy } from '../backup/working-copy.ts'
import { LockkeeperError } from '../errors.ts'
import { step } from './events.ts'
import type { JobOptions, RepositorySettings } from './options.ts'
import { inPrivateFolder } from './private-folder.ts'
import { withRepository } from './save.ts'
import {
  examiner,
  type Outcome,
  outcomeOf,
  summary,
  surroundings,
  toldOf,
  unreadable,
  type Verification,
} from './verification.ts'

export interface VerifyOptions extends Pick<JobOptions, 'actor' | 'listener' | 'signal'> {
  /** Path of the database, which need not be there: its name tells whether the repository is its own. */
  readonly database: string
  readonly repository: RepositorySettings
  /** `latest`: the one that a restore would take. The beginning of an `id` is enough. */
  readonly which: { readonly id: string } | { readonly latest: true } | { readonly all: true }
  /** Folder with room for a copy of the database. */
  readonly tmpdir: string
}

/**
 * A bad backup is a result.
 * @throws LockkeeperError `missing` when there is no such backup, `storage`, `denied` when nothing may be read, `io`, `config`
 */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const { database, repository: settings, tmpdir, which } = options
  return withRepository(settings, database, { create: false }, repository =>
    inPrivateFolder(tmpdir, folder => {
      const copy = new WorkingCopy(join(folder, 'database'))
      return 'all' in which ? verifyAll(repository, copy, options) : verifyOne(repository, copy, which, options)
    }),
  )
}

async function verifyOne(
  repository: Repository,
  copy: WorkingCopy,
  which: { readonly id: string } | { readonly latest: true },
  options: VerifyOptions,
): Promise<Verification> {
  const { backup, passedOver } = await findBackup(repository, which)
  const examine = examiner(options.signal)
  const report = await step(options.listener, 'verify', async () => {
    const inspect = (path: string) => examine(path, backup.manifest)
    const value = await verifyBackup(repository, backup, { ...surroundings(options), copy, inspect })
    if (value !== undefined) return { message: toldOf(value), value }
    throw new LockkeeperError('missing', `the backup ${backup.id} has just been removed`, {
      hint: 'lockkeeper backups lists what there is.',
    })
  })
  const notes = passedOver.map(({ id, reason }) => `passed over ${id}: ${reason}`)
  return summary(repository, [outcomeOf(report)], { problems: [], notes })
}

/** The newest first: it is the one that is needed, should there be no time for all. */
async function verifyAll(repository: Repository, copy: WorkingCopy, options: VerifyOptions): Promise<Verification> {
  const { listener, signal } = options
  const { backups, problems } = await listNames(repository)
  const examine = examiner(signal)
  const named = new Set<string>()
  const outcomes: Outcome[] = []
  for (const [index, listed] of backups.toReversed().entries()) {
    signal?.throwIfAborted()
    const outcome = await step<Outcome | undefined>(listener, 'verify', async () => {
      const which = `${index + 1} of ${backups.length}: `
      const gone = { message: `${which}${listed.id} has been removed meanwhile`, value: undefined }
      const backup = await readBackup(repository, listed)
      if (backup === undefined) return gone
      if (!('manifest' in backup)) return { message: `${which}${backup.message}`, value: unreadable(listed.id, backup) }
      const report = await verifyBackup(repository, backup, {
        ...surroundings(options),
        copy,
        inspect: path => examine(path, backup.manifest),
        onNamed: key => named.add(key),
      })
      if (report === undefined) return gone
      return { message: `${which}${toldOf(report)}`, value: outcomeOf(report, 'damaged') }
    })
    if (outcome !== undefined) outcomes.push(outcome)
  }
  const { copies, damaged, foreign, unused } = await takeInventory(repository, named, signal)
  const strangers = new Set([...foreign, ...problems.map(({ key }) => key)])
  const notes = [...strangers].map(key => `${key}: is no part of a repository`)
  if (copies > 0)
    notes.push(
      `${copies} manifests lie in removed/: a prune is at work, or was killed, and then the next one puts back what has to stay`,
    )
  if (unused.chunks + unused.lists > 0)
    notes.push(
      `${unused.chunks} chunks and ${unused.lists} lists belong to no backup: one is being made now, or was killed before it was complete, or its manifest was deleted by something else than lockkeeper prune`,
    )
  return summary(repository, outcomes, { problems: damaged, notes })
}
