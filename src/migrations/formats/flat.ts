/**
 * Migrations that are files of the folder itself, each read as what it is: the house format, dbmate's or goose's by what is
 * written in it; golang-migrate's and sqlx's pairs `NAME.up.sql` and `NAME.down.sql` by their names; modules.
 */
import { basename, dirname, join } from 'node:path'
import type { Migration } from '../model.ts'
import { isGoose, parseGoose } from './goose.ts'
import { parseSqlMigration } from './house.ts'
import { looksMarked } from './markers.ts'
import { type Found, foreignMigration, type Source, type TextFile } from './source.ts'

/** What is known of the folder besides its files. */
export interface Surroundings {
  /** Files without a marker are migrations, all of it: sqlx's simple ones, and those of whoever has no tool. */
  readonly unmarkedIsUp: boolean
  /** Another tool has a way of its own here to say what is a migration, and passes over all other files. */
  readonly othersPassOver: boolean
}

/** golang-migrate takes a second dot. */
const pairName = /^(.*)\.(up|down)\.+sql$/i

export function isMigration(name: string): boolean {
  return !name.startsWith('.') && /\.(sql|[mc]?[jt]s)$/i.test(name) && !/\.d\.[mc]?ts$/i.test(name)
}

export function versionOf(name: string): string {
  return pairName.exec(name)?.[1] ?? name.replace(/\.[^.]+$/, '')
}

/** @param files whose names are those of migrations, in the order of their names */
export function flatIn(files: readonly TextFile[], { othersPassOver, unmarkedIsUp }: Surroundings): Found {
  const problems: string[] = []
  const sources: Source[] = []
  const pairs = new Map<string, { up?: TextFile; down?: TextFile }>()
  const unmarked: TextFile[] = []
  for (const source of files) {
    const name = basename(source.file)
    const version = versionOf(name)
    const direction = pairName.exec(name)?.[2]?.toLowerCase() as 'up' | 'down' | undefined
    if (!/\.sql$/i.test(name) || looksMarked(source.text))
      sources.push({ version: name.replace(/\.[^.]+$/, ''), up: source, parse: parseHouse })
    else if (direction !== undefined) {
      const pair = pairs.get(version) ?? {}
      const other = pair[direction]
      if (other !== undefined)
        problems.push(`${source.file}: ${basename(other.file)} is the ${direction} of it already`)
      pairs.set(version, { ...pair, [direction]: source })
    } else if (isGoose(source.text)) sources.push({ version, up: source, parse: parseGoose })
    else unmarked.push(source)
  }
  for (const [version, { down, up }] of pairs)
    if (up !== undefined) sources.push({ version, up, ...(down === undefined ? {} : { down }), parse: parsePlain })
    else if (down !== undefined)
      problems.push(`${down.file}: there is no ${join(dirname(down.file), `${version}.up.sql`)} that it would undo`)
  // Beside one that is ours, a file without a marker may be one of ours where it was forgotten.
  const passedOver = othersPassOver && sources.length === 0
  for (const source of unmarked) {
    const version = versionOf(basename(source.file))
    if (unmarkedIsUp) sources.push({ version, up: source, parse: parsePlain })
    else if (pairs.size > 0 && /^\d/.test(version))
      problems.push(`${source.file}: is it the up or the down? The others are called NAME.up.sql and NAME.down.sql`)
    else if (pairs.size === 0 && !passedOver) sources.push({ version, up: source, parse: parseHouse })
  }
  return { sources, problems }
}

const parseHouse = (version: string, { file, text }: TextFile): Migration => parseSqlMigration(version, file, text)

/** sqlx: such a file begins with this. */
const withoutTransaction = /^-- no-transaction\b/

/** All of it is the up. */
export function parsePlain(version: string, up: TextFile, down: TextFile | undefined): Migration {
  return foreignMigration(version, up, down, { up: up.text, transaction: !withoutTransaction.test(up.text) })
}
