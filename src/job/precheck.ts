/** What the real job would refuse that a private copy cannot show: asked of the real database and repository, changing nothing. */
import { refuseReadOnly } from '../database/lock.ts'
import { LockkeeperError } from '../errors.ts'
import { locate } from './locate.ts'
import { type FirstLook, isDone, lookFirst, unchanged } from './look.ts'
import type { ChangeResult, DeployOptions, JobOptions } from './options.ts'
import { readMigrations } from './read.ts'
import { lookEarly, type RollbackOptions } from './rollback.ts'
import { repositoryOf, withRepository } from './save.ts'
import { refuseLostVolume, withoutHistory } from './take.ts'
import { refuseEarly } from './upgrade.ts'

export type Early =
  | { readonly kind: 'unchanged'; readonly result: ChangeResult }
  /** There is no database, or nothing in it; `restore`: and a backup would be brought back. */
  | { readonly kind: 'empty' | 'database' | 'restore' }

/** @throws as `deploy` */
export async function refuseAsDeploy(given: DeployOptions): Promise<Early> {
  const options = { ...given, database: await locate(given) }
  const migrations = await readMigrations(options)
  const first = await lookFirst(options, migrations)
  if (first.look !== undefined && isDone(first.look))
    return { kind: 'unchanged', result: unchanged(options, first.look) }
  const there = isConsulted(options, first) && (await isRepositoryThere(options))
  if (there && first.empty && options.ifMissing === 'restore') return { kind: 'restore' }
  // What is not there yet would be made, and would have no backup.
  await refuseEarly(there ? options : { ...options, firstInstall: true }, migrations, first, { create: false })
  await refuseReadOnly(options.database)
  if (there && first.look?.assessment.kind === 'unmanaged')
    await refuseLostVolume(options, withoutHistory, { create: false })
  return { kind: first.empty ? 'empty' : 'database' }
}

/** @returns what it ends with where there is nothing to do. @throws as `rollBack` */
export async function refuseAsRollback(given: RollbackOptions): Promise<ChangeResult | undefined> {
  const options = { ...given, database: await locate(given) }
  const migrations = await readMigrations(options)
  const { assessment, downs } = await lookEarly(options, migrations)
  if (downs.length === 0) return unchanged(options, { assessment, pending: [], takeBack: [], warnings: [] })
  repositoryOf(options)
  if (options.noBackup !== true) await isRepositoryThere(options)
  await refuseReadOnly(options.database)
  return undefined
}

/** Whether the real job would look into the repository: for the backup, or for whether something was lost. */
function isConsulted({ adopt, firstInstall, noBackup = false }: DeployOptions, { empty, look }: FirstLook): boolean {
  if (empty) return !firstInstall
  return !noBackup || (adopt && !firstInstall && look?.assessment.kind === 'unmanaged')
}

/** @throws LockkeeperError for a repository that cannot be used */
async function isRepositoryThere({ database, repository }: JobOptions): Promise<boolean> {
  if (repository === undefined) return false
  try {
    return await withRepository(repository, database, { create: false }, async ({ salvaged }) => {
      if (salvaged !== undefined) throw new LockkeeperError('config', salvaged)
      return true
    })
  } catch (error) {
    if (error instanceof LockkeeperError && error.code === 'missing') return false
    throw error
  }
}
