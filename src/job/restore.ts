/**
 * A restore that a person asks for. Everything is fetched and checked in a private copy first; then the lock; then a
 * `pre-restore` backup of what is there; then the content is replaced in place, without letting the lock go; then it is
 * looked at once more. Killed anywhere, the database is the old one or the new one.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Selection } from '../backup/select.ts'
import { LockkeeperError } from '../errors.ts'
import { locate } from './locate.ts'
import type { JobOptions } from './options.ts'
import { inPrivateFolder } from './private-folder.ts'
import { type Fetched, fetchGood } from './restore/fetch.ts'
import { migrationsAtHand, type Standing, standingOf } from './restore/image.ts'
import { putInPlace } from './restore/put.ts'
import { withRepository } from './save.ts'

export interface RestoreOptions extends JobOptions {
  readonly selection: Selection
  /** Folder of the migrations, to say how the backup stands to them. Nothing depends on it. Default: that is not said. */
  readonly migrations?: string
}

export interface RestoreResult {
  /** Id of the backup. */
  readonly restored: string
  readonly database: string
  readonly bytes: number
  readonly level: string | null
  /** The backup of what was there before; null: nothing was there. */
  readonly safety: string | null
  /** What was there before was damaged, or no database; so is its backup. */
  readonly safetyDamaged: boolean
  /** Newer backups that were passed over, and why. */
  readonly passedOver: readonly { readonly id: string; readonly reason: string }[]
  /** How the private copy was checked. */
  readonly checked: string
  /** How it stands to the migrations at hand; null: there are none, or it could not be found out. */
  readonly standing: Standing | null
}

/** @throws LockkeeperError `missing` when there is no such backup, `invalid` when it is not sound, `busy`, `io`, `storage` */
export async function restore(given: RestoreOptions): Promise<RestoreResult> {
  const { listener, repository: settings, selection, signal } = given
  if (settings === undefined)
    throw new LockkeeperError('config', 'a restore needs a repository', { hint: 'Set LOCKKEEPER_REPOSITORY.' })
  const target = await locate(given)
  const migrations = await migrationsAtHand(given.migrations, listener)
  return withRepository(settings, target, { create: false }, repository =>
    inPrivateFolder(given.tmpdir ?? tmpdir(), async folder => {
      const copy = join(folder, 'restored.db')
      const fetched = await fetchGood(repository, {
        selection,
        copy,
        examine: async connection => migrations && standingOf(connection, migrations),
        listener,
        ...(signal === undefined ? {} : { signal }),
      })
      const { manifest } = fetched
      const kept = await putInPlace(repository, { ...given, target, copy, manifest })
      return {
        ...resultOf(fetched, target),
        safety: kept?.safety ?? null,
        safetyDamaged: kept?.damaged ?? false,
      }
    }),
  )
}

function resultOf({ checked, found, manifest, passedOver }: Fetched<Standing | undefined>, database: string) {
  return {
    restored: manifest.id,
    database,
    bytes: manifest.database.bytes,
    level: manifest.schema.level,
    passedOver,
    checked,
    standing: ('value' in found ? found.value : undefined) ?? null,
  }
}
