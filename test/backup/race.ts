/** A repository with three backups, and copies of it: one for each way in which things may happen at the same time. */

import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { openRepository } from '../../src/backup/repository.ts'
import { fileStore } from '../../src/storage/file.ts'
import { versionsOf } from './pruning.ts'
import { backup, type TestRepository } from './support.ts'

export interface Race extends Omit<TestRepository, 'asked'> {
  readonly ids: readonly string[]
  readonly versions: readonly string[]
}

/** Of three versions, below `folder`. */
export async function threeBackups(folder: string): Promise<Race> {
  const root = join(folder, 'full')
  const repository = await openRepository(fileStore(root), { databaseName: 'app', create: true, chunkSize: 4096 })
  const test = { folder, root, repository, path: (name: string) => join(folder, name) }
  const versions = versionsOf(test, 3)
  const ids: string[] = []
  for (const path of versions) ids.push((await backup(test, path)).id)
  return { ...test, ids, versions }
}

export async function copyOf(template: Race, folder: string): Promise<Race> {
  const root = join(folder, 'repository')
  await cp(template.root, root, { recursive: true, preserveTimestamps: true })
  const repository = await openRepository(fileStore(root), { databaseName: 'app', create: false })
  return { ...template, folder, root, repository, path: name => join(folder, name) }
}
