/**
 * Migrations that are a folder each: Prisma's and Drizzle's `NAME/migration.sql`, diesel's `NAME/up.sql` and `down.sql`.
 * Each of these tools runs them in the order of the names as texts; diesel looks only at what is before the first `_`,
 * without its dashes.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, systemCode } from '../../errors.ts'
import { readText } from '../text.ts'
import { parseDrizzle } from './journal.ts'
import { type Found, foreignMigration, type Source, type TextFile } from './source.ts'

/** With this in the folder it is Prisma's, and each folder in it is a migration. */
const prismaLock = 'migration_lock.toml'

/**
 * Those whose names begin with a digit, as all of these tools call them; with Prisma's lock file, all of them.
 * @param names of the folders that are in it, but for hidden ones
 */
export function nestedIn(folder: string, names: readonly string[]): Found {
  const sources: Source[] = []
  const problems: string[] = []
  const isPrisma = existsSync(join(folder, prismaLock))
  if (isPrisma) problems.push(...refuseProvider(join(folder, prismaLock)))
  let isDiesel = false
  for (const version of isPrisma ? names : names.filter(name => /^\d/.test(name))) {
    const place = join(folder, version)
    try {
      const migration = textOf(join(place, 'migration.sql'))
      const up = migration ?? textOf(join(place, 'up.sql'))
      if (migration !== undefined) sources.push({ version, up: migration, parse: parseDrizzle })
      else if (up !== undefined) {
        isDiesel = true
        sources.push(dieselSource(version, place, up))
      } else if (isPrisma) problems.push(`${place}: there is no migration.sql in it`)
    } catch (error) {
      problems.push(`${place}: ${messageOf(error)}`)
    }
  }
  const versions = sources.map(({ version }) => version)
  return { sources, problems, sequence: isDiesel ? versions.toSorted(byDieselVersion) : versions.toSorted() }
}

function byDieselVersion(a: string, b: string): number {
  const [left, right] = [dieselVersion(a), dieselVersion(b)]
  if (left !== right) return left < right ? -1 : 1
  return a < b ? -1 : 1
}

export function dieselVersion(name: string): string {
  return name.replace(/_.*/s, '').replaceAll('-', '')
}

function dieselSource(version: string, place: string, up: TextFile): Source {
  const down = textOf(join(place, 'down.sql'))
  const metadata = textOf(join(place, 'metadata.toml'))?.text ?? ''
  const transaction = !/^\s*run_in_transaction\s*=\s*false\b/m.test(metadata)
  return {
    version,
    up,
    ...(down === undefined ? {} : { down }),
    parse: (name, file, undo) => foreignMigration(name, file, undo, { up: file.text, transaction }),
  }
}

/** Undefined where there is none. */
function textOf(file: string): TextFile | undefined {
  try {
    return { file, text: readText(file) }
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function refuseProvider(file: string): string[] {
  const provider = /^\s*provider\s*=\s*"([^"]*)"/m.exec(readText(file))?.[1]
  return provider === undefined || provider === 'sqlite' ? [] : [`${file}: these migrations are for ${provider}`]
}
