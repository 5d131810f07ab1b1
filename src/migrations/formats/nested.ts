/**
 * Migrations that are a folder each: Prisma's and Drizzle's `NAME/migration.sql`, diesel's `NAME/up.sql` and `down.sql`.
 * Each of these tools runs them in the order of the names as texts; diesel looks only at what is before the first `_`,
 * without its dashes.
 */
import { join } from 'node:path'
import { messageOf, systemCode } from '../../errors.ts'
import { readText } from '../text.ts'
import { parseDrizzle } from './journal.ts'
import { type Found, type Source, type TextFile, wholeMigration } from './source.ts'

/** With this in the folder it is Prisma's, and each folder in it is a migration. */
export const prismaLock = 'migration_lock.toml'

/** As these tools call them: a time with or without dashes. What else has such a file in it may be an archive. */
const isTime = /^\d{8}|^\d{4}-\d\d-\d\d/

/** Lockkeeper's own, beside the migrations. */
const checks = 'checks'

/**
 * Those whose names begin with a time, and beside them with a number; with Prisma's lock file, all of them.
 * @param names of the folders that are in it, but for hidden ones
 * @param hasLock Prisma's lock file is there
 */
export function nestedIn(folder: string, names: readonly string[], hasLock: boolean): Found {
  const sources: Source[] = []
  const problems: string[] = []
  const lock = hasLock ? textOf(join(folder, prismaLock)) : undefined
  const isPrisma = lock !== undefined
  if (isPrisma) problems.push(...refuseProvider(lock))
  const without: string[] = []
  let isDiesel = false
  // Prisma calls its first one 0_init, where there was something before.
  const isName = names.some(name => isTime.test(name)) ? /^\d/ : isTime
  for (const version of names.filter(name => (isPrisma ? name !== checks : isName.test(name)))) {
    const place = join(folder, version)
    try {
      const migration = textOf(join(place, 'migration.sql'))
      const up = migration ?? textOf(join(place, 'up.sql'))
      if (migration !== undefined)
        sources.push({ version, recordedAs: momentOf(version), up: migration, parse: parseDrizzle })
      else if (up !== undefined) {
        isDiesel = true
        sources.push(dieselSource(version, place, up))
      } else without.push(`${place}: there is no ${isPrisma ? 'migration.sql' : 'migration.sql or up.sql'} in it`)
    } catch (error) {
      problems.push(`${place}: ${messageOf(error)}`)
    }
  }
  if (isPrisma || sources.length > 0) problems.push(...without)
  const versions = sources.map(({ version }) => version)
  return { sources, problems, sequence: isDiesel ? versions.toSorted(byDieselVersion) : versions.toSorted() }
}

function byDieselVersion(a: string, b: string): number {
  const [left, right] = [dieselVersion(a), dieselVersion(b)]
  if (left !== right) return left < right ? -1 : 1
  return a < b ? -1 : 1
}

/** The time at the beginning of a name in milliseconds since 1970, as Drizzle writes it down. */
function momentOf(name: string): string {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(name)?.map(Number) ?? []
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  return String(Date.UTC(year, month - 1, day, hour, minute, second))
}

export function dieselVersion(name: string): string {
  return name.replace(/_.*/s, '').replaceAll('-', '')
}

function dieselSource(version: string, place: string, up: TextFile): Source {
  const down = textOf(join(place, 'down.sql'))
  const metadata = textOf(join(place, 'metadata.toml'))?.text
  // Where there is such a file and it does not say so, diesel runs it without one.
  const transaction = metadata === undefined || /^\s*run_in_transaction\s*=\s*true\b/m.test(metadata)
  return {
    version,
    up,
    ...(down === undefined ? {} : { down }),
    parse: (name, file, undo) => wholeMigration(name, file, undo, { transaction }),
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

function refuseProvider(text: TextFile): string[] {
  const provider = /^\s*provider\s*=\s*"([^"]*)"/m.exec(text.text)?.[1]
  return provider === undefined || provider === 'sqlite' ? [] : [`${text.file}: these migrations are for ${provider}`]
}
