/** Everything that a prune has to know before it decides: what is stored, who may need it, and what is known of it. */

import { type Backup, type CatalogProblem, listNames, readBackup, readBackups } from './catalog.ts'
import { listChecks } from './checks.ts'
import { inOrder } from './concurrency.ts'
import { Content, type Names } from './content.ts'
import { manifestKey } from './format.ts'
import { type Intents, readIntents } from './intents.ts'
import type { Manifest } from './manifest.ts'
import { type Marks, readMarks } from './marks.ts'
import { listPins } from './pins.ts'
import { readLeaving } from './removed.ts'
import type { Repository } from './repository.ts'
import { type Retention, type RetentionFacts, type RetentionPolicy, retain } from './retention.ts'
import { newestMarks } from './sweep.ts'

/** What is kept in memory of a manifest. */
export interface Surveyed extends Names {
  /** Without what checks and pins say. */
  readonly own: OwnFacts
  readonly facts: RetentionFacts
  /** Of the database. */
  readonly bytes: number
}

/** What a manifest and its content say; nothing changes it. */
type OwnFacts = Omit<RetentionFacts, 'verified' | 'pinned'>

export interface Survey {
  readonly marks: readonly Marks[]
  readonly content: Content
  readonly intents: Intents
  /** By id; newest last. */
  readonly backups: ReadonlyMap<string, Surveyed>
  /** Those that a prune is just removing, or was killed while it did: by id, they are not among the backups. */
  readonly leaving: ReadonlyMap<string, Surveyed>
  readonly problems: readonly CatalogProblem[]
}

const manifestsAtOnce = 16

/**
 * Marks first, then what is stored, then the intents, then the manifests: so whatever a backup stored is seen together
 * with its intent, or with its manifest. The copies of removed manifests come last, for a manifest that is gone by then
 * has one. Rejects when the store does, or marks cannot be read.
 */
export async function survey(repository: Repository, signal?: AbortSignal): Promise<Survey> {
  const marks = await Array.fromAsync(readMarks(repository))
  const content = await Content.list(repository, signal)
  const intents = await readIntents(repository)
  signal?.throwIfAborted()
  const listing = await listNames(repository)
  const problems = [...listing.problems]
  const found = new Map<string, Read>()
  for await (const read of readBackups(repository, listing)) {
    signal?.throwIfAborted()
    if ('manifest' in read) found.set(read.id, factsOfManifest(read.manifest, read))
    else problems.push(read)
  }
  const unread = new Set(problems.map(({ key }) => key))
  const copies = await readLeaving(repository, id => found.has(id) || unread.has(manifestKey(id)))
  problems.push(...copies.problems)
  const checks = copies.manifests.length === 0 ? undefined : (await listChecks(repository.store)).checks
  const copied = copies.manifests.map(manifest => {
    const check = checks?.get(manifest.id)?.at(-1)
    const checked = check === undefined ? { checked: 'unchecked' as const } : { checked: check.result, check }
    return factsOfManifest(manifest, { id: manifest.id, ...checked })
  })
  const pins = await listPins(repository)
  await content.readLists([...found.values(), ...copied], signal)
  const damaged = newestMarks(marks, content, ({ reason }) => reason === 'damaged')
  const backups = new Map<string, Surveyed>()
  for (const known of found.values()) {
    const incomplete = await content.flawOf(known)
    // Another prune may have removed it meanwhile, and what it named.
    if (incomplete !== undefined && (await repository.store.head(manifestKey(known.id))) === undefined) continue
    backups.set(known.id, withFlaw(known, incomplete))
  }
  const leaving = new Map<string, Surveyed>()
  for (const known of copied) leaving.set(known.id, withFlaw(known, await content.flawOf(known)))
  return { marks, content, intents, backups, leaving, problems }

  function withFlaw({ listed, ...known }: Read, incomplete: string | undefined): Surveyed {
    const flaw = known.own.flaw ?? incomplete ?? knownDamage(known, listed, content, damaged)
    const own = { ...known.own, flaw }
    return { ...known, own, facts: withOthers(own, listed, pins) }
  }
}

type Read = Omit<Surveyed, 'facts'> & { readonly listed: Checked }

/** Not the whole manifest: there may be ten thousand. */
function factsOfManifest(manifest: Manifest, { check, checked, id }: Checked): Read {
  const listed = check === undefined ? { id, checked } : { id, checked, check }
  return { id, chunks: manifest.chunks, own: ownFacts(manifest), bytes: manifest.database.bytes, listed }
}

/**
 * An object with wrong bytes spoils every backup that names it, though only one of them was verified. A later verification
 * that found a backup good has the last word on it: somebody has put the right bytes back.
 */
function knownDamage(
  names: Names,
  { check, checked }: Checked,
  content: Content,
  damaged: ReadonlyMap<number, number>,
): string | undefined {
  if (damaged.size === 0) return undefined
  const good = checked === 'good' && check !== undefined ? check.time.getTime() : Number.NEGATIVE_INFINITY
  for (const position of content.namedBy(names))
    if ((damaged.get(position) ?? Number.NEGATIVE_INFINITY) > good)
      return `${content.keys[position]}: was found damaged`
  return undefined
}

/** What retention wants to know of a backup, whose objects nobody looked for. */
export function factsOf(backup: Backup, pins: ReadonlyMap<string, unknown>): RetentionFacts {
  return withOthers(ownFacts(backup.manifest), backup, pins)
}

function ownFacts({ createdAt, damaged, id, schema, sequence, tiers }: Manifest): OwnFacts {
  const flaw = damaged === false ? undefined : `the database was damaged: ${damaged.reason}`
  return { id, sequence, createdAt: Date.parse(createdAt), tiers, level: schema.level, flaw }
}

type Checked = Pick<Backup, 'id' | 'check' | 'checked'>

function withOthers(
  own: OwnFacts,
  { check, checked, id }: Checked,
  pins: ReadonlyMap<string, unknown>,
): RetentionFacts {
  const bad = checked === 'bad' ? `a ${check?.kind ?? 'verification'} found it bad` : undefined
  return { ...own, flaw: own.flaw ?? bad, verified: checked === 'good', pinned: pins.has(id) }
}

/** Problems that forbid all deleting: a manifest, or the copy of one, that cannot be read may name anything. */
export function unreadableManifests(problems: readonly CatalogProblem[]): string[] {
  return problems.flatMap(({ key }) => (/^(?:backups|removed)\//.test(key) ? [key] : []))
}

export interface JudgeOptions {
  readonly policy: RetentionPolicy
  readonly timeZone: string
}

/** What the policy says of what was surveyed. */
export function judge({ backups, problems }: Survey, { policy, timeZone }: JudgeOptions): Retention {
  const facts = Array.from(backups.values(), surveyed => surveyed.facts)
  return retain(facts, policy, { now: Date.now(), timeZone, unreadable: unreadableManifests(problems) })
}

/**
 * Judges again, by what is there now: pins, checks and backups that came since count, backups that are gone do not, but
 * for those in `removed`. Resolves to the ids that may go.
 */
export async function judgeAgain(
  repository: Repository,
  surveyed: Survey,
  removed: ReadonlySet<string>,
  options: JudgeOptions,
): Promise<Set<string>> {
  const { backups: listed, problems: odd } = await listNames(repository)
  const pins = await listPins(repository)
  const problems = [...odd]
  const facts: RetentionFacts[] = []
  const there = new Set(listed.map(({ id }) => id))
  for (const id of removed) {
    const known = surveyed.backups.get(id) ?? surveyed.leaving.get(id)
    if (known !== undefined && !there.has(id)) facts.push({ ...known.facts, pinned: pins.has(id) })
  }
  for await (const found of inOrder(listed, manifestsAtOnce, async backup => {
    const known = surveyed.backups.get(backup.id)
    return known === undefined ? readBackup(repository, backup) : withOthers(known.own, backup, pins)
  })) {
    if (found === undefined) continue
    if ('key' in found) problems.push(found)
    else facts.push('manifest' in found ? factsOf(found, pins) : found)
  }
  const { policy, timeZone } = options
  const { verdicts } = retain(facts, policy, { now: Date.now(), timeZone, unreadable: unreadableManifests(problems) })
  return new Set(verdicts.flatMap(({ id, keep }) => (keep ? [] : [id])))
}
