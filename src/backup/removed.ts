/**
 * Manifests that a prune is about to remove, or has just removed: `removed/<intent>/<backup>.json`, byte for byte, by the
 * intent of that prune. As long as such a copy is there, what it names counts as used; so a prune that is killed between
 * removing a manifest and judging once more leaves all that the next one needs for judging in its stead (`settle.ts`).
 *
 * A copy is deleted by the prune that stored it, or by another one when that intent is gone: whoever is about to delete
 * the manifest still relies on it.
 */

import { type CatalogProblem, problemOf } from './catalog.ts'
import { forEach } from './concurrency.ts'
import { idInKey, largest, manifestKey } from './format.ts'
import type { Intent } from './intents.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { readObject, twice } from './objects.ts'
import type { Repository } from './repository.ts'
import { invalid } from './untrusted.ts'

const folder = 'removed/'
const keyPattern = /^removed\/(\d{8}T\d{6}Z-[0-9a-f-]{36})\/([^/]+\.json)$/
const copiesAtOnce = 16

export interface RemovedCopy {
  readonly key: string
  /** Id of the intent of the prune that stored it. */
  readonly owner: string
  /** Of the backup. */
  readonly id: string
}

export function copyKey({ id: owner }: Pick<Intent, 'id'>, id: string): string {
  return `${folder}${owner}/${id}.json`
}

/** All copies, by key, and keys of what lies among them and is none: one listing, nothing is read. */
export async function listRemoved({ store }: Repository): Promise<{ copies: RemovedCopy[]; odd: string[] }> {
  const copies: RemovedCopy[] = []
  const odd: string[] = []
  for await (const { key } of store.list(folder)) {
    const copy = parseCopyKey(key)
    if (copy === undefined) odd.push(key)
    else copies.push(copy)
  }
  return { copies, odd }
}

export function parseCopyKey(key: string): RemovedCopy | undefined {
  const [, owner = '', name = ''] = keyPattern.exec(key) ?? []
  const id = idInKey(`backups/${name}`)
  return id === undefined ? undefined : { key, owner, id }
}

/** The copies of manifests that are not there, one of each, and what cannot be read or does not belong there. */
export async function readLeaving(
  repository: Repository,
  there: (id: string) => boolean,
): Promise<{ manifests: Manifest[]; problems: CatalogProblem[] }> {
  const { copies, odd } = await listRemoved(repository)
  const problems = odd.map(key => problemOf(invalid(key, 'is not the name of the copy of a manifest')))
  const manifests = new Map<string, Manifest>()
  const leaving = copies.filter(({ id }) => !there(id))
  await forEach(leaving, copiesAtOnce, async copy => {
    try {
      const read = await readCopy(repository, copy)
      if (read !== undefined) manifests.set(copy.id, read.manifest)
    } catch (error) {
      problems.push(problemOf(error, copy.key))
    }
  })
  return { manifests: [...manifests.values()], problems }
}

/** Undefined when it is gone. Rejects with `invalid` when it is no such manifest, with `config` when a newer version wrote it. */
export function readCopy(
  { id: repository, store }: Repository,
  { id, key }: RemovedCopy,
): Promise<{ manifest: Manifest; bytes: Uint8Array } | undefined> {
  return twice(async () => {
    const bytes = await readObject(store, key, largest.manifest)
    if (bytes === undefined) return undefined
    const manifest = parseManifest(bytes, manifestKey(id), key)
    if (manifest.repository === repository) return { manifest, bytes }
    throw invalid(key, `belongs to another repository, ${manifest.repository}`)
  })
}
