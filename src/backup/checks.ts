/** Results of verifications and drills: `checks/<backup>/<time>.json`. The newest one that can be read counts. */

import type { ObjectStore } from '../storage/object-store.ts'
import { formatVersion, largest, stampOf, stampPattern } from './format.ts'
import { type Origin, readOrigin } from './manifest.ts'
import { putJson, readJson } from './objects.ts'
import { type Repository, refuseNewer } from './repository.ts'
import { invalid, Untrusted } from './untrusted.ts'

export interface Check {
  /** Id of the backup. */
  readonly backup: string
  /** ISO 8601, UTC. */
  readonly at: string
  readonly kind: 'verification' | 'drill'
  readonly result: 'good' | 'bad'
  /** How the database was looked at, for people: `integrity_check in the sandbox`; null when it did not come to that. */
  readonly how: string | null
  /** What is wrong, a sentence each; at most 1,000 are kept. Empty when the result is good. */
  readonly problems: readonly string[]
  readonly by: Origin
  readonly milliseconds: number
}

const mostProblems = 1000
const longestProblem = 2000

const folderOf = (backup: string): string => `checks/${backup}/`

/** Stores a check and returns its key. Two in the same second get names of their own. */
export async function recordCheck(repository: Repository, check: Check): Promise<string> {
  const content = {
    format: formatVersion,
    repository: repository.id,
    ...check,
    problems: check.problems.slice(0, mostProblems).map(problem => problem.slice(0, longestProblem)),
    by: { ...check.by },
  }
  for (let attempt = 1; ; attempt++) {
    const key = `${folderOf(check.backup)}${stampOf(new Date(check.at))}${attempt === 1 ? '' : `-${attempt}`}.json`
    if ((await putJson(repository.store, key, content)) === 'stored') return key
  }
}

/** The keys of all checks, or of one backup's, by backup, oldest first: one listing, nothing is read. */
export async function checkKeys(store: ObjectStore, of?: string): Promise<Map<string, string[]>> {
  const keys = new Map<string, string[]>()
  for await (const { key } of store.list(of === undefined ? 'checks/' : folderOf(of))) {
    const [, backup = '', name] = key.split('/')
    if (name === undefined) continue
    const others = keys.get(backup)
    if (others === undefined) keys.set(backup, [key])
    else others.push(key)
  }
  for (const [, ofBackup] of keys) ofBackup.sort(byTime)
  return keys
}

/** The newest check of a backup that can be read, and what is wrong with those that cannot. */
export async function newestCheck(
  repository: Repository,
  keys: readonly string[],
): Promise<{ check: Check | undefined; unreadable: unknown[] }> {
  const unreadable: unknown[] = []
  for (const key of keys.toReversed()) {
    try {
      const check = await readCheck(repository, key)
      if (check !== undefined) return { check, unreadable }
    } catch (error) {
      unreadable.push(error)
    }
  }
  return { check: undefined, unreadable }
}

async function readCheck(repository: Repository, key: string): Promise<Check | undefined> {
  const json = await readJson(repository.store, key, largest.check)
  if (json === undefined) return undefined
  const fields = new Untrusted(json, key)
  refuseNewer(fields.field('format').integer(1), key)
  if (!fields.field('repository').is(repository.id)) throw fields.field('repository').error('is another repository')
  if (nameOf(key) === undefined) throw invalid(key, 'is not the name of a check')
  const how = fields.field('how')
  const check: Check = {
    backup: fields.field('backup').string({ most: 255 }),
    at: fields.field('at').moment(),
    kind: fields.field('kind').oneOf(['verification', 'drill'] as const),
    result: fields.field('result').oneOf(['good', 'bad'] as const),
    how: how.isNull() ? null : how.string(),
    problems: fields
      .field('problems')
      .array(mostProblems)
      .map(problem => problem.string({ most: longestProblem })),
    by: readOrigin(fields.field('by')),
    milliseconds: fields.field('milliseconds').integer(0),
  }
  if (!key.startsWith(folderOf(check.backup)))
    throw fields.field('backup').error('does not match the name of the object')
  return check
}

interface CheckName {
  readonly stamp: string
  readonly number: number
}

function nameOf(key: string): CheckName | undefined {
  const [, stamp = '', number = '1'] = /^([^-]+)(?:-(\d{1,6}))?\.json$/.exec(key.split('/')[2] ?? '') ?? []
  return stampPattern.test(stamp) ? { stamp, number: Number(number) } : undefined
}

function byTime(a: string, b: string): number {
  const [one, other] = [nameOf(a), nameOf(b)]
  if (one === undefined || other === undefined) return one === other ? 0 : one === undefined ? -1 : 1
  if (one.stamp !== other.stamp) return one.stamp < other.stamp ? -1 : 1
  return one.number - other.number
}
