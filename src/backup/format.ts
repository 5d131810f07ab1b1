/**
 * The names and the bounds of the repository format, all in one place; `docs/repository-format.md` describes it for
 * other programs. Whatever is read from a repository was written by somebody else: nothing here is taken on trust.
 */

/** Version of everything in a repository. What a program of an older format would misread gets the next number. */
export const formatVersion = 1

/** Bytes of a chunk in a new repository. Existing ones say their own in `repository.json`. */
export const defaultChunkSize = 1024 * 1024

/** Bounds of a chunk size, in bytes; it is a power of two, so that no database page is spread over two chunks. */
export const smallestChunkSize = 4096
export const largestChunkSize = 16 * 1024 * 1024

/** Chunks that one list names at most. All lists of a backup but the last one are full. */
export const chunksInList = 1024

/** Bytes up to which objects are read; what is larger is refused before it fills the memory. */
export const largest = {
  repository: 64 * 1024,
  manifest: 8 * 1024 * 1024,
  list: 256 * 1024,
  check: 4 * 1024 * 1024,
  marks: 16 * 1024 * 1024,
  intent: 4 * 1024 * 1024,
  /** Room for what zstd adds to bytes that it cannot compress, and for the header of a frame. */
  chunk: (size: number): number => size + (size >>> 7) + 1024,
} as const

export const tiers = ['daily', 'weekly', 'monthly', 'pre-migration', 'pre-restore', 'manual'] as const
/** Why a backup was made; retention keeps each tier by its own rule. */
export type Tier = (typeof tiers)[number]

export const sha256Pattern = /^[0-9a-f]{64}$/
const chunkKeyPattern = /^chunks\/([0-9a-f]{2})\/(\1[0-9a-f]{62})(?:\.([1-9]\d{0,5}))?\.zst$/
export const listKeyPattern = /^lists\/([0-9a-f]{2})\/(\1[0-9a-f]{62})(?:\.([1-9]\d{0,5}))?$/

/** Number 0 is the plain name; others are used where an object of a lower number is marked for deletion or damaged. */
export function chunkKey(sha256: string, number = 0): string {
  return `chunks/${sha256.slice(0, 2)}/${sha256}${number === 0 ? '' : `.${number}`}.zst`
}

export function listKey(sha256: string, number = 0): string {
  return `lists/${sha256.slice(0, 2)}/${sha256}${number === 0 ? '' : `.${number}`}`
}

export interface ContentName {
  readonly sha256: string
  readonly number: number
}

/** The parts of the key of a chunk, or undefined when it is none. */
export function parseChunkKey(key: string): ContentName | undefined {
  return contentName(chunkKeyPattern.exec(key))
}

/** The parts of the key of a list, or undefined when it is none. */
export function parseListKey(key: string): ContentName | undefined {
  return contentName(listKeyPattern.exec(key))
}

/** Whether a key is one of a chunk or a list. */
export function isContentKey(key: string): boolean {
  return chunkKeyPattern.test(key) || listKeyPattern.test(key)
}

function contentName(match: RegExpExecArray | null): ContentName | undefined {
  if (match === null) return undefined
  const [, , sha256 = '', number = '0'] = match
  return { sha256, number: Number(number) }
}

/** A moment in a name, to the second, in UTC: `20261123T114000Z`. */
export function stampOf(moment: Date): string {
  return `${moment.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

export const stampPattern = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

/** The moment that a stamp names, or undefined when it is none. */
export function parseStamp(stamp: string): Date | undefined {
  const moment = new Date(stamp.replace(stampPattern, '$1-$2-$3T$4:$5:$6Z'))
  return stampPattern.test(stamp) && !Number.isNaN(moment.getTime()) ? moment : undefined
}

const tierPattern = `(?:${tiers.join('|')})`
const idPattern = new RegExp(
  `^(\\d{8,12})-(\\d{8}T\\d{6}Z)-(${tierPattern}(?:\\+${tierPattern})*)-([A-Za-z0-9._-]{1,128})$`,
)

export interface BackupName {
  readonly sequence: number
  /** When its bytes were the database's, to the second. */
  readonly time: Date
  readonly tiers: readonly Tier[]
  /** As in the name: shortened, with `_` for what a name cannot hold. */
  readonly level: string
}

/** The id of a backup: the name of its manifest without folder and `.json`. A level of `null` is called `none`. */
export function backupId(backup: {
  readonly sequence: number
  readonly createdAt: Date
  readonly tiers: readonly Tier[]
  readonly level: string | null
}): string {
  const sequence = String(backup.sequence).padStart(8, '0')
  return `${sequence}-${stampOf(backup.createdAt)}-${backup.tiers.join('+')}-${levelInName(backup.level)}`
}

/** A level as names have it: `_` for each character outside `A-Za-z0-9._-`, 128 characters at most. */
export function levelInName(level: string | null): string {
  return (level ?? 'none').replaceAll(/[^A-Za-z0-9._-]/gu, '_').slice(0, 128) || '_'
}

/** The parts of a backup's id, or undefined when it is none. */
export function parseBackupId(id: string): BackupName | undefined {
  const [, sequence, stamp = '', names = '', level = ''] = idPattern.exec(id) ?? []
  const time = parseStamp(stamp)
  if (sequence === undefined || time === undefined) return undefined
  return { sequence: Number(sequence), time, tiers: names.split('+') as Tier[], level }
}

export const manifestKey = (id: string): string => `backups/${id}.json`

/** The id in the key of a manifest, or undefined when it is no such key. */
export function idInKey(key: string): string | undefined {
  const id = /^backups\/([^/]+)\.json$/.exec(key)?.[1]
  return id !== undefined && parseBackupId(id) !== undefined ? id : undefined
}
