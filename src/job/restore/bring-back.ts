/** A restore inside a deploy: as `restore`, and refused before anything is touched where the deploy could not go on from there. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Repository } from '../../backup/repository.ts'
import type { Selection } from '../../backup/select.ts'
import { LockkeeperError } from '../../errors.ts'
import type { Migration } from '../../migrations/model.ts'
import type { DeployOptions, RestoredFirst } from '../options.ts'
import { inPrivateFolder } from '../private-folder.ts'
import { fetchGood } from './fetch.ts'
import { refuseUndeployable } from './image.ts'
import { type PutOptions, putInPlace } from './put.ts'

export interface Wanted extends Pick<PutOptions, 'value' | 'stillWanted'> {
  readonly selection: Selection
  /** The last step before the lock goes. */
  readonly afterwards?: (
    held: Parameters<NonNullable<PutOptions['afterwards']>>[0],
    done: RestoredFirst,
  ) => Promise<void>
}

/** @returns undefined when it was not wanted any more once the lock was there */
export function bringBack(
  repository: Repository,
  options: DeployOptions,
  migrations: readonly Migration[],
  { afterwards, selection, ...wanted }: Wanted,
): Promise<RestoredFirst | undefined> {
  const { database, listener, signal } = options
  return inPrivateFolder(options.tmpdir ?? tmpdir(), async folder => {
    const copy = join(folder, 'restored.db')
    const { found, manifest } = await fetchGood(repository, {
      selection,
      copy,
      examine: connection => refuseUndeployable(connection, options, migrations),
      listener,
      ...(signal === undefined ? {} : { signal }),
    })
    if ('problem' in found) throw undeployable(manifest.id, found.problem)
    const kept = await putInPlace(repository, {
      ...options,
      ...wanted,
      target: database,
      copy,
      manifest,
      afterwards: async (held, { safety }) => afterwards?.(held, { backup: manifest.id, safety }),
    })
    return kept && { backup: manifest.id, safety: kept.safety }
  })
}

function undeployable(id: string, problem: unknown): unknown {
  if (!(problem instanceof LockkeeperError)) return problem
  const { code, details, hint, message } = problem
  return new LockkeeperError(code, `the backup ${id} is not restored, for this deploy could not go on: ${message}`, {
    hint: `Nothing was touched. ${hint ?? ''}`.trim(),
    cause: problem,
    details: { ...details, backup: id },
  })
}
