/** A backup beside a running application: a consistent private copy, stored. */
import { basename, join } from 'node:path'
import type { BackupResult } from '../backup/create.ts'
import type { Tier } from '../backup/format.ts'
import { DatabaseProcess } from '../database/child-process.ts'
import type { Connection } from '../database/connection.ts'
import { isDamaged } from '../database/explain.ts'
import { holdStill, LogTooLarge, watchLog } from '../database/held.ts'
import { fileIdentity, fileUri, type Header, inspectFile } from '../database/location.ts'
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
}

/** @throws LockkeeperError `missing` when there is no database, or nothing in it; otherwise as the parts it is made of */
export async function backUp(options: BackupJobOptions): Promise<BackupResult> {
  const { actor, listener, note, tiers, viewInProcess = false } = options
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
  const { header } = presence
  const store: Store = async (connection, file, inProcess, aborting, identity) => {
    const described = await describe(connection, header)
    return withRepository(settings, database, { create: true }, repository =>
      save(repository, file, connection, described, {
        identity,
        inProcess,
        tiers,
        actor,
        listener,
        ...(note === undefined ? {} : { note }),
        ...(aborting === undefined ? {} : { signal: aborting }),
      }),
    )
  }
  return (
    (header.journalMode === 'wal' ? await storeHeld(database, presence.bytes, options, store) : undefined) ??
    storeCopy(database, presence, options, store)
  )
}

/** Stores what a file holds, through a connection that reads the same. */
type Store = (
  connection: Connection,
  file: string,
  inProcess: boolean,
  signal: AbortSignal | undefined,
  identity?: string,
) => Promise<BackupResult>

/** Where it can be: no room is needed, and nobody waits. Undefined: it cannot, or not any longer. */
async function storeHeld(
  database: string,
  bytes: number,
  { listener, lockTimeout, signal, viewInProcess = false }: BackupJobOptions,
  store: Store,
): Promise<BackupResult | undefined> {
  const identity = await fileIdentity(database)
  const held = await step(listener, 'look', async () => {
    const value = await holdStill(database, { lockTimeout, ...(signal === undefined ? {} : { signal }) })
    const size = formatBytes(bytes)
    return {
      message:
        value === undefined
          ? `${database} (${size}) cannot be held still, so it is copied`
          : `${database} (${size}) is held still, while others write in its log`,
      value,
    }
  })
  if (held === undefined) return undefined
  try {
    return await watchLog(database, signal, aborting => store(held, database, viewInProcess, aborting, identity))
  } catch (error) {
    if (!(error instanceof LogTooLarge) || signal?.aborted === true) throw error
    listener({ kind: 'note', step: 'backup', message: `${error.message}: it is let go and copied instead` })
    return undefined
  } finally {
    await held.close()
  }
}

/** A private copy, which needs as much room. In rollback mode writers wait for it. */
function storeCopy(
  database: string,
  { bytes, header }: { readonly bytes: number; readonly header: Header },
  { listener, lockTimeout, signal, tmpdir }: BackupJobOptions,
  store: Store,
): Promise<BackupResult> {
  const aborting = signal === undefined ? {} : { signal }
  return inPrivateFolder(tmpdir, async folder => {
    const copy = join(folder, basename(database))
    await step(listener, 'look', async () => {
      await copySnapshot(database, copy, { lockTimeout, ...aborting })
      const waits = header.journalMode === 'wal' ? '' : '; writers waited for it, which they would not in WAL mode'
      return { message: `a consistent copy of ${database} (${formatBytes(bytes)})${waits}`, value: undefined }
    })
    const location = fileUri(copy, { immutable: '1' })
    const connection = await DatabaseProcess.open({ location, readOnly: true }, signal)
    try {
      return await store(connection, copy, true, signal)
    } finally {
      await connection.close()
    }
  })
}

/** A copy, or a reader that cannot be asked, is in no journal mode of its own. */
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
