/** A backup beside a running application: a consistent private copy, stored. */
import { basename, join } from 'node:path'
import type { BackupResult } from '../backup/create.ts'
import type { Tier } from '../backup/format.ts'
import { DatabaseProcess } from '../database/child-process.ts'
import type { Connection } from '../database/connection.ts'
import { isDamaged } from '../database/explain.ts'
import { fileUri, type Header, inspectFile } from '../database/location.ts'
import { copySnapshot } from '../database/snapshot.ts'
import { LockkeeperError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { step } from './events.ts'
import { locate } from './locate.ts'
import type { JobOptions } from './options.ts'
import { inPrivateFolder } from './private-folder.ts'
import { type Described, describeDatabase, describeUnreadable, repositoryOf, save, withRepository } from './save.ts'

export interface BackupJobOptions extends JobOptions {
  readonly tiers: readonly Tier[]
  readonly note?: string
  /** Folder with room for a copy of the database. */
  readonly tmpdir: string
  /** What time it is, for the backup's name. Default: the clock of the machine. */
  readonly now?: () => Date
}

/** @throws LockkeeperError `missing` when there is no database, or nothing in it; otherwise as the parts it is made of */
export async function backUp(options: BackupJobOptions): Promise<BackupResult> {
  const { actor, listener, lockTimeout, note, signal, tiers, tmpdir, viewInProcess = false } = options
  const { now = () => new Date() } = options
  const database = await locate(options)
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
    const at = now()
    const connection = await DatabaseProcess.open(
      { location: fileUri(copy, { immutable: '1' }), readOnly: true },
      signal,
    )
    try {
      const described = await describe(connection, presence.header)
      return await withRepository(settings, database, { create: true }, repository =>
        save(repository, copy, connection, described, {
          inProcess: true,
          tiers,
          at,
          actor,
          listener,
          ...(note === undefined ? {} : { note }),
          ...(signal === undefined ? {} : { signal }),
        }),
      )
    } finally {
      await connection.close()
    }
  })
}

/** A copy is not in the journal mode of its original. */
async function describe(copy: Connection, header: Header): Promise<Described> {
  const plain = describeUnreadable(header)
  try {
    const { database, schema } = await describeDatabase(copy)
    return { schema, database: { ...database, journalMode: plain.database.journalMode } }
  } catch (error) {
    if (isDamaged(error)) return plain
    throw error
  }
}
