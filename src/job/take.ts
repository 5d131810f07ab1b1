/** The third step: the database for this job alone, once it is sure that it is the right one. */
import type { DatabaseProcess } from '../database/child-process.ts'
import { openExclusive } from '../database/exclusive.ts'
import { inspectFile, type Presence } from '../database/location.ts'
import { LockkeeperError } from '../errors.ts'
import { step } from './events.ts'
import type { DeployOptions, JobOptions } from './options.ts'
import { hasBackups, repositoryOf, withRepository } from './save.ts'

/** A volume that is empty although backups of it exist is a loss, not a first install. @throws LockkeeperError `missing` */
export async function refuseEmptyVolume(options: DeployOptions, presence: Presence): Promise<void> {
  const settings = repositoryOf(options)
  if (options.firstInstall || settings === undefined) return
  const { database } = options
  await withRepository(settings, database, { create: true }, async repository => {
    const found = await hasBackups(repository)
    if (found === undefined) return
    throw new LockkeeperError(
      'missing',
      `the database ${database} is ${presence.kind === 'missing' ? 'not there' : 'empty'}, but ${repository.store.url} has ${found.count} ${found.count === 1 ? 'backup' : 'backups'} of it, the newest ${found.newest}`,
      {
        hint: 'Is this the right volume? If so, lockkeeper restore --latest brings the newest good backup back. To begin with an empty database all the same: --first-install.',
        details: { database, repository: repository.store.url, newest: found.newest },
      },
    )
  })
}

/** Waits for a database in use; creates one that is not there. */
export function take(
  { database, listener, lockTimeout, signal, viewInProcess = false }: JobOptions,
  create: boolean,
): Promise<DatabaseProcess> {
  return step(listener, 'lock', async () => {
    const before = await inspectFile(database, { inProcess: viewInProcess })
    const value = await openExclusive(database, {
      create: create && before.kind !== 'database',
      lockTimeout,
      ...(signal === undefined ? {} : { signal }),
      onWaiting: waited =>
        listener({
          kind: 'note',
          step: 'lock',
          message: `in use by another process; waiting, ${Math.round(waited / 1000)} of ${Math.round(lockTimeout / 1000)} s`,
        }),
    })
    const message =
      before.kind === 'missing' ? `${database} created: a first install` : `${database} is locked for everybody else`
    return { message, value }
  })
}
