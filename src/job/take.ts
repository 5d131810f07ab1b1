/** The third step: the database for this job alone, once it is sure that it is the right one. */
import { realpath } from 'node:fs/promises'
import type { DatabaseProcess } from '../database/child-process.ts'
import { openExclusive } from '../database/exclusive.ts'
import { inspectFile, type Presence } from '../database/location.ts'
import { viewDatabase } from '../database/view.ts'
import { LockkeeperError, systemCode } from '../errors.ts'
import { findLevel } from '../migrations/adoption.ts'
import type { Migration } from '../migrations/model.ts'
import { readSchema } from '../schema/read.ts'
import { step } from './events.ts'
import type { DeployOptions, JobOptions } from './options.ts'
import { hasBackups, repositoryOf, withRepository } from './save.ts'

/** The file behind symbolic links: SQLite keeps journal and log beside that one. */
export async function realDatabasePath(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return path
    throw error
  }
}

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

/** Names the level that could be taken over. @throws LockkeeperError `invalid`, always */
export async function refuseUnadopted(options: DeployOptions, migrations: readonly Migration[]): Promise<never> {
  const { database, drift, signal, viewInProcess = false } = options
  const viewed = await viewDatabase(database, readSchema, { inProcess: viewInProcess })
  if (!('value' in viewed)) throw new LockkeeperError('missing', `the database ${database} has vanished`)
  const { applied } = await findLevel(viewed.value, migrations, drift.ignore, signal)
  const level = applied.at(-1)?.version
  throw new LockkeeperError('invalid', `${database} has tables but no bookkeeping; its schema equals level ${level}`, {
    hint: 'Nothing was touched. Take it over at that level, and go on from there, with: lockkeeper run --adopt',
    details: { level },
  })
}

/** Waits for a database in use; creates one that is not there. */
export function take(
  { database, listener, lockTimeout, signal }: JobOptions,
  create: boolean,
): Promise<DatabaseProcess> {
  return step(listener, 'lock', async () => {
    const before = await inspectFile(database)
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
