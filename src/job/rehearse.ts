/**
 * `run --dry-run` and `rollback --dry-run`: the job itself, by the same code, on a private copy of the real database (or of
 * a backup) that is made beside the running application. What it ends with, an error included, is what the real run would
 * end with. After a deploy the downs are run as well, and what they lead back to is compared with what was there before.
 */
import type { Stats } from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fetchBackup } from '../backup/fetch.ts'
import { findBackup, type Selection } from '../backup/select.ts'
import { DatabaseProcess } from '../database/child-process.ts'
import { setHeaderMode } from '../database/header-mode.ts'
import { fileSize, fileUri } from '../database/location.ts'
import { copySnapshot } from '../database/snapshot.ts'
import { needsRecovery } from '../database/view.ts'
import { LockkeeperError } from '../errors.ts'
import { bookkeepingTables, readBookkeeping } from '../migrations/bookkeeping.ts'
import { inspectCopy } from '../sandbox/inspect.ts'
import { failures, listFindings } from '../validation/findings.ts'
import { integrityCheck } from '../validation/integrity.ts'
import { type Content, differencesOf, readContent } from './content.ts'
import { deploy } from './deploy.ts'
import { step } from './events.ts'
import { type ChangeResult, type DeployOptions, type RowChange, urlOf } from './options.ts'
import { refuseAsDeploy, refuseAsRollback } from './precheck.ts'
import { inPrivateFolder } from './private-folder.ts'
import { type Rehearsal, schemaChanges, Watch, type WayBack } from './rehearsal.ts'
import { type RollbackOptions, rollBack } from './rollback.ts'
import { repositoryOf, withRepository } from './save.ts'

export interface Rehearsing {
  /** Folder with room for a copy of the database and for what the migrations need. */
  readonly tmpdir: string
  /** Rehearse on a backup instead of the database, which need not be there then. */
  readonly from?: Selection
}

/** @throws LockkeeperError as `deploy` would; nothing was touched */
export async function rehearse(given: DeployOptions & Rehearsing): Promise<Rehearsal> {
  const { ifMissing: _, restoreOnce, ...rest } = given
  if (restoreOnce !== undefined)
    given.listener({ kind: 'warning', step: 'look', message: 'the one-shot restore before it is not rehearsed' })
  const early = given.from === undefined ? await refuseAsDeploy(given) : undefined
  if (early?.kind === 'unchanged') return asUnchanged(early.result)
  const options = early?.kind === 'restore' ? { ...rest, from: { latest: true } as const } : rest
  return onCopy(options, early?.kind === 'empty', async (copy, watch, before, on) => {
    const { space, value: result } = await watch.during(() =>
      deploy({ ...privately(options, copy, watch), firstInstall: true }),
    )
    const after = await contentOf(copy)
    const { timing: time } = watch
    const wayBack = result.versions.length === 0 ? null : await goBack(options, copy, result, before)
    return { ...changesBetween(before, after), result: asReal(result, options), on, time, space, wayBack }
  })
}

/** @throws LockkeeperError as `rollBack` would; nothing was touched */
export async function rehearseRollback(options: RollbackOptions & Rehearsing): Promise<Rehearsal> {
  const early = options.from === undefined ? await refuseAsRollback(options) : undefined
  if (early !== undefined) return asUnchanged(early)
  return onCopy(options, false, async (copy, watch, before, on) => {
    const { space, value: result } = await watch.during(() => rollBack(privately(options, copy, watch)))
    const after = await contentOf(copy)
    const { timing: time } = watch
    return {
      ...changesBetween(before, after),
      result: asReal(result, options),
      on,
      time,
      space,
      wayBack: null,
    }
  })
}

type Options = (DeployOptions | RollbackOptions) & Rehearsing

/** Makes the copy, and has what goes wrong with it told of the real one. @param empty there is nothing to copy */
async function onCopy(
  options: Options,
  empty: boolean,
  work: (copy: string, watch: Watch, before: Content, on: Rehearsal['on']) => Promise<Rehearsal>,
): Promise<Rehearsal> {
  const { database, listener, tmpdir } = options
  return inPrivateFolder(tmpdir, async folder => {
    const copy = join(folder, basename(database))
    const on = await step(listener, 'look', async () => {
      const value = empty ? ({ kind: 'nothing', name: database, bytes: 0 } as const) : await makeCopy(options, copy)
      const what = {
        database: 'a private copy',
        backup: `a private copy of ${value.name}`,
        nothing: 'an empty database',
      }
      return { message: `rehearsed on ${what[value.kind]}; nothing is touched`, value }
    })
    try {
      return await work(copy, new Watch(copy), empty ? nothing : await contentOf(copy), on)
    } catch (error) {
      throw toldOfReal(error, copy, database)
    }
  })
}

const nothing: Content = { objects: new Map(), tables: new Map() }

async function makeCopy(options: Options, copy: string): Promise<Rehearsal['on']> {
  const { database, from, lockTimeout, signal } = options
  const aborting = signal === undefined ? {} : { signal }
  if (from === undefined) {
    await copySnapshot(database, copy, { lockTimeout, ...aborting }).catch(error => orCopyCrashed(error, options, copy))
    return { kind: 'database', name: database, bytes: (await fileSize(copy)) ?? 0 }
  }
  const settings = repositoryOf({ ...options, noBackup: false })
  if (settings === undefined) throw new Error('a repository is there, or was asked for')
  return withRepository(settings, database, { create: false }, async repository => {
    const { backup } = await findBackup(repository, from)
    await fetchBackup(repository, backup, copy, aborting)
    const wrong = failures((await inspectCopy(copy, integrityCheck, signal)).value)
    if (wrong.length > 0)
      throw new LockkeeperError('invalid', `the backup ${backup.id} is not a sound database:\n${listFindings(wrong)}`, {
        hint: 'Choose another: lockkeeper backups lists them.',
      })
    const { bytes, journalMode } = backup.manifest.database
    await setHeaderMode(copy, journalMode === 'wal' ? 'wal' : 'rollback')
    return { kind: 'backup', name: backup.id, bytes }
  })
}

/**
 * After a writer that was killed only a job that may write can read the database: its files are copied as they are, and
 * the job on the copy recovers them. Not inside an application, which would lose its own locks by that.
 */
async function orCopyCrashed(
  error: unknown,
  { database, viewInProcess = false }: Options,
  copy: string,
): Promise<void> {
  if (!needsRecovery(error) || !viewInProcess) throw error
  const files = ['', '-wal', '-journal']
  const state = async () => Promise.all(files.map(suffix => stat(database + suffix).then(stateOf, () => 'none')))
  const before = await state()
  for (const [at, suffix] of files.entries())
    if (before[at] !== 'none') await copyFile(database + suffix, copy + suffix)
  if ((await state()).join() !== before.join()) throw error
}

function stateOf({ ino, mtimeMs, size }: Stats): string {
  return `${ino} ${size} ${mtimeMs}`
}

/** The same job on the copy, which needs no way back, and which nobody else knows. */
function privately<T extends Options>({ listener, ...options }: T, copy: string, watch: Watch) {
  return {
    ...options,
    database: copy,
    fileSystem: { allowed: true, inKubernetes: false },
    repository: undefined,
    noBackup: true,
    viewInProcess: true,
    listener: watch.listener(listener),
  }
}

/** The downs of what was applied. */
async function goBack(options: Options, copy: string, { versions }: ChangeResult, before: Content): Promise<WayBack> {
  const start = performance.now()
  const target = { versions: versions.filter(({ direction }) => direction === 'up').map(({ version }) => version) }
  const quiet = { ...privately(options, copy, new Watch(copy)), listener: () => {}, target }
  const end = (rest: Omit<WayBack, 'milliseconds'>) => ({ ...rest, milliseconds: performance.now() - start })
  let losses: WayBack['losses'] = []
  try {
    try {
      await rollBack({ ...quiet, allowRowLoss: false })
    } catch (error) {
      const found = error instanceof LockkeeperError ? error.details['losses'] : undefined
      if (!Array.isArray(found)) throw error
      losses = found.map(({ after, before: had, table }) => ({ table, before: had, after: after ?? null }))
      await rollBack({ ...quiet, allowRowLoss: true })
    }
  } catch (error) {
    if (!(error instanceof LockkeeperError)) throw error
    return end({ refusal: toldOfReal(error, copy, options.database).message, losses, differences: [] })
  }
  return end({ refusal: null, losses, differences: differencesOf(before, await contentOf(copy)) })
}

async function contentOf(copy: string): Promise<Content> {
  if ((await fileSize(copy)) === undefined) return nothing
  const child = await DatabaseProcess.open({ location: fileUri(copy) })
  try {
    return await readContent(child, bookkeepingTables(await readBookkeeping(child)))
  } finally {
    await child.close()
  }
}

function changesBetween(before: Content, after: Content): Pick<Rehearsal, 'schema' | 'rows'> {
  const rows: Record<string, RowChange> = {}
  for (const table of new Set([...before.tables.keys(), ...after.tables.keys()]))
    rows[table] = { before: before.tables.get(table)?.rows ?? null, after: after.tables.get(table)?.rows ?? null }
  return { schema: schemaChanges(before.objects, after.objects), rows }
}

function asReal(result: ChangeResult, { database, repository }: Options): ChangeResult {
  return { ...result, database, repository: urlOf(repository) }
}

function asUnchanged(result: ChangeResult): Rehearsal {
  const on = { kind: 'database', name: result.database, bytes: 0 } as const
  const time = { milliseconds: 0, steps: [], longest: null }
  return { result, on, schema: [], rows: {}, time, space: { before: 0, after: 0, most: 0 }, wayBack: null }
}

function toldOfReal<E>(error: E, copy: string, database: string): E | LockkeeperError {
  if (!(error instanceof LockkeeperError)) return error
  const { cause, code, details, hint, message } = error
  return new LockkeeperError(code, message.replaceAll(copy, database), {
    ...(hint === undefined ? {} : { hint: hint.replaceAll(copy, database) }),
    cause,
    details,
  })
}
