/** Pins: backups that are never removed. */
import { pin, unpin } from '../backup/pins.ts'
import { findBackup } from '../backup/select.ts'
import type { JobOptions, RepositorySettings } from './options.ts'
import { originOf, withRepository } from './save.ts'

export interface PinOptions extends Pick<JobOptions, 'actor'> {
  /** Path of the database, which need not be there: its name tells whether the repository is its own. */
  readonly database: string
  readonly repository: RepositorySettings
  /** The beginning of an id is enough. */
  readonly id: string
}

export interface Pinned {
  readonly id: string
  /** Whether it was pinned before. */
  readonly before: boolean
}

/**
 * @param reason why, for people; one that was given before stays
 * @throws LockkeeperError `missing`, `usage` when the beginning of an id fits several, `storage`, `denied`
 */
export function pinBackup(options: PinOptions & { readonly reason?: string }): Promise<Pinned> {
  const { actor, database, id: wanted, reason, repository: settings } = options
  return withRepository(settings, database, { create: false }, async repository => {
    const { id } = (await findBackup(repository, { id: wanted })).backup
    const answer = await pin(repository, id, { by: originOf(actor), ...(reason === undefined ? {} : { reason }) })
    return { id, before: answer === 'exists' }
  })
}

/** @throws LockkeeperError as `pinBackup` */
export function unpinBackup({ database, id: wanted, repository: settings }: PinOptions): Promise<Pinned> {
  return withRepository(settings, database, { create: false }, async repository => {
    const { id } = (await findBackup(repository, { id: wanted })).backup
    return { id, before: await unpin(repository, id) }
  })
}
