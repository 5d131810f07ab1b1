/** The backups that there are, with what is known of each. */
import { type Backup, type CatalogProblem, listBackups } from '../backup/catalog.ts'
import { readCheck } from '../backup/checks.ts'
import { listPins } from '../backup/pins.ts'
import type { Repository } from '../backup/repository.ts'
import { retain, type Verdict } from '../backup/retention.ts'
import { factsOf, unreadableManifests } from '../backup/survey.ts'
import { isUnreadable } from '../backup/untrusted.ts'
import type { RepositorySettings } from './options.ts'
import type { RetentionOptions } from './prune.ts'
import { withRepository } from './save.ts'

export interface BackupList {
  readonly repository: string
  /** Newest first. */
  readonly backups: readonly (Backup & {
    /** What its newest verification or drill found wrong, a sentence each. Empty unless it is bad. */
    readonly found: readonly string[]
    /** Whether the next prune keeps it, as far as can be told without looking for its chunks, and why; undefined: no policy was given. */
    readonly retention: Pick<Verdict, 'keep' | 'reasons'> | undefined
  })[]
  /** Objects that cannot be read or do not belong there. */
  readonly problems: readonly CatalogProblem[]
}

/**
 * @param retention the policy that a prune would follow; default: none is asked
 * @param database its path; it need not be there, its name tells whether the repository is its own
 * @throws LockkeeperError `missing` when there is no repository yet, `storage`, `denied`, `config`
 */
export function backups(
  settings: RepositorySettings,
  database: string,
  retention?: RetentionOptions,
): Promise<BackupList> {
  return withRepository(settings, database, { create: false }, async repository => {
    const { backups, problems } = await listBackups(repository)
    const verdicts = retention === undefined ? new Map() : await judged(repository, backups, problems, retention)
    const told: BackupList['backups'][number][] = []
    for (const backup of backups.toReversed()) {
      const found = await foundIn(repository, backup)
      told.push({ ...backup, found, retention: verdicts.get(backup.id) })
    }
    const { salvaged, store } = repository
    const own = salvaged === undefined ? [] : [{ key: 'repository.json', message: salvaged }]
    return { repository: store.url, backups: told, problems: [...own, ...problems] }
  })
}

async function judged(
  repository: Repository,
  backups: readonly Backup[],
  problems: readonly CatalogProblem[],
  { policy, timeZone }: RetentionOptions,
): Promise<Map<string, Pick<Verdict, 'keep' | 'reasons'>>> {
  const pins = await listPins(repository)
  const facts = backups.map(backup => factsOf(backup, pins))
  const around = { now: Date.now(), timeZone, unreadable: unreadableManifests(problems) }
  return new Map(retain(facts, policy, around).verdicts.map(({ id, keep, reasons }) => [id, { keep, reasons }]))
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
