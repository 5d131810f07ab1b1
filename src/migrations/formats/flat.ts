/**
 * Migrations that are files of the folder itself, each read as what it is: the house format, dbmate's or goose's by what is
 * written in it; golang-migrate's and sqlx's pairs `NAME.up.sql` and `NAME.down.sql` by their names; modules.
 */
import { basename, dirname, join } from 'node:path'
import type { Migration } from '../model.ts'
import { hasGooseDown, isGoose, parseGoose } from './goose.ts'
import { parseSqlMigration } from './house.ts'
import { isMarked, looksMarked } from './markers.ts'
import { type Found, type Source, type TextFile, wholeMigration } from './source.ts'

/** What is known of the folder besides its files. */
export interface Surroundings {
  /** Files without a marker are migrations, all of it: sqlx's simple ones, and those of whoever has no tool. */
  readonly unmarkedIsUp: boolean
  /** Another tool has a way of its own here to say what is a migration: files without a marker are none. */
  readonly othersSay: boolean
}

/** golang-migrate and sqlx want a number in front; the former takes a second dot. */
const pairName = /^(\d.*)\.(up|down)\.+sql$/i

/** What people call a down where their tool has no word for it; the last is Flyway's. Of one name with an up it is one, too. */
const downName = /\.(down|undo|rollback|revert)$|^(down|undo|rollback|revert)[._-]|^U\d.*__/i
const perhapsDown = /[_-](down|undo|rollback|revert)$/i

export function isMigration(name: string): boolean {
  return !name.startsWith('.') && /\.(sql|[mc]?[jt]s)$/i.test(name) && !/\.d\.[mc]?ts$/i.test(name)
}

export function versionOf(name: string): string {
  return name.replace(/\.[^.]+$/, '')
}

type Kind = 'house' | 'goose' | 'up' | 'down' | 'unmarked'

function kindOf(name: string, text: string): Kind {
  if (!/\.sql$/i.test(name) || isMarked(text)) return 'house'
  const direction = pairName.exec(name)?.[2]?.toLowerCase() as 'up' | 'down' | undefined
  if (isGoose(text) && (direction === undefined || (direction === 'up' && hasGooseDown(text)))) return 'goose'
  return direction ?? (looksMarked(text) ? 'house' : 'unmarked')
}

/** @param files whose names are those of migrations, in the order of their names */
export function flatIn(files: readonly TextFile[], surroundings: Surroundings): Found {
  const kinds = Map.groupBy(files, ({ file, text }) => kindOf(basename(file), text))
  const of = (kind: Kind) => kinds.get(kind) ?? []
  const source = (parse: Source['parse']) => (up: TextFile) => ({ version: versionOf(basename(up.file)), up, parse })
  const pairs = pairsOf(of('up'), of('down'))
  const unmarked = unmarkedOf(of('unmarked'), surroundings, pairs.sources.length > 0)
  const theirs = [...of('goose').map(source(parseGoose)), ...pairs.sources, ...unmarked.ups]
  return {
    sources: [...of('house').map(source(parseHouse)), ...theirs, ...unmarked.refused],
    problems: [...pairs.problems, ...sameNumbers(theirs)],
  }
}

function pairsOf(ups: readonly TextFile[], downs: readonly TextFile[]): Found {
  const problems: string[] = []
  const byVersion = (files: readonly TextFile[]) => {
    const found = new Map<string, TextFile>()
    for (const each of files) {
      const [, version = '', direction] = pairName.exec(basename(each.file)) ?? []
      const other = found.get(version)
      if (other === undefined) found.set(version, each)
      else problems.push(`${each.file}: ${basename(other.file)} is the ${direction} of it already`)
    }
    return found
  }
  const [up, down] = [byVersion(ups), byVersion(downs)]
  for (const [version, { file }] of down)
    if (!up.has(version))
      problems.push(`${file}: there is no ${join(dirname(file), `${version}.up.sql`)} that it would undo`)
  const sources = [...up].map(([version, file]) => {
    const undo = down.get(version)
    return { version, up: file, ...(undo === undefined ? {} : { down: undo }), parse: parsePlain }
  })
  return { sources, problems }
}

/** One that is called like a version may be a migration of which somebody forgot the marker: it is not left out silently. */
function unmarkedOf(
  files: readonly TextFile[],
  { othersSay, unmarkedIsUp }: Surroundings,
  besidePairs: boolean,
): { readonly ups: readonly Source[]; readonly refused: readonly Source[] } {
  const ups: Source[] = []
  const refused: Source[] = []
  const versions = new Set(files.map(({ file }) => versionOf(basename(file))))
  const isDown = (version: string) =>
    downName.test(version) || (perhapsDown.test(version) && versions.has(version.replace(perhapsDown, '')))
  for (const up of files) {
    const version = versionOf(basename(up.file))
    const refuse = (why: string) => refused.push({ version, up, parse: refusing(why) })
    const isNumbered = /^v?\d/i.test(version)
    if (unmarkedIsUp && !isDown(version)) ups.push({ version, up, parse: parsePlain })
    else if (unmarkedIsUp) refuse('by its name it is a down: call the two NAME.up.sql and NAME.down.sql')
    else if (!othersSay && !besidePairs)
      refuse(`it has no line "-- migrate:up". If files without it are ups here, ${sayUp}`)
    else if (isNumbered && besidePairs)
      refuse(
        `is it the up or the down? The others are NAME.up.sql and NAME.down.sql. If such files are ups here, ${sayUp}`,
      )
    else if (isNumbered)
      refuse('the other migrations here are not of this kind: move it away, or write "-- migrate:up" into it')
  }
  return { ups, refused }
}

const sayUp = 'say {"$unmarked": "up"} in lockkeeper.json beside them'

function refusing(why: string): Source['parse'] {
  return () => {
    throw new Error(why)
  }
}

/** These tools know a migration by its number, and refuse two with the same. */
function sameNumbers(sources: readonly Source[]): string[] {
  const groups = Map.groupBy(sources, ({ version }) => /^0*(\d+)/.exec(version)?.[1] ?? version)
  return [...groups.values()]
    .filter(group => group.length > 1)
    .map(([first, second]) => `${second?.up.file}: ${first?.version} has the same number`)
}

const parseHouse = (version: string, { file, text }: TextFile): Migration => parseSqlMigration(version, file, text)

/** sqlx: such a file begins with this. */
const withoutTransaction = /^-- no-transaction\b/

/** All of it is the up. */
function parsePlain(version: string, up: TextFile, down: TextFile | undefined): Migration {
  return wholeMigration(version, up, down, { transaction: !withoutTransaction.test(up.text) })
}
