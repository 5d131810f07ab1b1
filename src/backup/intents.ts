/**
 * Intents: a backup that is being made announces itself, so that no prune takes away what it is about to rely on.
 *
 * The rule that makes this safe, for whoever deletes: first mark, later look again. Before it deletes a marked object, a
 * prune reads all intents and then all manifests, and spares what any of them names. A backup does it the other way round:
 * it announces, then reads the marks, and uses nothing that is marked. So either the prune sees the intent, or the
 * backup sees the mark. While there is an intent, no list is deleted at all: lists are few, and which ones a backup
 * will use is not known before it has read the marks.
 *
 * An intent of a process that was killed stays; it ends by itself at the time in its name.
 */

import { randomUUID } from 'node:crypto'
import { LockkeeperError } from '../errors.ts'
import { formatVersion, parseStamp, stampOf } from './format.ts'
import type { Origin } from './manifest.ts'
import { putJson } from './objects.ts'
import type { Repository } from './repository.ts'

const hour = 60 * 60 * 1000
/** An intent counts for three days... */
const lifetime = 72 * hour
/** ...and a backup gives up after two, so that clocks may differ by a day. Measured by a clock that nobody sets. */
const patience = 48 * hour

/** Digits of a hash that an intent names: it may spare a few chunks more than needed, and stays small. */
const digitsInIntent = 16
/** With more chunks than this (128 GiB at 1 MiB each) an intent says `all` instead of naming them. */
const mostNamed = 131_072

const folder = 'intents/'

export interface Intent {
  readonly key: string
  /** Throws `storage` when the backup took so long, by `performance.now()`, that the intent no longer protects it. */
  check(now?: number): void
  /** Removes it. Never rejects: an intent that stays ends by itself, and not everybody who may write may delete. */
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
    async withdraw() {
      await store.deleteMany([key]).catch(() => {})
    },
  }
}

/** Removes intents whose time is over: those of processes that were killed. Never rejects. */
export async function removeExpiredIntents(repository: Repository): Promise<void> {
  try {
    const expired: string[] = []
    for await (const { key } of repository.store.list(folder)) {
      const until = parseStamp(key.slice(folder.length).split('-')[0] ?? '')
      if (until !== undefined && until.getTime() < Date.now()) expired.push(key)
    }
    if (expired.length > 0) await repository.store.deleteMany(expired)
  } catch {
    // They are small, and count for nothing; the next backup tries again.
  }
}
