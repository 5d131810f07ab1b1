/** A backup as a new file, beside the database or far from it: to look into, to take rows from, to have at all. */
import { constants } from 'node:fs'
import { copyFile, link, lstat, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Selection } from '../../backup/select.ts'
import { setHeaderMode } from '../../database/header-mode.ts'
import { sizeOfDatabase } from '../../database/location.ts'
import { explainSystemError, LockkeeperError, systemCode } from '../../errors.ts'
import type { JobOptions } from '../options.ts'
import { inPrivateFolder } from '../private-folder.ts'
import { withRepository } from '../save.ts'
import { fetchGood } from './fetch.ts'

export interface RestoreBesideOptions extends Pick<JobOptions, 'database' | 'listener' | 'repository' | 'signal'> {
  readonly selection: Selection
  /** The new file. Nothing may be there; its folder has to have room for the database. */
  readonly to: string
}

export interface RestoredBeside {
  /** Id of the backup. */
  readonly restored: string
  /** The new file, readable by its owner alone. */
  readonly file: string
  readonly bytes: number
  readonly level: string | null
  readonly passedOver: readonly { readonly id: string; readonly reason: string }[]
  /** How it was checked. */
  readonly checked: string
  /** Why it is no sound database: a backup of a damaged one, asked for by name. Null: it is sound. */
  readonly damaged: string | null
}

/**
 * The bytes of the backup, under a name that appears when they are complete. One of a damaged database, asked for by its
 * id, comes as it is.
 * @throws LockkeeperError `usage` when something is there, `invalid` when a log or a journal of a database that was is, and
 * as `restore`
 */
export async function restoreBeside(options: RestoreBesideOptions): Promise<RestoredBeside> {
  const { database, listener, repository: settings, selection, signal } = options
  if (settings === undefined)
    throw new LockkeeperError('config', 'a restore needs a repository', { hint: 'Set LOCKKEEPER_REPOSITORY.' })
  const file = resolve(options.to)
  await refuseExisting(file)
  await stat(dirname(file)).catch((error: unknown) => {
    throw explainSystemError(error, `cannot write ${file}`, 'Make the folder first, or name another one.')
  })
  return withRepository(settings, database, { create: false }, repository =>
    inPrivateFolder(dirname(file), async folder => {
      const copy = join(folder, basename(file))
      const { checked, manifest, passedOver } = await fetchGood(repository, {
        selection,
        copy,
        evenDamaged: true,
        examine: async () => {},
        listener,
        ...(signal === undefined ? {} : { signal }),
      })
      const { damaged, database, id, schema } = manifest
      if (damaged === false) await setHeaderMode(copy, database.journalMode === 'wal' ? 'wal' : 'rollback')
      await giveName(copy, file)
      return {
        restored: id,
        file,
        bytes: database.bytes,
        level: schema.level,
        passedOver,
        checked,
        damaged: damaged === false ? null : damaged.reason,
      }
    }),
  )
}

async function giveName(copy: string, file: string): Promise<void> {
  try {
    // Unlike a rename it does not write over what has come there meanwhile.
    await link(copy, file)
  } catch (error) {
    await refuseExisting(file)
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'].includes(systemCode(error) ?? ''))
      throw explainSystemError(error, `cannot write ${file}`)
    await copyFile(copy, file, constants.COPYFILE_EXCL)
  }
}

async function refuseExisting(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined)
  if (there !== undefined)
    throw new LockkeeperError('usage', `${path} is there already`, {
      hint: '--to takes the name of a file that is not there yet.',
    })
  // SQLite would take them for the new file's, and change its content by them.
  await sizeOfDatabase(path)
}
