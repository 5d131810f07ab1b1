/** Reads a folder of migrations and checks all of it before anything runs. */
import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LockkeeperError, messageOf, systemCode } from '../errors.ts'
import { mergeDirectives, parseDirectivesFile, type RawDirectives, settled } from './directives.ts'
import { parseModuleMigration, parseSqlMigration } from './house.ts'
import type { Migration } from './model.ts'
import type { ModuleExports } from './modules.ts'
import { orderMigrations } from './order.ts'
import { checksumOf, readText } from './text.ts'

const directivesFile = 'lockkeeper.json'

/** Everything that is wrong with the files of a folder. */
export class UnsoundFolder extends LockkeeperError {
  readonly folder: string
  readonly problems: readonly string[]
  /** Those that could be read, in no order that counts; two may have the same version. */
  readonly readable: readonly Migration[]
  /** Of all files, also of those that could not be read. */
  readonly versions: ReadonlySet<string>

  constructor(
    folder: string,
    problems: readonly string[],
    readable: readonly Migration[],
    versions: ReadonlySet<string>,
    hint = 'Nothing was touched. Mend the files and run again.',
  ) {
    super('invalid', `the migrations in ${folder} are not sound:\n  ${problems.join('\n  ')}`, {
      hint,
      details: { problems },
    })
    this.folder = folder
    this.problems = problems
    this.readable = readable
    this.versions = versions
  }
}

/**
 * All migrations of a folder, in the order in which they run. Links are followed (a mounted ConfigMap is made of them);
 * names that begin with a dot, folders and other kinds of files are passed over. Modules are imported, in a process of
 * their own, to learn what they export: their top level runs each time.
 * @param signal ends the import of modules; then it rejects with its reason
 * @throws LockkeeperError `config` when the folder is missing or has no migration; `UnsoundFolder` (`invalid`) with
 * everything that is wrong with any of the files.
 */
export async function loadMigrations(folder: string, signal?: AbortSignal): Promise<readonly Migration[]> {
  const entries = entriesOf(folder)
  const versions = new Set(entries.map(({ name }) => versionOf(name)))
  const problems: string[] = []
  const read = readFiles(folder, entries, problems)
  const migrations = await parse(read, problems, signal)
  const directed = addDirectives(folder, migrations, versions, problems)
  const ordered = orderMigrations(directed, versions)
  problems.push(...ordered.problems)
  if (problems.length > 0) throw new UnsoundFolder(folder, problems, ordered.migrations, versions)
  return ordered.migrations
}

function entriesOf(folder: string): Dirent[] {
  const all = listOf(folder)
  const entries = all.filter(({ name }) => isMigration(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
  if (entries.length === 0)
    throw new LockkeeperError('config', `there is no migration in ${folder}`, {
      hint: 'Migrations are files such as v001_initial_schema.sql. Name their folder with --migrations or LOCKKEEPER_MIGRATIONS.',
    })
  return entries
}

function listOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    throw new LockkeeperError('config', `the folder of migrations cannot be read: ${messageOf(error)}`, {
      hint:
        systemCode(error) === 'ENOENT'
          ? 'Mount it there, or name another with --migrations or LOCKKEEPER_MIGRATIONS.'
          : 'Check its permissions.',
      cause: error,
    })
  }
}

export function isMigration(name: string): boolean {
  return !name.startsWith('.') && /\.(sql|[mc]?[jt]s)$/i.test(name) && !/\.d\.[mc]?ts$/i.test(name)
}

export function versionOf(name: string): string {
  return name.replace(/\.[^.]+$/, '')
}

interface SourceFile {
  readonly name: string
  readonly file: string
  readonly text: string
}

/** One after the other and at once: for small files that is ten times as fast as asking for many and waiting for them. */
function readFiles(folder: string, entries: readonly Dirent[], problems: string[]): SourceFile[] {
  const files: SourceFile[] = []
  for (const entry of entries) {
    const file = join(folder, entry.name)
    try {
      refuseOther(file, entry)
      files.push({ name: entry.name, file, text: readText(file) })
    } catch (error) {
      problems.push(`${file}: ${messageOf(error)}`)
    }
  }
  return files
}

/** A folder of that name is what a container runtime makes where the file that was to be mounted is missing. */
function refuseOther(file: string, entry: Dirent): void {
  if (entry.isFile()) return
  const info = statSync(file)
  if (info.isDirectory()) throw new Error('it is a folder, not a file: was there nothing to mount?')
  if (!info.isFile()) throw new Error('it is not a regular file')
}

async function parse(
  files: readonly SourceFile[],
  problems: string[],
  signal: AbortSignal | undefined,
): Promise<Migration[]> {
  const modules = files.filter(({ name }) => !/\.sql$/i.test(name))
  const exports = await exportsOf(modules, signal)
  const migrations: Migration[] = []
  for (const source of files) {
    const { name, file, text } = source
    const exported = exports.get(file)
    try {
      if (exported instanceof Error) throw exported
      migrations.push(
        exported === undefined
          ? parseSqlMigration(versionOf(name), file, text)
          : parseModuleMigration(versionOf(name), file, text, urlOf(source), exported),
      )
    } catch (error) {
      problems.push(`${file}: ${messageOf(error)}`)
    }
  }
  return migrations
}

/** By file. */
async function exportsOf(
  modules: readonly SourceFile[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, ModuleExports | Error>> {
  if (modules.length === 0) return new Map()
  const { inspectModules } = await import('./modules.ts')
  const found = await inspectModules(modules.map(urlOf), undefined, signal)
  return new Map(modules.map(({ file }, at) => [file, found[at]!]))
}

/** Its content is part of it, so that a process that runs for long does not get what it imported before. */
function urlOf({ file, text }: SourceFile): string {
  return `${pathToFileURL(file).href}?checksum=${checksumOf(text)}`
}

function addDirectives(
  folder: string,
  migrations: readonly Migration[],
  versions: ReadonlySet<string>,
  problems: string[],
): readonly Migration[] {
  const file = join(folder, directivesFile)
  let more: Map<string, RawDirectives>
  try {
    more = parseDirectivesFile(readText(file))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') problems.push(`${file}: ${messageOf(error)}`)
    return migrations
  }
  for (const version of more.keys())
    if (!versions.has(version)) problems.push(`${file}: there is no migration ${version}`)
  return migrations.map(migration => {
    const said = more.get(migration.version)
    if (said === undefined) return migration
    const { description, dependencies, lintIgnore } = migration
    const directives = mergeDirectives({ description, dependencies, lintIgnore, ...migration.directives }, said)
    return {
      ...migration,
      description: directives.description ?? '',
      dependencies: directives.dependencies ?? [],
      directives: settled(directives),
      lintIgnore: directives.lintIgnore ?? [],
    }
  })
}
