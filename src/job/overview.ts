/** What a monitor wants to know of a repository. Names tell nearly all of it: two listings, and as a rule one manifest a tier. */
import { type Backup, type CatalogProblem, type ListedBackup, listNames, readBackup } from '../backup/catalog.ts'
import { listChecks } from '../backup/checks.ts'
import { type Tier, tiers } from '../backup/format.ts'
import type { Repository } from '../backup/repository.ts'
import { type Read, selectBackup } from '../backup/select.ts'
import { LockkeeperError } from '../errors.ts'
import type { RepositorySettings } from './options.ts'
import { withRepository } from './save.ts'

export interface Overview {
  readonly repository: string
  readonly tiers: Readonly<Record<Tier, TierOverview>>
  /** Backups that a verification or a drill has found bad. */
  readonly bad: number
  /** When the newest one that found its backup good was made, of any backup; null: there was none. */
  readonly checked: { readonly verification: Date | null; readonly drill: Date | null }
}

export interface TierOverview {
  /** How many there are, good or not. */
  readonly backups: number
  /** The newest that is not known to be bad or of a damaged database; null: there is none. */
  readonly newest: { readonly id: string; readonly createdAt: Date; readonly bytes: number } | null
}

/**
 * Where there is no repository yet there are no backups.
 * @param database its path; it need not be there, its name tells whether the repository is its own
 * @throws LockkeeperError `storage`, `denied`, `config`
 */
export async function overview(settings: RepositorySettings, database: string): Promise<Overview> {
  try {
    return await withRepository(settings, database, { create: false }, overviewOf)
  } catch (error) {
    if (!(error instanceof LockkeeperError && error.code === 'missing')) throw error
    const nothing = Object.fromEntries(tiers.map(tier => [tier, { backups: 0, newest: null }])) as Overview['tiers']
    return { repository: settings.url, tiers: nothing, bad: 0, checked: { verification: null, drill: null } }
  }
}

async function overviewOf(repository: Repository): Promise<Overview> {
  const { backups } = await listNames(repository)
  const { checks } = await listChecks(repository.store)
  const good = [...checks.values()].flat().filter(({ result }) => result === 'good')
  const newestCheck = (kind: 'verification' | 'drill') =>
    latest(good.flatMap(check => (check.kind === kind ? [check.time] : [])))
  const read = readOnce(repository)
  const ofTier = async (tier: Tier): Promise<[Tier, TierOverview]> => {
    const own = backups.filter(({ name }) => name.tiers.includes(tier))
    return [tier, { backups: own.length, newest: await newestGood(own, tier, read) }]
  }
  return {
    repository: repository.store.url,
    tiers: Object.fromEntries(await Promise.all(tiers.map(ofTier))) as Overview['tiers'],
    bad: backups.filter(({ checked }) => checked === 'bad').length,
    checked: { verification: newestCheck('verification'), drill: newestCheck('drill') },
  }
}

async function newestGood(backups: readonly ListedBackup[], tier: Tier, read: Read): Promise<TierOverview['newest']> {
  try {
    const { id, manifest } = (await selectBackup(backups, { latest: true, tier }, read)).backup
    return { id, createdAt: new Date(manifest.createdAt), bytes: manifest.database.bytes }
  } catch (error) {
    if (error instanceof LockkeeperError && error.code === 'missing') return null
    throw error
  }
}

/** A backup may be the newest of several tiers. */
function readOnce(repository: Repository): Read {
  const known = new Map<string, Promise<Backup | CatalogProblem | undefined>>()
  return listed => {
    const reading = known.get(listed.id) ?? readBackup(repository, listed)
    known.set(listed.id, reading)
    return reading
  }
}

function latest(times: readonly Date[]): Date | null {
  return times.length === 0 ? null : new Date(Math.max(...times.map(time => time.getTime())))
}
