/** Reads a folder of migrations and checks all of it before anything runs. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LockkeeperError, messageOf } from '../errors.ts'
import { directed, directivesFile, mergeDirectives, type RawDirectives } from './directives.ts'
import { readFolder } from './folder.ts'
import { parseModuleMigration } from './formats/house.ts'
import type { Source, TextFile } from './formats/source.ts'
import type { Migration } from './model.ts'
import type { ModuleExports } from './modules.ts'
import { inSequence, orderMigrations } from './order.ts'
import { checksumOf } from './text.ts'

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
 * what begins with a dot is passed over, and so is everything else that is no migration. Modules are imported, in a
 * process of their own, to learn what they export: their top level runs each time.
 * @param signal ends the import of modules; then it rejects with its reason
 * @throws LockkeeperError `config` when the folder is missing or has no migration; `UnsoundFolder` (`invalid`) with
 * everything that is wrong with any of the files.
 */
export async function loadMigrations(folder: string, signal?: AbortSignal): Promise<readonly Migration[]> {
  const { directives, problems: found, sequence, sources, versions } = readFolder(folder)
  const problems = [...found]
  const migrations = await parse(sources, problems, signal)
  for (const version of directives.keys())
    if (!versions.has(version)) problems.push(`${join(folder, directivesFile)}: there is no migration ${version}`)
  const ordered = orderMigrations(inSequence(withMore(migrations, directives), sequence), versions)
  problems.push(...ordered.problems)
  if (problems.length > 0) throw new UnsoundFolder(folder, problems, ordered.migrations, versions)
  return ordered.migrations
}

async function parse(
  sources: readonly Source[],
  problems: string[],
  signal: AbortSignal | undefined,
): Promise<Migration[]> {
  const modules = sources.filter(({ up }) => !/\.sql$/i.test(up.file)).map(({ up }) => up)
  const exports = await exportsOf(modules, signal)
  const migrations: Migration[] = []
  for (const { down, parse, recordedAs, up, version } of sources) {
    const exported = exports.get(up.file)
    try {
      if (exported instanceof Error) throw exported
      const migration =
        exported === undefined
          ? parse(version, up, down)
          : parseModuleMigration(version, up.file, up.text, urlOf(up), exported)
      migrations.push(recordedAs === undefined ? migration : { ...migration, recordedAs })
    } catch (error) {
      problems.push(`${up.file}: ${messageOf(error)}`)
    }
  }
  return migrations
}

/** By file. */
async function exportsOf(
  modules: readonly TextFile[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, ModuleExports | Error>> {
  if (modules.length === 0) return new Map()
  const { inspectModules } = await import('./modules.ts')
  const found = await inspectModules(modules.map(urlOf), undefined, signal)
  return new Map(modules.map(({ file }, at) => [file, found[at]!]))
}

/** Its content is part of it, so that a process that runs for long does not get what it imported before. */
function urlOf({ file, text }: TextFile): string {
  return `${pathToFileURL(file).href}?checksum=${checksumOf(text)}`
}

function withMore(migrations: readonly Migration[], more: ReadonlyMap<string, RawDirectives>): readonly Migration[] {
  if (more.size === 0) return migrations
  return migrations.map(migration => {
    const said = more.get(migration.version)
    if (said === undefined) return migration
    const { dependencies, description, directives, lintIgnore } = migration
    return {
      ...migration,
      ...directed(mergeDirectives({ description, dependencies, lintIgnore, ...directives }, said)),
    }
  })
}
