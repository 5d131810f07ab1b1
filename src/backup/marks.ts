/**
 * Marks: objects that count as absent for every backup that is made from now on. A prune marks what nothing refers to,
 * so that a later one may delete it; a verification marks what it found damaged, so that the next backup stores it
 * again instead of relying on it. Existing backups are not affected by marks.
 */

import { randomUUID } from 'node:crypto'
import type { ObjectInfo } from '../storage/object-store.ts'
import { inOrder } from './concurrency.ts'
import { formatVersion, isContentKey, largest, stampOf } from './format.ts'
import type { Origin } from './manifest.ts'
import { putJson, readJson } from './objects.ts'
import type { Repository } from './repository.ts'
import { Untrusted } from './untrusted.ts'

export interface Marks {
  readonly key: string
  /** When they were stored, by the clock of the store. */
  readonly stored: Date
  /** ISO 8601, UTC. */
  readonly at: string
  /** `unused`: a later prune may delete them. `damaged`: they hold the wrong bytes, and stay marked as long as they are there. */
  readonly reason: 'unused' | 'damaged'
  /** Keys of chunks and lists. */
  readonly objects: readonly string[]
}

/** Objects that one file of marks names: 1 MB, so that whoever reads all marks needs little memory at once... */
const objectsInFile = 10_000
/** ...and that one may name. */
const mostInFile = 100_000

const filesAtOnce = 8

const folder = 'marks/'
const keyPattern = /^marks\/\d{8}T\d{6}Z-[0-9a-f-]{36}\.json$/

/** Marks objects, and returns the keys of the files that say so: none when there is nothing to mark. */
export async function mark(
  repository: Repository,
  reason: Marks['reason'],
  objects: readonly string[],
  by: Origin,
): Promise<string[]> {
  const written: string[] = []
  for (let from = 0; from < objects.length; from += objectsInFile) {
    const now = new Date()
    const key = `${folder}${stampOf(now)}-${randomUUID()}.json`
    await putJson(repository.store, key, {
      format: formatVersion,
      repository: repository.id,
      at: now.toISOString(),
      reason,
      objects: objects.slice(from, from + objectsInFile),
      by: { ...by },
    })
    written.push(key)
  }
  return written
}

/**
 * All marks, oldest first. Rejects with `invalid` when one cannot be read: what it marks may be about to be deleted,
 * and nothing can be relied on without knowing.
 */
export async function* readMarks(repository: Repository): AsyncIterable<Marks> {
  const files = repository.store.list(folder)
  // A prune that finished meanwhile removes its marks.
  for await (const marks of inOrder(files, filesAtOnce, file => read(repository, file))) if (marks) yield marks
}

async function read(repository: Repository, { key, modified }: ObjectInfo): Promise<Marks | undefined> {
  const json = await readJson(repository.store, key, largest.marks)
  if (json === undefined) return undefined
  const fields = new Untrusted(json, key)
  if (!keyPattern.test(key)) throw fields.error('is not the name of marks')
  if (!fields.field('repository').is(repository.id)) throw fields.field('repository').error('is another repository')
  return {
    key,
    stored: modified,
    at: fields.field('at').moment(),
    reason: fields.field('reason').oneOf(['unused', 'damaged'] as const),
    objects: fields.field('objects').array(mostInFile).map(readKey),
  }
}

/** Keys of all files of marks: one listing, nothing is read. */
export async function marksThere({ store }: Repository): Promise<Set<string>> {
  const keys = new Set<string>()
  for await (const { key } of store.list(folder)) keys.add(key)
  return keys
}

/** Those marked objects that `concerns` is true of. */
export async function markedObjects(repository: Repository, concerns: (key: string) => boolean): Promise<Set<string>> {
  const marked = new Set<string>()
  for await (const { objects } of readMarks(repository)) {
    for (const key of objects) if (concerns(key)) marked.add(key)
  }
  return marked
}

function readKey(field: Untrusted): string {
  const key = field.string()
  if (!isContentKey(key)) throw field.error('is neither a chunk nor a list')
  return key
}
