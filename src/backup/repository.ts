/**
 * A backup repository: a folder in an object store that says by `repository.json` what it is. That file is what tells
 * "there is no backup yet" from "this is the wrong bucket or prefix".
 */

import { randomUUID } from 'node:crypto'
import { LockkeeperError } from '../errors.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { jsonBytes } from './canonical.ts'
import { defaultChunkSize, formatVersion, idInKey, largest, largestChunkSize, smallestChunkSize } from './format.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { putJson, readJson, readObject, sealed } from './objects.ts'
import { isUnreadable, Untrusted } from './untrusted.ts'

export interface Repository {
  readonly store: ObjectStore
  /** A UUID, made with the repository. Every manifest names it. */
  readonly id: string
  /** Whose backups these are. */
  readonly databaseName: string
  /** Bytes. */
  readonly chunkSize: number
  /** ISO 8601, UTC. */
  readonly created: string
  /** It was made by opening it. Default false. */
  readonly made?: boolean
  /**
   * Why `repository.json` cannot be read, a sentence; then all of this is what the newest manifest says. Undefined when
   * all is well.
   */
  readonly salvaged?: string
}

export interface OpenOptions {
  /** 1 to 200 characters. The repository has to be this database's. */
  readonly databaseName: string
  /** Makes the repository where there is none and nothing else. */
  readonly create: boolean
  /** Goes on although the repository is another database's. Default false. */
  readonly allowOtherDatabase?: boolean
  /** Bytes, a power of two from 4 KiB to 16 MiB, for a repository that is made. Default 1 MiB. */
  readonly chunkSize?: number
}

const key = 'repository.json'
const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Opens a repository, or makes one. Where `repository.json` is lost or damaged, but there are backups, whoever does not
 * `create` one gets what their manifests say, so that they can be looked at and restored. Rejects with
 * - `missing` when there is none, nothing else either, and none is to be made: no backup yet;
 * - `config` when the place holds other objects, or another database's backups, or a newer format;
 * - `invalid` when `repository.json` is damaged;
 * - whatever the store rejects with.
 */
export async function openRepository(store: ObjectStore, options: OpenOptions): Promise<Repository> {
  const read = readRepository(store).catch(error => {
    if (!isUnreadable(error) || error.code !== 'invalid') throw error
    return salvage(store, options, error)
  })
  const repository = (await read) ?? (await make(store, options))
  if (repository.databaseName === options.databaseName || options.allowOtherDatabase === true) return repository
  throw new LockkeeperError(
    'config',
    `the repository ${store.url} has the backups of the database ${JSON.stringify(repository.databaseName)}, not of ${JSON.stringify(options.databaseName)}`,
    {
      hint: 'Give each database a repository of its own: another bucket, prefix or folder. If both names mean the same database, pass --allow-other-database.',
      details: { repository: store.url, has: repository.databaseName, wanted: options.databaseName },
    },
  )
}

async function readRepository(store: ObjectStore): Promise<Repository | undefined> {
  const where = `${store.url}/${key}`
  const json = await readJson(store, key, largest.repository, where)
  if (json === undefined) return undefined
  const fields = new Untrusted(json, where)
  const chunkSize = fields.field('chunkSize')
  return {
    store,
    id: fields.field('id').string({ pattern: idPattern }),
    databaseName: fields.field('databaseName').string({ least: 1, most: 200 }),
    chunkSize: isChunkSize(chunkSize.integer(smallestChunkSize, largestChunkSize))
      ? chunkSize.integer(1)
      : refuse(chunkSize.error('is not a power of two')),
    created: fields.field('created').moment(),
  }
}

/** Whether it is this repository still, and not what is left where a volume was unmounted or a bucket emptied. */
export async function stillThere({ id, store }: Repository): Promise<boolean> {
  return (await readRepository(store))?.id === id
}

async function make(store: ObjectStore, options: OpenOptions): Promise<Repository> {
  for await (const { key: other } of store.list('')) {
    // Perhaps somebody made it between the two looks, and this is already theirs.
    const made = await readRepository(store)
    if (made !== undefined) return made
    const error = new LockkeeperError(
      'config',
      `${store.url} is not a backup repository: it has no ${key}, but it has ${other}`,
      {
        hint: 'Is this the right bucket, prefix or folder? A new repository needs an empty one.',
        details: { repository: store.url, found: other },
      },
    )
    return salvage(store, options, error)
  }
  if (!options.create) {
    throw new LockkeeperError('missing', `there is no backup yet: ${store.url} is empty`, {
      hint: 'The first `lockkeeper backup` or `lockkeeper run` makes the repository. If there should be backups, check the bucket, the prefix or the folder.',
      details: { repository: store.url },
    })
  }
  const { databaseName, chunkSize = defaultChunkSize } = options
  if (!isChunkSize(chunkSize)) {
    throw new LockkeeperError('config', `the chunk size of a repository cannot be ${chunkSize} bytes`, {
      hint: `It is a power of two from ${smallestChunkSize} to ${largestChunkSize}.`,
    })
  }
  if (databaseName.length < 1 || databaseName.length > 200) {
    throw new LockkeeperError('config', 'the name of the database has not 1 to 200 characters')
  }
  const facts = { id: randomUUID(), databaseName, chunkSize, created: new Date().toISOString() }
  if ((await putJson(store, key, { format: formatVersion, ...facts })) === 'stored')
    return { store, made: true, ...facts }
  // Somebody else was first: theirs is the repository.
  return (
    (await readRepository(store)) ??
    refuse(new LockkeeperError('storage', `${store.url}/${key} is there, but cannot be read`))
  )
}

/**
 * What the newest readable manifest says of a repository whose `repository.json` is lost or damaged, for whoever only
 * reads. Whoever would write is told how to put it back; without a manifest it is `error`.
 */
async function salvage(
  store: ObjectStore,
  { create }: Pick<OpenOptions, 'create'>,
  error: LockkeeperError,
): Promise<Repository> {
  const manifest = await anyManifest(store)
  if (manifest === undefined) throw error
  const { chunks, createdAt, database, repository: id } = manifest
  const facts = { id, databaseName: database.name, chunkSize: chunks.size, created: createdAt }
  const text = Buffer.from(jsonBytes(sealed({ format: formatVersion, ...facts })))
    .toString()
    .trim()
  const hint = `Its backups are there, and can be listed, verified and restored. For new ones store this line as ${key}: ${text}`
  if (create) throw new LockkeeperError('config', error.message, { hint, cause: error, details: error.details })
  return { store, ...facts, salvaged: `${error.message}. ${hint}` }
}

async function anyManifest(store: ObjectStore): Promise<Manifest | undefined> {
  const keys: string[] = []
  for await (const { key } of store.list('backups/')) if (idInKey(key) !== undefined) keys.push(key)
  for (const manifestKey of keys.reverse()) {
    try {
      const bytes = await readObject(store, manifestKey, largest.manifest)
      if (bytes !== undefined) return parseManifest(bytes, manifestKey)
    } catch (error) {
      if (!isUnreadable(error)) throw error
    }
  }
  return undefined
}

function isChunkSize(size: number): boolean {
  return Number.isInteger(Math.log2(size)) && size >= smallestChunkSize && size <= largestChunkSize
}

function refuse(error: LockkeeperError): never {
  throw error
}
