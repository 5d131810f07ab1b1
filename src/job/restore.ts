/**
 * A restore. Everything is fetched and checked in a private copy first; then the lock; then a `pre-restore` backup of
 * what is there; then the content is replaced in place, without letting the lock go; then it is looked at once more.
 * Killed anywhere, the database is the old one or the new one.
 */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchBackup } from '../backup/fetch.ts'
import type { Repository } from '../backup/repository.ts'
import { findBackup, type Selection } from '../backup/select.ts'
import type { Connection } from '../database/connection.ts'
import { inspectFile } from '../database/location.ts'
import { openForReplacement, replaceContent } from '../database/replace.ts'
import { LockkeeperError } from '../errors.ts'
import { inspectCopy } from '../sandbox/inspect.ts'
import { formatBytes } from '../units.ts'
import { failures, listFindings } from '../validation/findings.ts'
import { integrityCheck, quickCheck } from '../validation/integrity.ts'
import { step } from './events.ts'
import { locate } from './locate.ts'
import type { JobOptions } from './options.ts'
import { inPrivateFolder } from './private-folder.ts'
import { describeDatabase, repositoryOf, save, withRepository } from './save.ts'

export interface RestoreOptions extends JobOptions {
  readonly selection: Selection
  /** Restore into this file instead of the database; it must not exist. */
  readonly to?: string
  /** Folder with room for a copy of the database. */
  readonly tmpdir: string
}

export interface RestoreResult {
  readonly restored: string
  readonly database: string
  readonly bytes: number
  readonly level: string | null
  /** The backup of what was there before; null: nothing was there. */
  readonly safety: string | null
  /** Newer backups that were passed over, and why. */
  readonly passedOver: readonly { readonly id: string; readonly reason: string }[]
  /** How the private copy was checked. */
  readonly checked: string
}

/** @throws LockkeeperError `missing` when there is no such backup, `invalid` when it is not sound, `busy`, `io`, `storage` */
export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const settings = repositoryOf(options)
  if (settings === undefined)
    throw new LockkeeperError('config', 'a restore needs a repository', { hint: 'Set LOCKKEEPER_REPOSITORY.' })
  const database = await locate(options)
  const target = options.to ?? database
  if (options.to !== undefined) await refuseExisting(options.to)
  const inProcess = options.viewInProcess ?? false
  await orMoveAside(target, () => inspectFile(target, { inProcess }))
  return withRepository(settings, database, { create: false }, repository =>
    inPrivateFolder(options.tmpdir, folder =>
      restoreFrom(repository, { ...options, target }, join(folder, 'restored.db')),
    ),
  )
}

async function refuseExisting(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined)
  if (there !== undefined)
    throw new LockkeeperError('usage', `${path} is there already`, {
      hint: '--to takes the name of a file that is not there yet.',
    })
}

/** What is too damaged to be kept as a backup, or to be replaced in place, is for a person to put away. */
async function orMoveAside<T>(target: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LockkeeperError) || error.code !== 'invalid') throw error
    throw new LockkeeperError('invalid', error.message, {
      hint: `Nothing was touched, for what is there could not be kept as a backup first. Move ${target} and, where they are there, ${target}-wal and ${target}-journal to other names, keep them, and restore again.`,
      cause: error,
      details: error.details,
    })
  }
}

async function restoreFrom(
  repository: Repository,
  options: RestoreOptions & { readonly target: string },
  copy: string,
): Promise<RestoreResult> {
  const { listener, signal, target } = options
  const aborting = signal === undefined ? {} : { signal }
  const { backup, passedOver } = await findBackup(repository, options.selection)
  if (repository.salvaged !== undefined) listener({ kind: 'warning', step: 'restore', message: repository.salvaged })
  for (const { id, reason } of passedOver)
    listener({ kind: 'warning', step: 'restore', message: `passed over ${id}: ${reason}` })
  const { database, schema } = backup.manifest
  await step(listener, 'restore', async () => {
    const onProgress = ({ bytes, total }: { bytes: number; total: number }) =>
      listener({ kind: 'progress', step: 'restore', done: bytes, total, unit: 'bytes' })
    await fetchBackup(repository, backup, copy, { ...aborting, onProgress })
    return {
      message: `fetched ${backup.id} (${formatBytes(database.bytes)}), every chunk and the whole as recorded`,
      value: undefined,
    }
  })
  const checked = await step(listener, 'validate', async () => {
    const { how, value } = await inspectCopy(copy, integrityCheck, signal)
    const wrong = failures(value)
    if (wrong.length > 0)
      throw new LockkeeperError('invalid', `the backup ${backup.id} is not a sound database:\n${listFindings(wrong)}`, {
        hint: 'Nothing was touched. Choose another: lockkeeper backups lists them, --id takes one.',
      })
    return { message: `integrity ok, ${how}`, value: how }
  })
  const wanted = database.journalMode === 'wal' ? 'wal' : 'rollback'
  const held = await orMoveAside(target, () =>
    openForReplacement(target, {
      lockTimeout: options.lockTimeout,
      ...aborting,
      onWaiting: waited =>
        listener({
          kind: 'note',
          step: 'lock',
          message: `in use by another process; waiting (${Math.round(waited / 1000)} s)`,
        }),
    }),
  )
  const { child, found } = held
  try {
    if (found.kind === 'damaged') await orMoveAside(target, () => Promise.reject(unreadable(target, found.reason)))
    // Under the lock, for it may have come since.
    const occupied = found.kind !== 'nothing'
    if (occupied && options.to !== undefined) await refuseExisting(options.to)
    const safety = occupied ? await orMoveAside(target, () => saveBefore(child, repository, options)) : null
    await step(listener, 'commit', async () => {
      await replaceContent(held, copy, wanted)
      const wrong = failures(await quickCheck(child))
      if (wrong.length > 0)
        throw new LockkeeperError('invalid', `${target} is not sound after the restore:\n${listFindings(wrong)}`, {
          hint: 'The backup is; the disk may not be. Restore again, on another volume if it stays like this.',
        })
      return { message: `${target} is ${backup.id} now`, value: undefined }
    })
    return {
      restored: backup.id,
      database: target,
      bytes: database.bytes,
      level: schema.level,
      safety,
      passedOver,
      checked,
    }
  } finally {
    await child.close()
  }
}

function unreadable(target: string, reason: string): LockkeeperError {
  return new LockkeeperError('invalid', `${target} cannot be read: ${reason}`)
}

async function saveBefore(
  child: Connection,
  repository: Repository,
  { actor, listener, signal, target, viewInProcess = false }: RestoreOptions & { readonly target: string },
): Promise<string> {
  const described = await describeDatabase(child)
  const { id } = await save(repository, target, child, described, {
    inProcess: viewInProcess,
    tiers: ['pre-restore'],
    actor,
    listener,
    ...(signal === undefined ? {} : { signal }),
  })
  return id
}
