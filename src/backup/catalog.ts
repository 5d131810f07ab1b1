/**
 * What backups there are. Anybody who can write to the repository can put anything there: what is not a manifest, or a
 * damaged one, is reported and passed over, so that one bad object never hides the good ones.
 *
 * Names say much: sequence, time, tiers and level, and what the newest check found. Two listings are enough for those,
 * and a manifest is read only where more is wanted.
 */

import { LockkeeperError } from '../errors.ts'
import { type CheckName, listChecks } from './checks.ts'
import { inOrder } from './concurrency.ts'
import { type BackupName, idInKey, largest, manifestKey, parseBackupId } from './format.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { readObject, twice } from './objects.ts'
import type { Repository } from './repository.ts'
import { invalid, isUnreadable } from './untrusted.ts'

/** What the names of its objects say about a backup. */
export interface ListedBackup {
  readonly id: string
  readonly name: BackupName
  /** By the newest verification or drill. */
  readonly checked: 'good' | 'bad' | 'unchecked'
  /** That verification or drill. */
  readonly check?: CheckName
}

export interface Backup extends Omit<ListedBackup, 'name'> {
  readonly manifest: Manifest
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

export interface Listing {
  /** Newest last: by sequence, then by id. */
  readonly backups: readonly ListedBackup[]
  /** Objects that by their names are no manifests or checks but stand where some belong. */
  readonly problems: readonly CatalogProblem[]
}

/** As many as a store makes requests at once, and a few that wait for their turn. */
const manifestsAtOnce = 16

/** What there is by name: two listings, whatever the number of backups below a thousand. Rejects only when the store does. */
export async function listNames(repository: Repository): Promise<Listing> {
  const ids: string[] = []
  const odd: string[] = []
  for await (const { key } of repository.store.list('backups/')) {
    const id = idInKey(key)
    if (id === undefined) odd.push(key)
    else ids.push(id)
  }
  const { checks, odd: oddChecks } = await listChecks(repository.store)
  const backups = ids.sort(compareIds).flatMap(id => {
    const name = parseBackupId(id)
    const check = checks.get(id)?.at(-1)
    if (name === undefined) return []
    return [
      check === undefined ? { id, name, checked: 'unchecked' as const } : { id, name, checked: check.result, check },
    ]
  })
  const problems = [
    ...odd.map(key => problemOf(invalid(key, 'is not the name of a manifest'))),
    ...oddChecks.map(key => problemOf(invalid(key, 'is not the name of a check'))),
  ]
  return { backups, problems }
}

/** Lists the backups with their manifests: one request more for each. Rejects only when the store does. */
export async function listBackups(repository: Repository): Promise<Catalog> {
  const listing = await listNames(repository)
  const problems = [...listing.problems]
  const backups: Backup[] = []
  for await (const read of readBackups(repository, listing)) {
    if ('manifest' in read) backups.push(read)
    else problems.push(read)
  }
  return { backups, problems }
}

/** The backups of a listing with their manifests, newest last, or what is wrong with one; those that are gone are left out. */
export async function* readBackups(
  repository: Repository,
  { backups }: Listing,
): AsyncGenerator<Backup | CatalogProblem, void> {
  for await (const read of inOrder(backups, manifestsAtOnce, listed => readBackup(repository, listed)))
    if (read !== undefined) yield read
}

/** A backup with its manifest, what is wrong with that, or undefined when it is gone; rejects only when the store does. */
export async function readBackup(
  repository: Repository,
  { name: _, ...listed }: ListedBackup,
): Promise<Backup | CatalogProblem | undefined> {
  const key = manifestKey(listed.id)
  try {
    const manifest = await readManifest(repository, key)
    return manifest && { ...listed, manifest }
  } catch (error) {
    return problemOf(error, key)
  }
}

/**
 * The manifest under a key; undefined when it is gone. Rejects with `invalid` when it is none, or of another repository,
 * with `config` when a newer version wrote it.
 */
export async function readManifest(repository: Repository, key: string): Promise<Manifest | undefined> {
  const manifest = await twice(async () => {
    const bytes = await readObject(repository.store, key, largest.manifest)
    return bytes && parseManifest(bytes, key)
  })
  if (manifest === undefined || manifest.repository === repository.id) return manifest
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
export async function newestManifest(
  repository: Repository,
  ids: readonly string[],
  counts: (manifest: Manifest) => boolean = () => true,
): Promise<Manifest | undefined> {
  for (const id of ids.toReversed()) {
    const manifest = await manifestIfReadable(repository, id)
    if (manifest !== undefined && counts(manifest)) return manifest
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
export function problemOf(error: unknown, key?: string): CatalogProblem {
  if (!isUnreadable(error)) throw error
  const named = key ?? error.details['object']
  return { key: typeof named === 'string' ? named : '', message: error.message }
}
