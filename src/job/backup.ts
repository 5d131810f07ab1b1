/** A backup beside a running application: a consistent private copy, stored. */
import { mkdtemp, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { BackupResult } from '../backup/create.ts'
import type { Tier } from '../backup/format.ts'
import { inspectFile, realDatabasePath } from '../database/location.ts'
import { copySnapshot } from '../database/snapshot.ts'
import { viewDatabase } from '../database/view.ts'
import { explainSystemError, LockkeeperError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { step } from './events.ts'
import type { JobOptions } from './options.ts'
import { describeDatabase, repositoryOf, save, withRepository } from './save.ts'

export interface BackupJobOptions extends JobOptions {
  readonly tiers: readonly Tier[]
  readonly note?: string
  /** Folder with room for a copy of the database. */
  readonly tmpdir: string
}

/** @throws LockkeeperError `missing` when there is no database, or nothing in it; otherwise as the parts it is made of */
export async function backUp(options: BackupJobOptions): Promise<BackupResult> {
  const { actor, listener, lockTimeout, note, signal, tiers, tmpdir, viewInProcess = false } = options
  const database = await realDatabasePath(options.database)
  const settings = repositoryOf(options)
  if (settings === undefined)
    throw new LockkeeperError('config', 'a backup needs a repository', { hint: 'Set LOCKKEEPER_REPOSITORY.' })
  const presence = await inspectFile(database, { inProcess: viewInProcess })
  if (presence.kind !== 'database')
    throw new LockkeeperError(
      'missing',
      `there is nothing to back up: ${database} is ${presence.kind === 'missing' ? 'not there' : 'empty'}`,
      {
        hint: 'Is DATABASE_URL right, and the volume mounted?',
      },
    )
  return inPrivateFolder(tmpdir, async folder => {
    const copy = join(folder, basename(database))
    await step(listener, 'look', async () => {
      await copySnapshot(database, copy, { lockTimeout, ...(signal === undefined ? {} : { signal }) })
      const waits =
        presence.header.journalMode === 'rollback' ? '; writers waited for it, which they would not in WAL mode' : ''
      return { message: `a consistent copy of ${database} (${formatBytes(presence.bytes)})${waits}`, value: undefined }
    })
    const viewed = await viewDatabase(copy, describeDatabase, { inProcess: true })
    if (!('value' in viewed))
      throw new LockkeeperError('io', `the private copy has vanished from ${folder}`, {
        hint: 'Something else removes files there: name another folder with LOCKKEEPER_TMPDIR.',
      })
    const described = viewed.value
    const facts = {
      ...described,
      database: { ...described.database, journalMode: presence.header.journalMode === 'wal' ? 'wal' : 'delete' },
    }
    return withRepository(settings, database, { create: true }, repository =>
      save(repository, copy, facts, {
        tiers,
        actor,
        listener,
        ...(note === undefined ? {} : { note }),
        ...(signal === undefined ? {} : { signal }),
      }),
    )
  })
}

/** A folder that nobody else can look into, removed afterwards. */
export async function inPrivateFolder<T>(tmpdir: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir, 'lockkeeper-')).catch((error: unknown) => {
    throw explainSystemError(
      error,
      `cannot make a private folder in ${tmpdir}`,
      'Name a folder with room for a copy of the database: LOCKKEEPER_TMPDIR.',
    )
  })
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
