/** What a person is shown who chooses a backup to restore. */
import { listNames, readBackup } from '../../backup/catalog.ts'
import type { Tier } from '../../backup/format.ts'
import type { Repository } from '../../backup/repository.ts'
import { inspectFile } from '../../database/location.ts'
import { viewDatabase } from '../../database/view.ts'
import { messageOf } from '../../errors.ts'
import { levelOf } from '../../migrations/assess.ts'
import { appliedVersions, readBookkeeping } from '../../migrations/bookkeeping.ts'
import { formatBytes } from '../../units.ts'
import type { JobOptions } from '../options.ts'

export interface Choice {
  readonly id: string
  readonly createdAt: Date
  readonly tiers: readonly Tier[]
  /** Null: the manifest cannot be read. */
  readonly bytes: number | null
  readonly level: string | null
  /** What is known of it. */
  readonly verified: 'good' | 'bad' | 'unchecked' | 'damaged' | 'unreadable'
}

export interface Choices {
  /** All ids, the newest first. */
  readonly ids: readonly string[]
  /** Some of them with what their manifests say: one request each. */
  read(ids: readonly string[]): Promise<Choice[]>
}

export async function choicesIn(repository: Repository): Promise<Choices> {
  const { backups } = await listNames(repository)
  const listed = new Map(backups.toReversed().map(backup => [backup.id, backup]))
  const read = async (id: string): Promise<Choice[]> => {
    const names = listed.get(id)
    const found = names && (await readBackup(repository, names))
    if (names === undefined || found === undefined) return []
    const { time, tiers } = names.name
    const known = { id, createdAt: time, tiers }
    if (!('manifest' in found)) return [{ ...known, bytes: null, level: null, verified: 'unreadable' }]
    const { damaged, database, schema } = found.manifest
    const verified = damaged === false ? found.checked : 'damaged'
    return [{ ...known, bytes: database.bytes, level: schema.level, verified }]
  }
  return { ids: [...listed.keys()], read: async ids => (await Promise.all(ids.map(read))).flat() }
}

/** What is at the place of the database now, in a few words: `5.2 MiB, at v006`. */
export async function describeTarget({
  database,
  signal,
  viewInProcess: inProcess = false,
}: Pick<JobOptions, 'database' | 'signal' | 'viewInProcess'>): Promise<string> {
  try {
    const presence = await inspectFile(database, { inProcess })
    if (presence.kind === 'missing') return 'not there'
    if (presence.kind === 'empty') return 'empty'
    const size = formatBytes(presence.bytes)
    const viewed = await viewDatabase(database, readBookkeeping, {
      inProcess,
      ...(signal === undefined ? {} : { signal }),
    })
    const level = 'value' in viewed ? levelOf(appliedVersions(viewed.value.rows)) : null
    return `${size}, at ${level ?? 'no level'}`
  } catch (error) {
    return messageOf(error)
  }
}
