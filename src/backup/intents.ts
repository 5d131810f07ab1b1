/**
 * Intents: a backup that is being made announces itself, so that no prune takes away what it is about to rely on.
 *
 * The rule that makes this safe, for whoever deletes: first mark, then look. Before it deletes an object that it marked, a
 * prune reads all intents and then all manifests, and spares what any of them names. A backup does it the other way round:
 * it announces, then reads the marks, and uses nothing that is marked. So either the prune sees the intent, or the
 * backup sees the mark. While there is an intent, no list is deleted at all: lists are few, and which ones a backup
 * will use is not known before it has read the marks.
 *
 * An intent protects as long as it is there, whatever the clocks say. That of a process that was killed is removed once
 * it is three days old by the clock of the store; a backup that finds its own gone afterwards takes its manifest back.
 */

import { randomUUID } from 'node:crypto'
import { LockkeeperError } from '../errors.ts'
import { inOrder } from './concurrency.ts'
import { formatVersion, largest, parseChunkKey, stampOf } from './format.ts'
import type { Origin } from './manifest.ts'
import { putJson, readJson } from './objects.ts'
import { damagedObject } from './recheck.ts'
import type { Repository } from './repository.ts'
import { Untrusted } from './untrusted.ts'

const hour = 60 * 60 * 1000
/** An intent is removed after three days... */
const lifetime = 72 * hour
/** ...and a backup gives up after two. Measured by a clock that nobody sets. */
const patience = 48 * hour

/** Digits of a hash that an intent names: it may spare a few chunks more than needed, and stays small. */
const digitsInIntent = 16
/** With more chunks than this (128 GiB at 1 MiB each) an intent says `all` instead of naming them. */
const mostNamed = 131_072

const folder = 'intents/'

export interface Intent {
  readonly key: string
  /** The name of it without folder and `.json`. */
  readonly id: string
  /** Throws `storage` when the backup took so long, by `performance.now()`, that the intent no longer protects it. */
  check(now?: number): void
  /** Whether it is still there, and so has protected what it names until now. */
  holds(): Promise<boolean>
  /** Ends it. Never rejects: not everybody who may write may delete, and one that stays is removed by and by. */
  withdraw(): Promise<void>
}

/** Announces a backup of chunks with these hashes, those to be reused and those to be stored alike. */
export async function announce(
  repository: Repository,
  hashes: ReadonlySet<string> | ReadonlyMap<string, unknown>,
  by: Origin,
): Promise<Intent> {
  const { store } = repository
  const started = performance.now()
  const since = new Date()
  const until = new Date(since.getTime() + lifetime)
  const id = `${stampOf(until)}-${randomUUID()}`
  const key = `${folder}${id}.json`
  const chunks =
    hashes.size > mostNamed ? 'all' : Array.from(hashes.keys(), sha256 => sha256.slice(0, digitsInIntent)).sort()
  await putJson(store, key, {
    format: formatVersion,
    id,
    repository: repository.id,
    since: since.toISOString(),
    until: until.toISOString(),
    by: { ...by },
    chunks,
  })
  return {
    key,
    id,
    check(now = performance.now()) {
      if (now - started < patience) return
      throw new LockkeeperError(
        'storage',
        'the backup took more than 48 hours, so nothing protects it from a prune any more',
        {
          hint: 'Run it again: what was stored is not uploaded again. Find out why the object store is so slow.',
        },
      )
    },
    async holds() {
      return (await store.head(key)) !== undefined
    },
    async withdraw() {
      try {
        await store.deleteMany([key])
      } catch {
        await putJson(store, overKey(key), { format: formatVersion, repository: repository.id }).catch(() => {})
      }
    },
  }
}

/** Says that the backup of an intent is over, where the intent could not be removed. */
const overKey = (key: string) => key.replace(/\.json$/, '-over.json')
const overPattern = /-over\.json$/

/**
 * Removes intents of processes that were killed: those older than three days, by the clock of the store, than the newest
 * thing in it, which may be the caller's own intent. Never rejects.
 * @param now milliseconds; when something else was stored, by that clock
 */
export async function removeExpiredIntents(repository: Repository, now = 0): Promise<void> {
  try {
    const intents = await Array.fromAsync(repository.store.list(folder))
    const newest = Math.max(now, ...intents.map(({ modified }) => modified.getTime()))
    const expired = intents.filter(({ modified }) => newest - modified.getTime() > lifetime).map(({ key }) => key)
    if (expired.length > 0) await repository.store.deleteMany(expired)
  } catch {
    // They are small; the next backup tries again.
  }
}

/** Ids of those that are there and not over: one listing, nothing is read. */
export async function intentsThere(repository: Repository): Promise<Set<string>> {
  const keys = await keysOfIntents(repository)
  return new Set(keys.map(key => key.slice(folder.length).replace(/\.json$/, '')))
}

async function keysOfIntents({ store }: Repository): Promise<string[]> {
  const keys = new Set<string>()
  for await (const { key } of store.list(folder)) keys.add(key)
  return [...keys].filter(key => !overPattern.test(key) && !keys.has(overKey(key)))
}

/** What is spared because somebody may be about to rely on it. */
export interface Intents {
  readonly count: number
  /** Whether a chunk or a list may be about to be used. */
  spares(key: string): boolean
}

const intentsAtOnce = 16

/** Every intent that is there, but for those in `except` and those that are over. One that cannot be read spares everything. */
export async function readIntents(repository: Repository, except: readonly string[] = []): Promise<Intents> {
  const counting = (await keysOfIntents(repository)).filter(key => !except.includes(key))
  const named = new Set<string>()
  let count = 0
  let all = false
  for await (const chunks of inOrder(counting, intentsAtOnce, key => readIntent(repository, key))) {
    if (chunks === undefined) continue
    count++
    if (chunks === 'all') all = true
    else for (const digits of chunks) named.add(digits)
  }
  return {
    count,
    spares(key) {
      const chunk = parseChunkKey(key)
      if (all || chunk === undefined) return count > 0
      return named.has(chunk.sha256.slice(0, digitsInIntent))
    },
  }
}

/** Undefined: it was withdrawn meanwhile. */
async function readIntent(repository: Repository, key: string): Promise<readonly string[] | 'all' | undefined> {
  try {
    const json = await readJson(repository.store, key, largest.intent)
    if (json === undefined) return undefined
    const chunks = new Untrusted(json, key).field('chunks')
    return chunks.is('all') ? 'all' : chunks.array(mostNamed).map(digits => digits.string({ most: digitsInIntent }))
  } catch (error) {
    if (error instanceof LockkeeperError && error.code === 'config' && error.details['object'] === key) return 'all'
    damagedObject(key, error)
    return 'all'
  }
}
