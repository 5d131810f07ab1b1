/** Pruning the repository of a database, which need not be there. */
import { type PruneReport, prune } from '../backup/prune.ts'
import type { RetentionPolicy } from '../backup/retention.ts'
import { formatBytes } from '../units.ts'
import { step } from './events.ts'
import type { JobOptions, RepositorySettings } from './options.ts'
import { originOf, withRepository } from './save.ts'

export interface RetentionOptions {
  readonly policy: RetentionPolicy
  /** Name of the IANA list: where days, weeks, months and years begin. */
  readonly timeZone: string
}

export interface PruneJobOptions extends RetentionOptions, Pick<JobOptions, 'actor' | 'listener' | 'signal'> {
  /** Path of the database, which need not be there: its name tells whether the repository is its own. */
  readonly database: string
  readonly repository: RepositorySettings
  /** Milliseconds that what no backup uses any more stays. */
  readonly grace: number
  /** Decide, but change nothing. Default false. */
  readonly dryRun?: boolean
}

/**
 * What cannot be removed is a result: see `blocked` and `refused` of the report.
 * @throws LockkeeperError `missing` when there is no repository yet, `config` for an empty policy, `invalid`, `storage`
 */
export function pruneBackups(options: PruneJobOptions): Promise<PruneReport> {
  const { actor, database, dryRun = false, grace, listener, policy, repository: settings, signal, timeZone } = options
  return withRepository(settings, database, { create: false }, async repository => {
    const report = await step(listener, 'prune', async () => {
      const aborting = signal === undefined ? {} : { signal }
      const how = { policy, timeZone, grace, dryRun, by: originOf(actor), ...aborting }
      const value = await prune(repository, how)
      return { message: done(value, dryRun), value }
    })
    const warn = (message: string) => listener({ kind: 'warning', step: 'prune', message })
    for (const { message } of report.problems) warn(message)
    if (report.withoutBackups !== undefined)
      warn(`no backup is left, but ${formatBytes(report.withoutBackups.bytes)} of content: were the manifests deleted?`)
    for (const id of report.putBack)
      warn(`${id} had to stay: it was pinned, or newer ones were found bad, while it was removed`)
    return report
  })
}

function done({ backups, blocked, deleted, released, removed, withoutBackups }: PruneReport, dryRun: boolean): string {
  if (blocked !== undefined) return `nothing can be deleted: ${blocked}`
  if (withoutBackups !== undefined) return 'there is no backup, and nothing is deleted'
  const would = dryRun ? 'would be ' : ''
  return `${removed.length} of ${backups.length} backups ${would}removed, ${formatBytes(released.bytes)} of them no longer used; ${formatBytes(deleted.bytes)} ${would}deleted`
}
