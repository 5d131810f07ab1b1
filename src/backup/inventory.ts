/**
 * Every object of a repository, looked at: what is damaged, what does not belong there, and what no backup needs. The
 * chunks and lists of backups are not read here, for a verification reads them.
 */

import { type CatalogProblem, problemOf } from './catalog.ts'
import { inOrder } from './concurrency.ts'
import { isContentKey, largest, parseChunkKey } from './format.ts'
import { readMarks } from './marks.ts'
import { readJson } from './objects.ts'
import { parseCopyKey } from './removed.ts'
import type { Repository } from './repository.ts'

export interface Inventory {
  /** What cannot be read, though it is nothing that a backup consists of. */
  readonly damaged: readonly CatalogProblem[]
  /** Keys of what is no part of a repository. */
  readonly foreign: readonly string[]
  /** Chunks and lists that no backup names, and that no prune has marked yet. */
  readonly unused: { readonly chunks: number; readonly lists: number }
  /** Copies of manifests that a prune is just removing, or was killed while it did. */
  readonly copies: number
}

const objectsAtOnce = 16

/** Whatever has JSON with a hash in it, but for `repository.json` and manifests: those are read before. */
const records = /^(?:(?:checks|removed)\/[^/]+\/[^/]+\.json$|(?:pins|restores|intents|marks)\/[^/]+\.json$)/
const readBefore = /^(?:repository|backups\/[^/]+)\.json$/

/** @param named keys of the lists and chunks of all backups */
export async function takeInventory(
  repository: Repository,
  named: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Inventory> {
  const damaged: CatalogProblem[] = []
  const foreign: string[] = []
  const marked = await allMarked(repository)
  const unused = { chunks: 0, lists: 0 }
  let copies = 0
  for await (const problem of inOrder(repository.store.list(''), objectsAtOnce, ({ key }) => problemWith(key))) {
    signal?.throwIfAborted()
    if (problem !== undefined) damaged.push(problem)
  }
  return { damaged, foreign, unused, copies }

  async function problemWith(key: string): Promise<CatalogProblem | undefined> {
    if (parseCopyKey(key) !== undefined) copies++
    if (records.test(key)) return recordProblem(repository, key)
    if (readBefore.test(key)) return undefined
    if (!isContentKey(key)) foreign.push(key)
    else if (!named.has(key) && !marked.has(key)) unused[parseChunkKey(key) === undefined ? 'lists' : 'chunks']++
    return undefined
  }
}

async function recordProblem({ store }: Repository, key: string): Promise<CatalogProblem | undefined> {
  try {
    await readJson(store, key, largest.marks)
    return undefined
  } catch (error) {
    return problemOf(error, key)
  }
}

/** Marks that cannot be read are found with all the other records. */
async function allMarked(repository: Repository): Promise<Set<string>> {
  const marked = new Set<string>()
  try {
    for await (const { objects } of readMarks(repository)) for (const key of objects) marked.add(key)
  } catch (error) {
    problemOf(error, '')
  }
  return marked
}
