/** The third step: the database for this job alone, once it is sure that it is the right one. */
import type { DatabaseProcess } from '../database/child-process.ts'
import { openExclusive } from '../database/exclusive.ts'
import { fileIdentity, inspectFile } from '../database/location.ts'
import { LockkeeperError } from '../errors.ts'
import { counted } from '../units.ts'
import { step } from './events.ts'
import type { DeployOptions, JobOptions } from './options.ts'
import { requireRoomForChange } from './room.ts'
import { hasBackups, withRepository } from './save.ts'

/** What a database is that has tables which no history of ours explains. */
export const withoutHistory = 'without its history'

/**
 * A volume that is empty although backups of it exist is a loss, not a first install; and so is one that has tables, but
 * no history, where the backups have one. @throws LockkeeperError `missing`
 * @param what what is there instead: `not there`, `empty`
 */
export async function refuseLostVolume(
  options: DeployOptions,
  what: string,
  { create }: { readonly create: boolean } = { create: true },
): Promise<void> {
  const { database, firstInstall, repository: settings } = options
  const historyOnly = what === withoutHistory
  if (firstInstall || settings === undefined) return
  await withRepository(settings, database, { create }, async repository => {
    const found = await hasBackups(repository, historyOnly)
    if (found === undefined) return
    throw new LockkeeperError(
      'missing',
      `the database ${database} is ${what}, but ${repository.store.url} has ${counted(found.count, 'backup')} of it, the newest ${found.newest}`,
      {
        hint: 'Is this the right volume? If so, lockkeeper restore --latest brings the newest good backup back. To begin with an empty database all the same: --first-install.',
        details: { database, repository: repository.store.url, newest: found.newest },
      },
    )
  })
}

export interface Taken {
  readonly db: DatabaseProcess
  /**
   * Makes sure that the file at the path is still the one that is locked: SQLite would go on with a file that was moved
   * away, and its write-ahead log would be taken for the new one's.
   * @throws LockkeeperError `busy` if not; then the process that held it is gone
   */
  confirm(): Promise<void>
}

interface TakeOptions {
  /** Create one that is not there. */
  readonly create: boolean
  /** See `OpenOptions`. */
  readonly doubleQuotedStrings?: boolean
  /** See `LockOptions`. */
  readonly whileWaiting?: () => Promise<void>
}

/** Waits for a database in use. */
export function take(
  { database, listener, lockTimeout, signal, tmpdir, viewInProcess = false }: JobOptions,
  { create, doubleQuotedStrings = false, whileWaiting }: TakeOptions,
): Promise<Taken> {
  return step(listener, 'lock', async () => {
    const before = await inspectFile(database, { inProcess: viewInProcess })
    await requireRoomForChange({ database, listener }, before)
    const identity = await fileIdentity(database)
    const db = await openExclusive(database, {
      ...(tmpdir === undefined ? {} : { tmpdir }),
      create: create && before.kind !== 'database',
      doubleQuotedStrings,
      lockTimeout,
      ...(signal === undefined ? {} : { signal }),
      ...(whileWaiting === undefined ? {} : { whileWaiting }),
      onWaiting: (waited, holders) =>
        listener({
          kind: 'note',
          step: 'lock',
          message: `in use by another process; waiting, ${Math.round(waited / 1000)} of ${Math.round(lockTimeout / 1000)} s: ${holders}`,
        }),
    })
    const held = identity ?? (await fileIdentity(database))
    const confirm = async () => {
      if ((await fileIdentity(database)) === held) return
      await db.abandon()
      throw new LockkeeperError('busy', `the file at ${database} was replaced while it was locked`, {
        hint: 'Nothing was changed in either file. Find out what moved or replaced it, then run again.',
        details: { database },
      })
    }
    await confirm()
    const message =
      before.kind === 'missing' ? `${database} created: a first install` : `${database} is locked for everybody else`
    return { message, value: { db, confirm } }
  })
}
