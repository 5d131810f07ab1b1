/**
 * What backups there are. Anybody who can write to the repository can put anything there: what is not a manifest, or a
 * damaged one, is reported and passed over, so that one bad object never hides the good ones.
 */

import { LockkeeperError } from '../errors.ts'
import { type Check, checkKeys, newestCheck } from './checks.ts'
import { inOrder } from './concurrency.ts'
import { idInKey, largest, manifestKey, parseBackupId } from './format.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { readObject } from './objects.ts'
import type { Repository } from './repository.ts'

export interface Backup {
  readonly id: string
  readonly manifest: Manifest
  /** By the newest verification or drill. */
  readonly checked: 'good' | 'bad' | 'unchecked'
  /** That verification or drill. */
  readonly check?: Check
}

export interface CatalogProblem {
  /** The object. */
  readonly key: string
  /** A sentence that names it. */
  readonly message: string
}

export interface Catalog {
  /** Newest last: by sequence, then by id. */
  readonly backups: readonly Backup[]
  /** Objects that are no manifests or checks but stand where some belong. As long as a manifest is among them nothing may be deleted. */
  readonly problems: readonly CatalogProblem[]
}

const manifestsAtOnce = 8

/** Lists the backups with what is known of each. Rejects only when the store does. */
export async function listBackups(repository: Repository): Promise<Catalog> {
  const problems: CatalogProblem[] = []
  const keys: string[] = []
  for await (const { key } of repository.store.list('backups/')) keys.push(key)
  const checks = await checkKeys(repository.store)
  const backups: Backup[] = []
  for await (const backup of inOrder(keys, manifestsAtOnce, key => read(key))) {
    if (backup !== undefined) backups.push(backup)
  }
  return { backups: backups.sort((a, b) => compareIds(a.id, b.id)), problems }

  async function read(key: string): Promise<Backup | undefined> {
    try {
      const manifest = await readManifest(repository, key)
      if (manifest === undefined) return undefined
      const { check, unreadable } = await newestCheck(repository, checks.get(manifest.id) ?? [])
      for (const error of unreadable) problems.push(problemOf(error))
      const known = { id: manifest.id, manifest }
      return check === undefined ? { ...known, checked: 'unchecked' } : { ...known, checked: check.result, check }
    } catch (error) {
      problems.push(problemOf(error, key))
      return undefined
    }
  }
}

/**
 * The manifest under a key; undefined when it is gone. Rejects with `invalid` when it is none, or of another repository,
 * with `config` when a newer version wrote it.
 */
export async function readManifest(repository: Repository, key: string): Promise<Manifest | undefined> {
  const bytes = await readObject(repository.store, key, largest.manifest)
  if (bytes === undefined) return undefined
  const manifest = parseManifest(bytes, key)
  if (manifest.repository === repository.id) return manifest
  throw new LockkeeperError('invalid', `${key}: belongs to another repository, ${manifest.repository}`, {
    hint: 'It was copied here. Copy a repository as a whole, or remove this object.',
    details: { object: key },
  })
}

/** Ids of everything in `backups/` that is named like a manifest, newest last; nothing is read. */
export async function listIds(repository: Repository): Promise<string[]> {
  const ids: string[] = []
  for await (const { key } of repository.store.list('backups/')) {
    const id = idInKey(key)
    if (id !== undefined) ids.push(id)
  }
  return ids.sort(compareIds)
}

/** The newest manifest that can be read, or undefined. */
export async function newestManifest(repository: Repository, ids: readonly string[]): Promise<Manifest | undefined> {
  for (const id of ids.toReversed()) {
    const manifest = await manifestIfReadable(repository, id)
    if (manifest !== undefined) return manifest
  }
  return undefined
}

/** As `readManifest`, with undefined for one that cannot be read; rejects only when the store does. */
export async function manifestIfReadable(repository: Repository, id: string): Promise<Manifest | undefined> {
  try {
    return await readManifest(repository, manifestKey(id))
  } catch (error) {
    problemOf(error)
    return undefined
  }
}

/** By sequence, then by id. */
function compareIds(a: string, b: string): number {
  const order = (parseBackupId(a)?.sequence ?? 0) - (parseBackupId(b)?.sequence ?? 0)
  return order !== 0 ? order : a < b ? -1 : a > b ? 1 : 0
}

/** The problem that an unreadable object is; what the store rejects with is thrown on. */
function problemOf(error: unknown, key?: string): CatalogProblem {
  if (!(error instanceof LockkeeperError)) throw error
  const object = error.details['object']
  // A newer format is `config`, and so is much that a store may complain of.
  if (error.code !== 'invalid' && (error.code !== 'config' || object === undefined)) throw error
  const named = key ?? object
  return { key: typeof named === 'string' ? named : '', message: error.message }
}
