/** What is there is kept before it is replaced: as a `pre-restore` backup, whatever state it is in. Under the lock. */
import { basename } from 'node:path'
import type { Repository } from '../../backup/repository.ts'
import { isDamaged } from '../../database/explain.ts'
import { fileSize, inspectFile } from '../../database/location.ts'
import type { Held } from '../../database/replace.ts'
import { LockkeeperError } from '../../errors.ts'
import type { JobOptions } from '../options.ts'
import { type Described, describeDatabase, describeUnreadable, save } from '../save.ts'

export interface Kept {
  /** Id of the backup; null: nothing was there. */
  readonly safety: string | null
  /** At which it was, as far as that could be read. */
  readonly level: string | null
  readonly damaged: boolean
}

type KeepOptions = Pick<JobOptions, 'actor' | 'listener' | 'signal' | 'viewInProcess'>

export async function keepBefore(
  { child, file, found }: Held,
  repository: Repository,
  { actor, listener, signal, viewInProcess: inProcess = false }: KeepOptions,
): Promise<Kept> {
  if (found.kind === 'nothing') return { safety: null, level: null, damaged: false }
  const store = (path: string, described: Described, extra: { note?: string; damaged?: string } = {}) =>
    save(repository, path, child, described, {
      inProcess,
      tiers: ['pre-restore'],
      actor,
      listener,
      ...extra,
      ...(signal === undefined ? {} : { signal }),
    })
  if (found.kind === 'database') {
    const described = await describeDatabase(child).catch(async (error: unknown) => {
      // A record that is not ours, or cannot be read: the bytes are what matters.
      if (isDamaged(error) || (error instanceof LockkeeperError && error.code === 'invalid'))
        return plain(file, inProcess)
      throw error
    })
    const { id, manifest } = await store(file, described)
    return { safety: id, level: described.schema.level, damaged: manifest.damaged !== false }
  }
  const described = await plain(file, inProcess)
  // First what belongs to it, so that the file itself is what an undo finds.
  for (const suffix of ['-wal', '-journal'])
    if (((await fileSize(`${file}${suffix}`)) ?? 0) > 0)
      await store(`${file}${suffix}`, described, {
        note: `${basename(file)}${suffix}, which lay beside the damaged database`,
        damaged: `this is ${basename(file)}${suffix} and no database`,
      })
  const { id } = await store(file, described, { damaged: found.reason })
  return { safety: id, level: null, damaged: true }
}

/** What the header says, as far as there is one. */
async function plain(file: string, inProcess: boolean): Promise<Described> {
  const presence = await inspectFile(file, { inProcess }).catch(() => undefined)
  const header = presence?.kind === 'database' ? presence.header : undefined
  return describeUnreadable(header ?? { pageSize: 0, journalMode: 'rollback', encoding: 'unknown' })
}
