/** What the tests of pruning need: files that share chunks, a prune with few words, and a look at what is left. */

import { randomBytes } from 'node:crypto'
import { type Dirent, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { type PruneOptions, type PruneReport, prune } from '../../src/backup/prune.ts'
import type { Repository } from '../../src/backup/repository.ts'
import { nothing } from './facts.ts'
import { by, catalogOf, sha256Of, type TestRepository } from './support.ts'

const chunk = 4096
export const days = 24 * 60 * 60 * 1000

/** Files of six chunks each: the first four are the same in all, the others each one's own. */
export function versionsOf(test: Pick<TestRepository, 'path'>, count: number): string[] {
  const shared = randomBytes(4 * chunk)
  return Array.from({ length: count }, (_, index) => {
    const path = test.path(`version-${index + 1}`)
    writeFileSync(path, Buffer.concat([shared, randomBytes(2 * chunk)]))
    return path
  })
}

/** Keeps the last one, without a time of grace, unless told otherwise. */
export function pruneNow(
  { repository }: { readonly repository: Repository },
  { policy, ...changes }: Partial<Omit<PruneOptions, 'policy'>> & { policy?: Partial<PruneOptions['policy']> } = {},
): Promise<PruneReport> {
  return prune(repository, {
    policy: { ...nothing, ...(policy ?? { keepLast: 1 }) },
    grace: 0,
    timeZone: 'UTC',
    dryRun: false,
    by,
    ...changes,
  })
}

/** Every backup that there is gives back the bytes that were backed up. Returns their ids. */
export async function expectWhole(test: Pick<TestRepository, 'path' | 'repository'>): Promise<string[]> {
  const { backups, problems } = await catalogOf(test)
  expect(problems).toEqual([])
  for (const found of backups) {
    const back = test.path(`back-${Math.random()}`)
    await fetchBackup(test.repository, found, back)
    expect(sha256Of(back)).toBe(found.manifest.database.sha256)
  }
  return backups.map(({ id }) => id)
}

/** Chunks and lists that are stored, in order. */
export function contentOf({ root }: Pick<TestRepository, 'root'>): string[] {
  return keysIn(root, 'chunks/', 'lists/')
}

/** Objects that are stored in these folders, in order. */
export function keysIn(root: string, ...folders: string[]): string[] {
  return filesBelow(root)
    .map(path => path.slice(root.length + 1))
    .filter(key => folders.some(folder => key.startsWith(folder)))
    .sort()
}

/** A prune may be at work, and folders go with the last object in them. */
function filesBelow(folder: string): string[] {
  return entriesOf(folder).flatMap(entry => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : []
  })
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Makes objects older, for the clock of the store. */
export function age({ root }: Pick<TestRepository, 'root'>, keys: readonly string[], milliseconds: number): void {
  const then = new Date(Date.now() - milliseconds)
  for (const key of keys) utimesSync(join(root, key), then, then)
}
