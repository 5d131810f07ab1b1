/**
 * Verifying a backup: everything that it names is fetched and checked, and the database that it holds is looked at by
 * whatever the caller passes. The result is recorded beside the backup. Objects with wrong content are marked, so that
 * the next backup stores them again instead of relying on them.
 */

import { LockkeeperError } from '../errors.ts'
import { type Backup, readManifest } from './catalog.ts'
import { type Check, recordCheck } from './checks.ts'
import { isContentKey, manifestKey } from './format.ts'
import type { Manifest, Origin } from './manifest.ts'
import { mark, readMarks } from './marks.ts'
import { damagedObject, type ObjectProblem } from './recheck.ts'
import type { Repository } from './repository.ts'
import type { BecomeOptions, WorkingCopy } from './working-copy.ts'

/** What was found by looking into the database. */
export interface Inspection {
  /** How it was looked at, for people: `integrity_check in the sandbox`. */
  readonly how: string
  /** What is wrong, a sentence each; empty when all is well. */
  readonly problems: readonly string[]
  /** What is worth knowing besides, a sentence each. */
  readonly notes: readonly string[]
}

export interface VerifyOptions extends BecomeOptions {
  /**
   * Looks into the database at this path, a private copy in rollback mode or WAL mode as it was backed up; it may change
   * it. Called only when every object is there and right. What it rejects with, `verifyBackup` rejects with.
   */
  readonly inspect: (path: string) => Promise<Inspection>
  /** Where the database is put together. */
  readonly copy: WorkingCopy
  readonly by: Origin
  /** Default `verification`. */
  readonly kind?: Check['kind']
}

export interface VerifyReport {
  readonly check: Check
  /**
   * Key of the record of this check; or why it could not be stored: not everybody who may read may write. Undefined for a
   * backup of a database that was known to be damaged, when every object is right: its manifest says all there is to say.
   */
  readonly recorded: string | LockkeeperError | undefined
  /** Every object that is missing or damaged. */
  readonly objects: readonly ObjectProblem[]
  /** Chunks that were fetched: not those that the copy had from another backup. */
  readonly fetched: number
  /** Undefined when objects were missing or damaged, so that there was nothing to look into. */
  readonly inspection: Inspection | undefined
}

/**
 * Checks one backup; undefined when it was removed meanwhile. A bad one is a result, not a failure; it rejects when the
 * store does, when there is no room for the copy (`io`), with what `inspect` rejects with, and with the reason of the
 * signal. Then nothing is recorded.
 */
export async function verifyBackup(
  repository: Repository,
  backup: Pick<Backup, 'manifest'>,
  options: VerifyOptions,
): Promise<VerifyReport | undefined> {
  const { manifest } = backup
  const { copy, inspect, signal } = options
  signal?.throwIfAborted()
  const started = performance.now()
  const at = new Date().toISOString()
  const { fetched, objects } = await copy.become(repository, manifest, options)
  if (objects.length > 0 && (await isGone(repository, manifest))) return undefined
  const inspection = objects.length > 0 ? undefined : await inspect(copy.path)
  signal?.throwIfAborted()
  const { damaged } = manifest
  const problems = [
    ...objects.map(({ message }) => message),
    ...(inspection?.problems ?? []),
    ...(damaged === false ? [] : [`the database was damaged when it was backed up: ${damaged.reason}`]),
  ]
  const check: Check = {
    backup: manifest.id,
    at,
    kind: options.kind ?? 'verification',
    result: problems.length === 0 ? 'good' : 'bad',
    how: inspection?.how ?? null,
    problems,
    notes: inspection?.notes ?? [],
    by: options.by,
    milliseconds: Math.round(performance.now() - started),
  }
  const recorded = damaged !== false && objects.length === 0 ? undefined : await record(repository, check, objects)
  return { check, recorded, objects, fetched, inspection }
}

async function isGone(repository: Repository, { id }: Manifest): Promise<boolean> {
  try {
    return (await readManifest(repository, manifestKey(id))) === undefined
  } catch (error) {
    damagedObject(manifestKey(id), error)
    return false
  }
}

/** The check, and marks on objects with wrong content, so that no new backup relies on them. */
async function record(
  repository: Repository,
  check: Check,
  objects: readonly ObjectProblem[],
): Promise<string | LockkeeperError> {
  const damaged = objects.filter(({ key, problem }) => problem === 'damaged' && isContentKey(key)).map(({ key }) => key)
  try {
    await mark(repository, 'damaged', await notMarked(repository, damaged), check.by)
    return await recordCheck(repository, check)
  } catch (error) {
    if (error instanceof LockkeeperError && error.code === 'denied') return error
    throw error
  }
}

/** Backups share their chunks, and are verified often: one mark is enough. */
async function notMarked(repository: Repository, damaged: readonly string[]): Promise<string[]> {
  const left = new Set(damaged)
  if (left.size === 0) return []
  for await (const { objects, reason } of readMarks(repository))
    if (reason === 'damaged') for (const key of objects) left.delete(key)
  return [...left]
}
