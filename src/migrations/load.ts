/** Reads a folder of migrations and checks all of it before anything runs. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LockkeeperError, messageOf, systemCode } from '../errors.ts'
import { parseDirectivesFile, type RawDirectives } from './directives.ts'
import { parseSqlMigration, readModuleMigration, settled } from './house.ts'
import type { Migration } from './model.ts'
import { orderMigrations } from './order.ts'

const directivesFile = 'lockkeeper.json'

/**
 * All migrations of a folder, in the order in which they run. Links are followed (a mounted ConfigMap is made of them);
 * names that begin with a dot, folders and other kinds of files are passed over.
 * @throws LockkeeperError `config` when the folder is missing or has no migration; `invalid` with everything that is
 * wrong with any of the files.
 */
export async function loadMigrations(folder: string): Promise<readonly Migration[]> {
  const files = await migrationFiles(folder)
  const problems: string[] = []
  const migrations: Migration[] = []
  for (const name of files) {
    try {
      migrations.push(await readMigration(folder, name))
    } catch (error) {
      problems.push(`${join(folder, name)}: ${messageOf(error)}`)
    }
  }
  const directed = await addDirectives(folder, migrations, problems)
  const ordered = orderMigrations(directed)
  problems.push(...ordered.problems)
  if (problems.length > 0)
    throw new LockkeeperError('invalid', `the migrations in ${folder} are not sound:\n  ${problems.join('\n  ')}`, {
      hint: 'Nothing was touched. Mend the files and run again.',
      details: { problems },
    })
  return ordered.migrations
}

async function migrationFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new LockkeeperError('config', `the folder of migrations cannot be read: ${messageOf(error)}`, {
      hint:
        systemCode(error) === 'ENOENT'
          ? 'Mount it there, or name another with --migrations or LOCKKEEPER_MIGRATIONS.'
          : 'Check its permissions.',
      cause: error,
    })
  })
  const files: string[] = []
  for (const name of names.toSorted()) {
    if (name.startsWith('.') || !/\.(sql|[mc]?[jt]s)$/.test(name) || /\.d\.[mc]?ts$/.test(name)) continue
    if ((await stat(join(folder, name))).isFile()) files.push(name)
  }
  if (files.length === 0)
    throw new LockkeeperError('config', `there is no migration in ${folder}`, {
      hint: 'Migrations are files such as v001_initial_schema.sql. Name their folder with --migrations or LOCKKEEPER_MIGRATIONS.',
    })
  return files
}

async function readMigration(folder: string, name: string): Promise<Migration> {
  const file = join(folder, name)
  const version = name.replace(/\.[^.]+$/, '')
  const content = await readFile(file, 'utf8')
  return name.endsWith('.sql') ? parseSqlMigration(version, file, content) : readModuleMigration(version, file, content)
}

async function addDirectives(folder: string, migrations: Migration[], problems: string[]): Promise<Migration[]> {
  let more: Map<string, RawDirectives>
  try {
    more = parseDirectivesFile(await readFile(join(folder, directivesFile), 'utf8'))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') problems.push(`${join(folder, directivesFile)}: ${messageOf(error)}`)
    return migrations
  }
  for (const version of more.keys())
    if (!migrations.some(migration => migration.version === version))
      problems.push(`${join(folder, directivesFile)}: there is no migration ${version}`)
  return migrations.map(migration => {
    const said = more.get(migration.version)
    if (said === undefined) return migration
    return {
      ...migration,
      description: said.description ?? migration.description,
      dependencies: said.dependencies ?? migration.dependencies,
      directives: { ...migration.directives, ...settled(said) },
    }
  })
}
