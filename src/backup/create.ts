/**
 * Making a backup. Each step relies only on steps before it, so that a kill leaves behind, after
 *   the intent:             an intent. It spares some objects from a prune until the time in its name, and does nothing else.
 *   some chunks:            chunks that no manifest names. The next backup uses those that it needs, after reading them
 *                           back; a prune removes the others.
 *   some lists, the flush:  the same. A list may be there before the chunks that it names: nothing looks at a list
 *                           that no manifest names.
 *   reading back:           the same. Nobody takes the word of the killed process for it; see `trusted` in `place.ts`.
 *   the manifest:           a complete backup, and its intent. `repository.json` is looked for once more: a volume that was
 *                           unmounted meanwhile has left an empty folder, and the backup would be one in there.
 * The store makes objects visible whole or not at all. Until its manifest is there a backup does not exist, for anybody.
 *
 * The order of announcing, reading the marks and looking for what is there is what keeps a prune from taking away what
 * is about to be relied on; `intents.ts` says why.
 */

import { LockkeeperError, messageOf } from '../errors.ts'
import { listIds, newestManifest } from './catalog.ts'
import { type ByteSource, ChunkedFile, type FileChunks } from './chunks.ts'
import { backupId, formatVersion, largest, manifestKey, parseBackupId, type Tier, tiers } from './format.ts'
import { announce, removeExpiredIntents } from './intents.ts'
import {
  type DatabaseFacts,
  type Engine,
  type Manifest,
  manifestBytes,
  type Origin,
  parseManifest,
  type SchemaFacts,
  sealManifest,
} from './manifest.ts'
import { readObject } from './objects.ts'
import { placeDatabase } from './place.ts'
import type { OnProgress } from './progress.ts'
import { type Repository, stillThere } from './repository.ts'
import { identicalBackup } from './unchanged.ts'

/** What the caller knows about the database and about itself, and what it wants. None of it may hold a secret. */
export interface BackupFacts {
  /** At least one. */
  readonly tiers: readonly Tier[]
  /** When the bytes were the database's. Default: when reading them begins. */
  readonly at?: Date
  readonly note?: string
  readonly database: DatabaseFacts
  readonly schema: SchemaFacts
  /** Rows by table, counted while its bytes are read. Default: they were not counted. */
  readonly tables?: Manifest['tables'] | Promise<Manifest['tables']>
  readonly engine: Engine
  readonly by: Origin
  /** Why the database is damaged, found out while its bytes are read; then the backup never counts as good. Default: it is not. */
  readonly damaged?: string | Promise<string | undefined>
}

export interface BackupOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
  /**
   * For the tiers `pre-migration` and `pre-restore`: where an identical backup of that tier was made within the last 24
   * hours, at the same level, as good, and all that it consists of is still there, that one is returned instead of making
   * another, so that a container that restarts over and over does not fill the repository. Default false.
   */
  readonly reuseIfUnchanged?: boolean
  /**
   * Asked once all of the file has been read, before the manifest is written: rejects when something may have written to
   * it meanwhile. The hashes alone do not tell: a chunk that changed after its turn is not read again where the repository
   * has it already. Default: nothing can have.
   */
  readonly confirm?: () => Promise<unknown>
  /** What the file is read through. Default: this process. */
  readonly through?: ByteSource
}

export interface BackupResult {
  readonly id: string
  readonly manifest: Manifest
  /** The id again, where a backup that was there is returned and none was made. */
  readonly existing?: string
  /** Chunks that were uploaded, and their compressed bytes. */
  readonly stored: { readonly chunks: number; readonly bytes: number }
  /** Different chunks that were there. */
  readonly reused: { readonly chunks: number }
}

/**
 * Backs up the file `path`, whose bytes must not change meanwhile, to the repository. Every chunk that was stored has
 * been read back, and every one that was there listed again, when it resolves. Rejects with
 * - `busy` when the file changed while it was read, `missing`, `denied` or `io` when it cannot be read;
 * - `invalid` when a fact cannot be written down;
 * - `storage` when the repository does not give back what was stored in it;
 * - whatever the store rejects with, or the reason of the signal. Then there is no backup, and what was stored is used again.
 */
export async function createBackup(
  repository: Repository,
  path: string,
  facts: BackupFacts,
  options: BackupOptions = {},
): Promise<BackupResult> {
  const { signal, onProgress = () => {} } = options
  const at = facts.at ?? new Date()
  const compose = composer(repository, facts, at)
  checkFacts(compose, facts)
  signal?.throwIfAborted()
  const file = await ChunkedFile.open(path, repository.chunkSize, options.through)
  try {
    const chunks = await file.hash((bytes, total) => onProgress({ phase: 'reading', bytes, total }), signal)
    const ids = await listIds(repository)
    const tier = reusable.find(candidate => facts.tiers.includes(candidate))
    if (options.reuseIfUnchanged === true && tier !== undefined) {
      const wanted = { tier, level: facts.schema.level, damaged: (await facts.damaged) !== undefined, now: at }
      const existing = await identicalBackup(repository, ids, chunks, wanted, signal)
      if (existing !== undefined) return resultOfExisting(existing, chunks)
    }
    const newest = await newestManifest(repository, ids)
    const intent = await announce(repository, chunks.distinct, facts.by)
    try {
      const placed = await placeDatabase(repository, file, chunks, { newest, by: facts.by, onProgress, signal })
      signal?.throwIfAborted()
      await options.confirm?.()
      intent.check()
      const { stored, lists } = placed
      const found = { chunks, stored, lists, damaged: await facts.damaged, tables: await facts.tables }
      const manifest = await publish(repository, sequence => compose({ sequence, ...found }))
      const stands = await stillThere(repository)
      if (!stands || !(await intent.holds())) throw await takeBack(repository, manifest, stands)
      await removeExpiredIntents(repository)
      return { id: manifest.id, manifest, stored, reused: { chunks: chunks.distinct.size - placed.placed } }
    } finally {
      await intent.withdraw()
    }
  } finally {
    await file.close()
  }
}

/**
 * What nothing protected from a prune until its manifest was there may have lost chunks; and a backup beside no
 * `repository.json` is one that nobody will find.
 * @param stands whether the repository is there still
 */
async function takeBack({ store }: Repository, { id }: Manifest, stands: boolean): Promise<LockkeeperError> {
  const gone = await store.deleteMany([manifestKey(id)]).then(
    () => true,
    () => false,
  )
  if (!stands)
    return new LockkeeperError('storage', `the repository ${store.url} went away while it was backed up to`, {
      hint: `There is no backup. Was the volume unmounted, or the bucket emptied? What is there now${gone ? '' : `, ${manifestKey(id)} too,`} is not the repository. Bring it back and run again.`,
      details: { repository: store.url },
    })
  return new LockkeeperError('storage', `the backup ${id} took so long that a prune no longer knew of it`, {
    hint: gone
      ? 'It was taken back. Run it again: what was stored is not uploaded again.'
      : `It could not be taken back: \`lockkeeper verify ${id}\` says whether it is whole. Run the backup again.`,
    details: { backup: id },
  })
}

/** Tiers that jobs make by themselves, again and again where one is restarted. */
const reusable = ['pre-migration', 'pre-restore'] as const

/** Characters that a manifest may hold. */
const longestReason = 4096

type Compose = (found: {
  readonly sequence: number
  readonly chunks: Pick<FileChunks, 'bytes' | 'sha256' | 'count'>
  readonly stored: Manifest['stored']
  readonly lists: readonly string[]
  readonly damaged?: string | undefined
  readonly tables?: Manifest['tables']
}) => Manifest

function composer(repository: Repository, facts: BackupFacts, at: Date): Compose {
  const ordered = tiers.filter(tier => facts.tiers.includes(tier))
  return ({ sequence, chunks, stored, lists, damaged, tables }) =>
    sealManifest({
      format: formatVersion,
      id: backupId({ sequence, createdAt: at, tiers: ordered, level: facts.schema.level }),
      repository: repository.id,
      sequence,
      createdAt: at.toISOString(),
      tiers: ordered,
      ...(facts.note === undefined ? {} : { note: facts.note }),
      database: { name: repository.databaseName, ...facts.database, bytes: chunks.bytes, sha256: chunks.sha256 },
      chunks: { size: repository.chunkSize, count: chunks.count, lists },
      stored,
      schema: facts.schema,
      ...(tables === undefined ? {} : { tables }),
      engine: facts.engine,
      by: facts.by,
      damaged: damaged === undefined ? false : { reason: damaged.slice(0, longestReason) },
    })
}

/** A fact that no manifest can hold is found out before anything is read or stored. */
function checkFacts(compose: Compose, { tables }: BackupFacts): void {
  const nothing = { bytes: 0, sha256: '0'.repeat(64), count: 0 }
  const known = tables instanceof Promise ? undefined : tables
  const manifest = compose({ sequence: 1, chunks: nothing, stored: { chunks: 0, bytes: 0 }, lists: [], tables: known })
  try {
    parseManifest(manifestBytes(manifest), manifestKey(manifest.id))
  } catch (error) {
    throw new LockkeeperError('invalid', `a backup cannot be described: ${messageOf(error)}`, {
      hint: 'Nothing was backed up. Shorten or correct what is named: notes have up to 4,096 characters, names 512.',
      cause: error,
    })
  }
}

/** More backups than this do not end in the same second with the same tiers and level. */
const attempts = 100

async function publish(repository: Repository, compose: (sequence: number) => Manifest): Promise<Manifest> {
  const { store } = repository
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const newest = parseBackupId((await listIds(repository)).at(-1) ?? '')
    const manifest = compose((newest?.sequence ?? 0) + 1)
    const key = manifestKey(manifest.id)
    const bytes = manifestBytes(manifest)
    // What is written must be readable, by this program's own rules.
    parseManifest(bytes, key)
    if ((await store.putIfAbsent(key, bytes)) === 'stored') return manifest
    // Either another backup has just taken this name, or it is this one, and the answer got lost.
    const there = await readObject(store, key, largest.manifest)
    if (there !== undefined && bytes.length === there.length && there.equals(bytes)) return manifest
  }
  throw new LockkeeperError('storage', `${store.url} does not list the backups that it says are there`, {
    hint: 'The object store has to list an object as soon as it has been written.',
  })
}

function resultOfExisting(manifest: Manifest, { distinct }: FileChunks): BackupResult {
  const { id } = manifest
  return { id, manifest, existing: id, stored: { chunks: 0, bytes: 0 }, reused: { chunks: distinct.size } }
}
