/** The backups that there are, with what is known of each. */
import { type Backup, type CatalogProblem, listBackups } from '../backup/catalog.ts'
import { readCheck } from '../backup/checks.ts'
import type { Repository } from '../backup/repository.ts'
import { isUnreadable } from '../backup/untrusted.ts'
import type { RepositorySettings } from './options.ts'
import { withRepository } from './save.ts'

export interface BackupList {
  readonly repository: string
  /** Newest first. */
  readonly backups: readonly (Backup & {
    /** What its newest verification or drill found wrong, a sentence each. Empty unless it is bad. */
    readonly found: readonly string[]
  })[]
  /** Objects that cannot be read or do not belong there. */
  readonly problems: readonly CatalogProblem[]
}

/**
 * @param database its path; it need not be there, its name tells whether the repository is its own
 * @throws LockkeeperError `missing` when there is no repository yet, `storage`, `denied`, `config`
 */
export function backups(settings: RepositorySettings, database: string): Promise<BackupList> {
  return withRepository(settings, database, { create: false }, async repository => {
    const { backups, problems } = await listBackups(repository)
    const told: BackupList['backups'][number][] = []
    for (const backup of backups.toReversed()) told.push({ ...backup, found: await foundIn(repository, backup) })
    const { salvaged, store } = repository
    const own = salvaged === undefined ? [] : [{ key: 'repository.json', message: salvaged }]
    return { repository: store.url, backups: told, problems: [...own, ...problems] }
  })
}

/** One request for each that is bad, which are few. */
async function foundIn(repository: Repository, { check }: Backup): Promise<readonly string[]> {
  if (check?.result !== 'bad') return []
  try {
    return (await readCheck(repository, check))?.problems ?? []
  } catch (error) {
    if (!isUnreadable(error)) throw error
    return [error.message]
  }
}
