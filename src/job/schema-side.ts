/** A schema from wherever it can be had: the database, the migrations, a backup, a file. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchBackup } from '../backup/fetch.ts'
import { findBackup } from '../backup/select.ts'
import type { Connection } from '../database/connection.ts'
import { fileSize } from '../database/location.ts'
import { viewDatabase } from '../database/view.ts'
import { explainSystemError, LockkeeperError } from '../errors.ts'
import { bookkeepingTables, readBookkeeping } from '../migrations/bookkeeping.ts'
import { replayed } from '../migrations/expected.ts'
import { loadMigrations } from '../migrations/load.ts'
import { inspectCopy } from '../sandbox/inspect.ts'
import { type Described, readDescribed, without } from '../schema/definitions.ts'
import type { RepositorySettings } from './options.ts'
import { inPrivateFolder } from './private-folder.ts'
import { withRepository } from './save.ts'

const sides = 'database, migrations, migrations@VERSION, backup:ID, file:PATH'

export interface SideOptions {
  /** Undefined: none is named. */
  readonly database: string | undefined
  readonly migrations: string
  readonly repository: RepositorySettings | undefined
  /** A folder with room for a copy of a database. */
  readonly tmpdir: string
  readonly viewInProcess?: boolean
  readonly signal?: AbortSignal
}

/**
 * Reads a schema, without Lockkeeper's own tables. What comes from elsewhere is read in the sandbox.
 * @param side one of `sides`
 * @throws LockkeeperError `usage` for another side; `config` where what it needs is not set; `missing`, `invalid`
 */
export async function readSide(side: string, options: SideOptions): Promise<Described> {
  if (side === 'database') return ofDatabase(options)
  if (side === 'migrations') return ofMigrations(options, undefined)
  const [, kind, rest = ''] = /^(migrations@|backup:|file:)(.+)$/s.exec(side) ?? []
  if (kind === 'migrations@') return ofMigrations(options, rest)
  if (kind === 'backup:') return ofBackup(options, rest)
  if (kind === 'file:') return ofFile(options, rest)
  throw new LockkeeperError('usage', `"${side}" names no schema`, { hint: `It is one of: ${sides}.` })
}

async function ofDatabase({ database, signal, viewInProcess = false }: SideOptions): Promise<Described> {
  if (database === undefined) throw notSet('database', 'DATABASE_URL')
  const viewed = await viewDatabase(database, withoutOwn, {
    inProcess: viewInProcess,
    ...(signal === undefined ? {} : { signal }),
  })
  if ('value' in viewed) return viewed.value
  throw new LockkeeperError('missing', `there is no database at ${database}`, {
    hint: 'Is DATABASE_URL right, and the volume mounted?',
  })
}

async function ofMigrations(
  { migrations: folder, signal }: SideOptions,
  version: string | undefined,
): Promise<Described> {
  const all = await loadMigrations(folder)
  const last = version === undefined ? all.length - 1 : all.findIndex(migration => migration.version === version)
  if (last === -1)
    throw new LockkeeperError('missing', `there is no migration ${version}`, {
      hint: `Known are: ${all.map(migration => migration.version).join(', ')}.`,
    })
  return replayed(all.slice(0, last + 1), readDescribed, { signal })
}

async function ofBackup({ database, repository, signal, tmpdir }: SideOptions, id: string): Promise<Described> {
  if (repository === undefined) throw notSet('repository', 'LOCKKEEPER_REPOSITORY')
  const settings = database === undefined ? { ...repository, allowOtherDatabase: true } : repository
  return withRepository(settings, database ?? 'database', { create: false }, opened =>
    inPrivateFolder(tmpdir, async folder => {
      const { backup } = await findBackup(opened, { id })
      const copy = join(folder, 'backup.db')
      await fetchBackup(opened, backup, copy, signal === undefined ? {} : { signal })
      return (await inspectCopy(copy, withoutOwn, signal)).value
    }),
  )
}

async function ofFile({ signal, tmpdir }: SideOptions, path: string): Promise<Described> {
  if (((await fileSize(`${path}-wal`)) ?? 0) > 0)
    throw new LockkeeperError(
      'invalid',
      `${path} has a write-ahead log beside it, so the file alone is not all of it`,
      {
        hint: 'Close what uses it, or name it as the database: DATABASE_URL.',
      },
    )
  return inPrivateFolder(tmpdir, async folder => {
    const copy = join(folder, 'file.db')
    await copyFile(path, copy).catch((error: unknown) => {
      throw explainSystemError(error, `cannot read ${path}`, 'Is the path right?')
    })
    return (await inspectCopy(copy, withoutOwn, signal)).value
  })
}

async function withoutOwn(connection: Connection): Promise<Described> {
  return without(await readDescribed(connection), bookkeepingTables(await readBookkeeping(connection)))
}

function notSet(what: string, variable: string): LockkeeperError {
  return new LockkeeperError('config', `no ${what} is named`, { hint: `Set ${variable}, or give --${what}.` })
}
