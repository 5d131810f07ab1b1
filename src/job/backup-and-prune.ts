/**
 * A backup and what is to be done right after it, as one job. What goes wrong afterwards does not undo the backup, and is
 * told beside it; after a backup that failed nothing else is done.
 */
import type { BackupResult } from '../backup/create.ts'
import type { PruneReport } from '../backup/prune.ts'
import { LockkeeperError } from '../errors.ts'
import { type BackupJobOptions, backUp } from './backup.ts'
import { pinBackup } from './pins.ts'
import { type PruneJobOptions, pruneBackups } from './prune.ts'

export interface BackupAndPruneOptions extends BackupJobOptions {
  readonly repository: PruneJobOptions['repository']
  /** Pin the new backup; its note is the reason. Default false. */
  readonly pin?: boolean
  /** Prune afterwards. Not after a backup of a damaged database: it is older ones that are wanted then. */
  readonly prune?: Pick<PruneJobOptions, 'policy' | 'timeZone' | 'grace'>
}

export interface BackupAndPrune {
  readonly backup: BackupResult
  /** Undefined: it was not asked for. */
  readonly pinned: true | LockkeeperError | undefined
  /** Undefined: it was not asked for, or not done. */
  readonly pruned: PruneReport | LockkeeperError | undefined
}

/** @throws LockkeeperError as `backUp`, and with the reason of the signal */
export async function backUpAndPrune(options: BackupAndPruneOptions): Promise<BackupAndPrune> {
  const { actor, database, listener, note, pin = false, prune, repository, signal } = options
  const backup = await backUp(options)
  const common = { actor, database, listener, repository, ...(signal === undefined ? {} : { signal }) }
  const reason = note === undefined ? {} : { reason: note }
  const pinned = pin ? await orError(pinBackup({ ...common, id: backup.id, ...reason }), signal) : undefined
  const wanted = prune !== undefined && backup.manifest.damaged === false
  const pruned = wanted ? await orError(pruneBackups({ ...common, ...prune }), signal) : undefined
  return { backup, pinned: pinned instanceof LockkeeperError ? pinned : pinned && true, pruned }
}

/** What went wrong, unless that the job was stopped did. */
async function orError<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | LockkeeperError> {
  try {
    return await work
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof LockkeeperError) return error
    throw error
  }
}
