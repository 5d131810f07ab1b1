/** When each task was last done, from the names of the objects in the repository: nothing is read, no state is kept. */
import { listNames } from '../backup/catalog.ts'
import { listChecks } from '../backup/checks.ts'
import { LockkeeperError } from '../errors.ts'
import type { RepositorySettings } from '../job/options.ts'
import { withRepository } from '../job/save.ts'
import type { Done } from './task.ts'

const nothing: Done = { daily: [], weekly: [], monthly: [], prune: [], verify: [], drill: [] }

/**
 * A backup counts for each of its tiers, whoever made it. Pruning leaves nothing behind that would say when it was done.
 * Where there is no repository yet nothing was done.
 * @throws as `openStore` and `openRepository`
 */
export async function doneInRepository(settings: RepositorySettings, database: string): Promise<Done> {
  try {
    return await withRepository(settings, database, { create: false }, async repository => {
      const { backups } = await listNames(repository)
      const { checks } = await listChecks(repository.store)
      const allChecks = [...checks.values()].flat()
      const ofTier = (tier: 'daily' | 'weekly' | 'monthly') =>
        backups.flatMap(({ name }) => (name.tiers.includes(tier) ? [name.time] : []))
      const ofKind = (kind: 'verification' | 'drill') =>
        allChecks.flatMap(check => (check.kind === kind ? [check.time] : []))
      return {
        ...nothing,
        daily: ofTier('daily'),
        weekly: ofTier('weekly'),
        monthly: ofTier('monthly'),
        verify: ofKind('verification'),
        drill: ofKind('drill'),
      }
    })
  } catch (error) {
    if (error instanceof LockkeeperError && error.code === 'missing') return nothing
    throw error
  }
}
