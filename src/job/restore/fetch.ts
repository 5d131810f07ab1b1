/** The first half of a restore: a backup is chosen, fetched and checked, in a private copy. Nothing else is touched. */
import { rm } from 'node:fs/promises'
import { fetchBackup } from '../../backup/fetch.ts'
import type { Manifest } from '../../backup/manifest.ts'
import type { Repository } from '../../backup/repository.ts'
import { findBackup, type Selected, type Selection, shown } from '../../backup/select.ts'
import type { Connection } from '../../database/connection.ts'
import { isDamaged } from '../../database/explain.ts'
import { LockkeeperError } from '../../errors.ts'
import { inspectCopy } from '../../sandbox/inspect.ts'
import { formatBytes } from '../../units.ts'
import { findDamage } from '../../validation/damage.ts'
import { type Listener, step } from '../events.ts'

export interface FetchOptions<T> {
  readonly selection: Selection
  /** Where the copy goes; nothing is there yet. */
  readonly copy: string
  /** Fetch the bytes of a damaged database as well, where they are asked for by id; unchecked. Default false. */
  readonly evenDamaged?: boolean
  /** Looks into a copy that is sound; may be called twice. What it throws is no reason against the backup. */
  readonly examine: (connection: Connection) => Promise<T>
  readonly listener: Listener
  readonly signal?: AbortSignal
}

export interface Fetched<T> {
  readonly manifest: Manifest
  /** Newer backups that were passed over, and why. */
  readonly passedOver: Selected['passedOver']
  /** How the copy was checked, for people. */
  readonly checked: string
  /** What `examine` found, or what it was refused with. */
  readonly found: { readonly value: T } | { readonly problem: unknown }
}

/** Each attempt fetches a whole backup; what has lost this many is for `verify` to look through. */
const mostAttempts = 10

/**
 * Fetches the backup that is asked for. One that turns out to be damaged is passed over for the next older one, unless it
 * was asked for by name.
 * @throws LockkeeperError `missing` when there is none, `invalid` when none is good; then there is no copy
 */
export async function fetchGood<T>(repository: Repository, options: FetchOptions<T>): Promise<Fetched<T>> {
  const { listener, selection, signal } = options
  if (repository.salvaged !== undefined) listener({ kind: 'warning', step: 'restore', message: repository.salvaged })
  const unusable = new Map<string, string>()
  const known = new Set<string>()
  let first: LockkeeperError | undefined
  for (;;) {
    signal?.throwIfAborted()
    const { backup, passedOver } = await findBackup(repository, selection, unusable).catch((error: unknown) => {
      throw first === undefined ? error : noneIsGood(first, unusable)
    })
    for (const message of told(passedOver.filter(({ id }) => !unusable.has(id) && !known.has(id))))
      listener({ kind: 'warning', step: 'restore', message })
    for (const { id } of passedOver) known.add(id)
    const { manifest } = backup
    try {
      return { manifest, passedOver, ...(await fetchOne(repository, manifest, options)) }
    } catch (error) {
      if ('id' in selection || 'undo' in selection) throw error
      if (!(error instanceof LockkeeperError) || error.code !== 'invalid') throw error
      first ??= error
      unusable.set(backup.id, error.message)
      if (unusable.size === mostAttempts) throw noneIsGood(first, unusable)
      listener({ kind: 'warning', step: 'restore', message: `passed over ${backup.id}: ${error.message}` })
    }
  }
}

/** A sentence for each reason: after ten restores there are ten backups that were made before one. */
function told(passedOver: Selected['passedOver']): string[] {
  const byReason = Map.groupBy(passedOver, ({ reason }) => reason)
  return [...byReason].map(([reason, of]) => `passed over ${shown(of.map(({ id }) => id))}: ${reason}`)
}

async function fetchOne<T>(
  repository: Repository,
  manifest: Manifest,
  { copy, evenDamaged = false, examine, listener, signal }: FetchOptions<T>,
): Promise<Pick<Fetched<T>, 'checked' | 'found'>> {
  const { damaged, database, id } = manifest
  if (damaged !== false && !evenDamaged) throw ofDamaged(manifest, damaged.reason)
  await step(listener, 'restore', async () => {
    await fetchBackup(repository, { manifest }, copy, {
      ...(signal === undefined ? {} : { signal }),
      onProgress: ({ bytes, total }) =>
        listener({ kind: 'progress', step: 'restore', done: bytes, total, unit: 'bytes' }),
    })
    const message = `fetched ${id} (${formatBytes(database.bytes)}), every chunk and the whole as recorded`
    return { message, value: undefined }
  })
  if (damaged !== false) {
    const message = `${id} is of a damaged database, and comes as it is: ${damaged.reason}`
    listener({ kind: 'warning', step: 'validate', message })
    return { checked: 'not looked into, for it is damaged', found: { problem: undefined } }
  }
  try {
    return await step(listener, 'validate', async () => {
      const { how, value } = await inspectCopy(copy, connection => check(connection, manifest, examine), signal)
      return { message: `integrity ok, ${how}`, value: { checked: how, found: value } }
    })
  } catch (error) {
    await rm(copy, { force: true })
    throw error
  }
}

async function check<T>(
  connection: Connection,
  { id }: Manifest,
  examine: (connection: Connection) => Promise<T>,
): Promise<Fetched<T>['found']> {
  const damage = await findDamage(connection, true)
  if (damage !== undefined)
    throw new LockkeeperError('invalid', `the backup ${id} is not a sound database: ${damage}`, { hint: another })
  try {
    return { value: await examine(connection) }
  } catch (problem) {
    if (isDamaged(problem)) throw problem
    return { problem }
  }
}

const another = 'Nothing was touched. Choose another: lockkeeper backups lists them, --id takes one.'

function ofDamaged({ id }: Manifest, reason: string): LockkeeperError {
  return new LockkeeperError('invalid', `the backup ${id} is of a damaged database: ${reason}`, {
    hint: `Nothing was touched. To have its bytes as they are: lockkeeper restore --id ${id} --to PATH. lockkeeper backups lists the others.`,
    details: { backup: id },
  })
}

function noneIsGood(first: LockkeeperError, unusable: ReadonlyMap<string, string>): LockkeeperError {
  const all = [...unusable].map(([id, reason]) => `\n  ${id}: ${reason}`).join('')
  return new LockkeeperError('invalid', `none of the ${unusable.size} newest backups can be restored:${all}`, {
    hint: 'Nothing was touched. lockkeeper verify --all looks through all of them, and names the newest that is whole.',
    cause: first,
    details: { ...first.details, passedOver: [...unusable.keys()] },
  })
}
