/**
 * Results of verifications and drills: `checks/<backup>/<time>-<kind>-<result>.json`. The newest one counts. What it says
 * of the backup stands in its name, so that a listing is enough for knowing which backups are good, however many there are.
 */

import type { ObjectStore } from '../storage/object-store.ts'
import { formatVersion, largest, parseStamp, stampOf } from './format.ts'
import { type Origin, readOrigin } from './manifest.ts'
import { putJson, readJson } from './objects.ts'
import type { Repository } from './repository.ts'
import { invalid, Untrusted } from './untrusted.ts'

const kinds = ['verification', 'drill'] as const
const results = ['good', 'bad'] as const

/** What the name of a check says. */
export interface CheckName {
  readonly key: string
  /** Id of the backup. */
  readonly backup: string
  /** To the second. */
  readonly time: Date
  readonly kind: (typeof kinds)[number]
  readonly result: (typeof results)[number]
  /** From 1, among those with the same of all else. */
  readonly number: number
}

export interface Check {
  /** Id of the backup. */
  readonly backup: string
  /** ISO 8601, UTC. */
  readonly at: string
  readonly kind: CheckName['kind']
  readonly result: CheckName['result']
  /** How the database was looked at, for people: `integrity_check in the sandbox`; null when it did not come to that. */
  readonly how: string | null
  /** What is wrong, a sentence each; at most 1,000 are kept. Empty when the result is good. */
  readonly problems: readonly string[]
  /** What is worth knowing and does not make the backup bad, a sentence each; at most 1,000 are kept. */
  readonly notes: readonly string[]
  readonly by: Origin
  readonly milliseconds: number
}

const mostSentences = 1000
const longestSentence = 2000

const folderOf = (backup: string): string => `checks/${backup}/`

/** Stores a check and returns its key. Two in the same second get names of their own. */
export async function recordCheck(repository: Repository, check: Check): Promise<string> {
  const content = {
    format: formatVersion,
    repository: repository.id,
    ...check,
    problems: kept(check.problems),
    notes: kept(check.notes),
    by: { ...check.by },
  }
  for (let attempt = 1; ; attempt++) {
    const name = [stampOf(new Date(check.at)), check.kind, check.result, ...(attempt === 1 ? [] : [attempt])].join('-')
    const key = `${folderOf(check.backup)}${name}.json`
    if ((await putJson(repository.store, key, content)) === 'stored') return key
  }
}

function kept(sentences: readonly string[]): string[] {
  return sentences.slice(0, mostSentences).map(sentence => sentence.slice(0, longestSentence))
}

export interface ListedChecks {
  /** By backup, oldest first. */
  readonly checks: ReadonlyMap<string, readonly CheckName[]>
  /** Keys of what lies among the checks and is none. */
  readonly odd: readonly string[]
}

/** All checks, or one backup's: one listing, nothing is read. */
export async function listChecks(store: ObjectStore, of?: string): Promise<ListedChecks> {
  const checks = new Map<string, CheckName[]>()
  const odd: string[] = []
  for await (const { key } of store.list(of === undefined ? 'checks/' : folderOf(of))) {
    const name = parseCheckKey(key)
    if (name === undefined) odd.push(key)
    else checks.set(name.backup, [...(checks.get(name.backup) ?? []), name])
  }
  for (const ofBackup of checks.values()) ofBackup.sort(byTime)
  return { checks, odd }
}

/** What a check found; undefined when it is gone. Rejects with `invalid` when it is damaged or is none. */
export async function readCheck(repository: Repository, { key, ...name }: CheckName): Promise<Check | undefined> {
  const json = await readJson(repository.store, key, largest.check)
  if (json === undefined) return undefined
  const fields = new Untrusted(json, key)
  if (!fields.field('repository').is(repository.id)) throw fields.field('repository').error('is another repository')
  const how = fields.field('how')
  const check: Check = {
    backup: fields.field('backup').string({ most: 255 }),
    at: fields.field('at').moment(),
    kind: fields.field('kind').oneOf(kinds),
    result: fields.field('result').oneOf(results),
    how: how.isNull() ? null : how.string(),
    problems: sentences(fields.field('problems')),
    notes: sentences(fields.field('notes')),
    by: readOrigin(fields.field('by')),
    milliseconds: fields.field('milliseconds').integer(0),
  }
  const said = check.backup === name.backup && check.kind === name.kind && check.result === name.result
  if (!said || stampOf(new Date(check.at)) !== stampOf(name.time)) throw invalid(key, 'does not say what its name says')
  return check
}

function sentences(field: Untrusted): string[] {
  return field.array(mostSentences).map(sentence => sentence.string({ most: longestSentence }))
}

const keyPattern = new RegExp(
  `^checks/([^/]+)/([^-/]+)-(${kinds.join('|')})-(${results.join('|')})(?:-([1-9]\\d{0,5}))?\\.json$`,
)

function parseCheckKey(key: string): CheckName | undefined {
  const [, backup = '', stamp = '', kind, result, number = '1'] = keyPattern.exec(key) ?? []
  const time = parseStamp(stamp)
  if (time === undefined) return undefined
  return {
    key,
    backup,
    time,
    kind: kind as CheckName['kind'],
    result: result as CheckName['result'],
    number: Number(number),
  }
}

/** Of two in the same second a bad one comes last, and so counts: it is the one to be believed. */
function byTime(a: CheckName, b: CheckName): number {
  return (
    a.time.getTime() - b.time.getTime() || results.indexOf(a.result) - results.indexOf(b.result) || a.number - b.number
  )
}
