/** Backups as a job makes them: the repository opened, the facts read from the database, the bytes stored. */
import { basename } from 'node:path'
import { listIds, newestManifest } from '../backup/catalog.ts'
import { type BackupFacts, type BackupResult, createBackup } from '../backup/create.ts'
import type { Tier } from '../backup/format.ts'
import { openRepository, type Repository } from '../backup/repository.ts'
import { readElsewhere } from '../database/bytes.ts'
import type { Connection } from '../database/connection.ts'
import { explainSqliteError } from '../database/explain.ts'
import { fileIdentity, type Header, realDatabasePath } from '../database/location.ts'
import { LockkeeperError } from '../errors.ts'
import { levelOf } from '../migrations/assess.ts'
import { type Actor, appliedVersions, bookkeepingTables, readBookkeeping } from '../migrations/bookkeeping.ts'
import { emptyFingerprint, schemaFingerprint } from '../schema/fingerprint.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { openStore } from '../storage/open.ts'
import { formatBytes } from '../units.ts'
import { findDamage } from '../validation/damage.ts'
import { engineVersions } from '../version.ts'
import type { Listener } from './events.ts'
import { warnOfNewRepository } from './new-repository.ts'
import type { JobOptions, RepositorySettings } from './options.ts'
import { tableRows } from './table-rows.ts'

/**
 * Opens the repository of a database for the time of `work`. The database need not be there: its name is that of the file
 * behind symbolic links where these can be followed, and the one that is given elsewhere.
 * @throws as `openStore` and `openRepository`
 */
export async function withRepository<T>(
  settings: RepositorySettings,
  database: string,
  { create }: { readonly create: boolean },
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  const store: ObjectStore = await openStore(settings.url, settings.store)
  try {
    const repository = await openRepository(store, {
      databaseName: basename(await realDatabasePath(database).catch(() => database)),
      create,
      allowOtherDatabase: settings.allowOtherDatabase ?? false,
    })
    return await work(repository)
  } finally {
    await store.close()
  }
}

/** @throws LockkeeperError `config` unless there is a repository or it was said that there is to be none. */
export function repositoryOf({ noBackup = false, repository }: JobOptions): RepositorySettings | undefined {
  if (noBackup) return undefined
  if (repository === undefined)
    throw new LockkeeperError('config', 'there is something to change, but no repository for the backup before it', {
      hint: 'Set LOCKKEEPER_REPOSITORY (or --repository) to s3://bucket/prefix or file:///path; --no-backup if there is to be no way back.',
    })
  return repository
}

export interface SaveOptions {
  readonly tiers: readonly Tier[]
  readonly note?: string
  readonly actor: Actor
  readonly listener: Listener
  readonly signal?: AbortSignal
  /** See `JobOptions.viewInProcess`; true for a private copy. Default false. */
  readonly inProcess?: boolean
  /** See `fileIdentity`: of the file that is held. Default: nobody can put another in its place. */
  readonly identity?: string | undefined
  /** Why the database is known to be damaged. Default: that is looked for. */
  readonly damaged?: string
}

/** What a manifest says of a database, read through a connection to it. */
export type Described = Pick<BackupFacts, 'database' | 'schema'>

export async function describeDatabase(connection: Connection): Promise<Described> {
  const pragma = async (name: string) =>
    Object.values((await connection.all<Record<string, string | number>>(`PRAGMA ${name}`))[0] ?? {})[0]
  const bookkeeping = await readBookkeeping(connection)
  const applied = appliedVersions(bookkeeping.rows)
  return {
    database: {
      pageSize: Number(await pragma('page_size')),
      journalMode: String(await pragma('journal_mode')),
      // SQLite without UTF-16, as in the sandbox, does not know the question.
      encoding: String((await pragma('encoding')) ?? 'UTF-8'),
    },
    schema: {
      level: levelOf(applied),
      fingerprint: await schemaFingerprint(connection, { exclude: bookkeepingTables(bookkeeping) }),
      applied: applied.size,
    },
  }
}

/** What is left to say of one whose schema cannot be read. */
export function describeUnreadable({
  encoding,
  journalMode,
  pageSize,
}: Omit<Header, 'encoding'> & { readonly encoding: string }): Described {
  return {
    database: { pageSize, journalMode: journalMode === 'wal' ? 'wal' : 'delete', encoding },
    schema: { level: null, fingerprint: null, applied: 0 },
  }
}

/**
 * Stores the bytes of a file that does not change meanwhile: the caller holds the lock, or made a private copy. The
 * backup of a damaged database says so in its manifest.
 * @param connection to the same database; it is checked, and its rows are counted, while the bytes are read; it has to
 * be open still when all are
 */
export async function save(
  repository: Repository,
  file: string,
  connection: Connection,
  described: Described,
  options: SaveOptions,
): Promise<BackupResult> {
  const start = performance.now()
  const { listener, signal, actor, note, tiers, inProcess = false } = options
  // Nothing of a damaged database is asked but what finds the damage.
  if (options.damaged === undefined) await warnOfNewRepository(repository, connection, listener).catch(() => {})
  const damaged = options.damaged ?? damageOf(connection, file)
  const tables = typeof damaged === 'string' ? undefined : rowsUnless(damaged, connection)
  const facts = {
    ...described,
    tiers,
    ...(note === undefined ? {} : { note }),
    engine: engineVersions(),
    by: originOf(actor),
    damaged,
    tables,
  }
  // The process that holds the lock answers as long as it lives; nothing is asked that a damaged file could not answer.
  const confirm = async () => {
    await connection.exec('')
    if (options.identity === undefined || (await fileIdentity(file)) === options.identity) return
    throw new LockkeeperError('busy', `the file at ${file} was replaced while it was backed up`, {
      hint: 'There is no backup of it. Find out what moved or replaced it, then run again.',
    })
  }
  const reader = inProcess ? undefined : readElsewhere(file, signal)
  const result = await createBackup(repository, file, facts, {
    ...(signal === undefined ? {} : { signal }),
    ...(reader === undefined ? {} : { through: reader }),
    reuseIfUnchanged: true,
    confirm,
    onProgress: ({ bytes, total }) => listener({ kind: 'progress', step: 'backup', done: bytes, total, unit: 'bytes' }),
  })
    .catch(async (error: unknown) => {
      // Whatever failed once the lock was gone, that it is gone is what happened.
      await confirm()
      throw error
    })
    .finally(() => reader?.close())
  listener({
    kind: 'step',
    step: 'backup',
    message: describeResult(result, repository),
    milliseconds: performance.now() - start,
  })
  return result
}

function damageOf(connection: Connection, file: string): Promise<string | undefined> {
  const damaged = findDamage(connection).catch((error: unknown) => {
    throw explainSqliteError(error, `cannot check the database ${file}`)
  })
  // Where the backup fails first, that is what is told.
  damaged.catch(() => {})
  return damaged
}

/** Of a damaged database they are not counted. */
function rowsUnless(damaged: Promise<string | undefined>, connection: Connection) {
  const tables = damaged.then(reason => (reason === undefined ? tableRows(connection) : undefined))
  tables.catch(() => {})
  return tables
}

function describeResult(result: BackupResult, { store }: Repository): string {
  const { existing, id, manifest, stored } = result
  const size = formatBytes(manifest.database.bytes)
  const mark = manifest.damaged === false ? '' : '; the database is damaged, and the backup is marked so'
  if (existing !== undefined) return `${id} in ${store.url} has these very bytes already (${size})${mark}`
  const added = `${stored.chunks} new ${stored.chunks === 1 ? 'chunk' : 'chunks'} (${formatBytes(stored.bytes)})`
  return `${id} in ${store.url}: ${size}, ${stored.chunks === 0 ? 'nothing new to store' : added}, read back${mark}`
}

/** Who did it, as a repository has it. */
export function originOf({ host, ...rest }: Actor) {
  const known = Object.entries(rest).filter((entry): entry is [string, string] => entry[1] !== null)
  return { host: host ?? 'unknown', ...Object.fromEntries(known) }
}

/**
 * Whether the repository has a backup of this database, other than of an empty one.
 * @param historyOnly count only those in which a migration is on record
 */
export async function hasBackups(
  repository: Repository,
  historyOnly = false,
): Promise<{ readonly newest: string; readonly count: number } | undefined> {
  const ids = await listIds(repository)
  let readable = 0
  const newest = await newestManifest(repository, ids, ({ schema }) => {
    readable++
    return historyOnly ? schema.applied > 0 : schema.fingerprint !== emptyFingerprint
  })
  if (newest !== undefined) return { newest: newest.id, count: ids.length }
  if (readable < ids.length)
    throw new LockkeeperError('invalid', `the manifests in ${repository.store.url} cannot be read`, {
      hint: 'Backups may be there: lockkeeper backups says what is wrong with them. To start anew all the same: --first-install.',
    })
  return undefined
}

/**
 * The fourth step: a backup of exactly the bytes that are about to change; null where none is wanted. Under the lock.
 * @throws LockkeeperError `invalid` when the database is damaged; the backup is kept all the same
 */
export async function wayBack(db: Connection, options: JobOptions, tier: Tier): Promise<string | null> {
  const { actor, database, listener, signal, viewInProcess = false } = options
  const settings = repositoryOf(options)
  if (settings === undefined) {
    await refuseDamaged(db, database)
    listener({ kind: 'warning', step: 'backup', message: 'no backup, as told: there will be no way back' })
    return null
  }
  const identity = await fileIdentity(database)
  const described = await describeDatabase(db)
  return withRepository(settings, database, { create: true }, async repository => {
    const { id, manifest } = await save(repository, database, db, described, {
      identity,
      inProcess: viewInProcess,
      tiers: [tier],
      actor,
      listener,
      ...(signal === undefined ? {} : { signal }),
    })
    if (manifest.damaged !== false) throw damage(database, manifest.damaged.reason, id)
    return id
  })
}

/** Before a change without a backup. @throws LockkeeperError `invalid` when the database is damaged */
export async function refuseDamaged(db: Connection, database: string): Promise<void> {
  const reason = await findDamage(db)
  if (reason !== undefined) throw damage(database, reason, undefined)
}

function damage(database: string, reason: string, backup: string | undefined): LockkeeperError {
  const kept = backup === undefined ? '' : ` Its bytes are kept as ${backup}, marked as damaged.`
  return new LockkeeperError('invalid', `the database ${database} is damaged: ${reason}`, {
    hint: `Nothing was changed in it.${kept} lockkeeper restore --latest brings back the newest good backup.`,
    details: { path: database, damage: reason, ...(backup === undefined ? {} : { backup }) },
  })
}
