/**
 * Verifying a backup: everything that it names is fetched and checked, and the database that it holds is looked at by
 * whatever the caller passes. The result is recorded beside the backup. Objects with wrong content are marked, so that
 * the next backup stores them again instead of relying on them.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { explainSystemError } from '../errors.ts'
import { assemble } from './assemble.ts'
import type { Backup } from './catalog.ts'
import { type Check, recordCheck } from './checks.ts'
import { wrongWhole } from './fetch.ts'
import { isContentKey } from './format.ts'
import type { Manifest, Origin } from './manifest.ts'
import { mark } from './marks.ts'
import { writePrivateFile } from './private-file.ts'
import type { OnProgress } from './progress.ts'
import type { ObjectProblem } from './recheck.ts'
import type { Repository } from './repository.ts'

/** What was found by looking into the database. */
export interface Inspection {
  /** How it was looked at, for people: `integrity_check in the sandbox`. */
  readonly how: string
  /** What is wrong, a sentence each; empty when all is well. */
  readonly problems: readonly string[]
}

export interface VerifyOptions {
  /**
   * Looks into the database at this path, a private copy in rollback mode or WAL mode as it was backed up, that is
   * deleted afterwards. Called only when every object is there and right. What it rejects with, `verifyBackup` rejects with.
   */
  readonly inspect: (path: string) => Promise<Inspection>
  /** An existing folder with room for the database. */
  readonly folder: string
  readonly by: Origin
  /** Default `verification`. */
  readonly kind?: Check['kind']
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

export interface VerifyReport {
  readonly check: Check
  /** Key of the record of this check. */
  readonly recorded: string
  /** Every object that is missing or damaged. */
  readonly objects: readonly ObjectProblem[]
  /** Undefined when objects were missing or damaged, so that there was nothing to look into. */
  readonly inspection: Inspection | undefined
}

/**
 * Checks one backup. A bad one is a result, not a failure; it rejects when the store does, when the folder has no room
 * (`io`), with what `inspect` rejects with, and with the reason of the signal. Then nothing is recorded.
 */
export async function verifyBackup(
  repository: Repository,
  backup: Pick<Backup, 'manifest'>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const { manifest } = backup
  const started = performance.now()
  const at = new Date().toISOString()
  const { objects, inspection } = await look(repository, manifest, options)
  const { damaged } = manifest
  const problems = [
    ...objects.map(({ message }) => message),
    ...(inspection?.problems ?? []),
    ...(damaged === false ? [] : [`the database was damaged when it was backed up: ${damaged.reason}`]),
  ]
  const wrongContent = objects.filter(({ key, problem }) => problem === 'damaged' && isContentKey(key))
  await mark(
    repository,
    'damaged',
    wrongContent.map(({ key }) => key),
    options.by,
  )
  const check: Check = {
    backup: manifest.id,
    at,
    kind: options.kind ?? 'verification',
    result: problems.length === 0 ? 'good' : 'bad',
    how: inspection?.how ?? null,
    problems,
    notes: [],
    by: options.by,
    milliseconds: Math.round(performance.now() - started),
  }
  return { check, recorded: await recordCheck(repository, check), objects, inspection }
}

async function look(
  repository: Repository,
  manifest: Manifest,
  { inspect, folder, signal, onProgress = () => {} }: VerifyOptions,
): Promise<Pick<VerifyReport, 'objects' | 'inspection'>> {
  signal?.throwIfAborted()
  const objects: ObjectProblem[] = []
  const own = await mkdtemp(join(folder, 'lockkeeper-verify-')).catch(error => {
    throw explainSystemError(error, `cannot make a folder in ${folder}`)
  })
  try {
    const path = join(own, 'database')
    await writePrivateFile(path, manifest.database.bytes, async file => {
      const sha256 = await assemble(repository, manifest, {
        onChunk: (plain, offset) => file.write(plain, offset),
        onProblem: problem => objects.push(problem),
        onProgress,
        signal,
      })
      if (sha256 !== undefined && sha256 !== manifest.database.sha256) objects.push(wrongWhole(manifest, sha256))
    })
    if (objects.length > 0) return { objects, inspection: undefined }
    const inspection = await inspect(path)
    signal?.throwIfAborted()
    return { objects, inspection }
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}
