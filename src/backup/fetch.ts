/** Bringing a backup back as a file. */

import { LockkeeperError } from '../errors.ts'
import { assemble } from './assemble.ts'
import type { Backup } from './catalog.ts'
import { manifestKey } from './format.ts'
import type { Manifest } from './manifest.ts'
import { writePrivateFile } from './private-file.ts'
import type { OnProgress } from './progress.ts'
import type { ObjectProblem } from './recheck.ts'
import type { Repository } from './repository.ts'

export interface FetchOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

/**
 * Writes the database that a backup holds to a new file at `toPath`, readable by its owner alone, durable when it
 * resolves. Every chunk and the whole are checked against their hashes. Whether SQLite accepts it is not looked at.
 * Rejects with
 * - `invalid`, naming the object, when one is missing or damaged or the whole is not what the manifest says;
 * - `usage` when there is something at `toPath` already, `io` when its volume has not enough room;
 * - whatever the store rejects with, or the reason of the signal.
 * Then there is no file at `toPath`, or the one that was there before.
 */
export async function fetchBackup(
  repository: Repository,
  backup: Pick<Backup, 'manifest'>,
  toPath: string,
  { signal, onProgress = () => {} }: FetchOptions = {},
): Promise<void> {
  const { manifest } = backup
  signal?.throwIfAborted()
  await writePrivateFile(toPath, manifest.database.bytes, async file => {
    const onProblem = (problem: ObjectProblem) => {
      throw broken(manifest, problem)
    }
    const onChunk = (plain: Uint8Array, offset: number) => file.write(plain, offset)
    const sha256 = await assemble(repository, manifest, { onChunk, onProblem, onProgress, signal })
    if (sha256 !== manifest.database.sha256) throw broken(manifest, wrongWhole(manifest, sha256))
  })
}

/** When all chunks are what they are called, but are not the database that the manifest describes. */
export function wrongWhole(manifest: Manifest, sha256: string | undefined): ObjectProblem {
  const key = manifestKey(manifest.id)
  const message = `${key}: its chunks are whole, but together their SHA-256 is ${sha256}, not ${manifest.database.sha256}`
  return { key, problem: 'damaged', message }
}

function broken({ id }: Manifest, { key, problem, message }: ObjectProblem): LockkeeperError {
  return new LockkeeperError('invalid', `the backup ${id} cannot be restored: ${message}`, {
    hint: `Use another backup: \`lockkeeper backups\` lists them. \`lockkeeper verify ${id}\` names everything that is wrong with this one.`,
    details: { backup: id, object: key, problem },
  })
}
