/** A store that tells what was asked of it, and facts for a backup: what processes that tests start need, too. */

import type { BackupFacts } from '../../src/backup/create.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'

/** What a store was asked for. */
export interface Asked {
  /** Keys that were handed over to be stored, whatever the answer. */
  readonly puts: string[]
  readonly gets: string[]
  readonly lists: string[]
  readonly deletes: string[]
}

/** The same store, observed. `on` is called before each call is passed on, and may make it fail. */
export function observed(
  store: ObjectStore,
  on: (call: keyof Asked, key: string) => void | Promise<void> = () => {},
): { store: ObjectStore; asked: Asked } {
  const asked: Asked = { puts: [], gets: [], lists: [], deletes: [] }
  const note = async (call: keyof Asked, key: string) => {
    asked[call].push(key)
    await on(call, key)
  }
  return {
    asked,
    store: {
      url: store.url,
      freeBytes: () => store.freeBytes(),
      putIfAbsent: async (key, body) => {
        await note('puts', key)
        return store.putIfAbsent(key, body)
      },
      putIfUnchanged: async (key, body, etag) => {
        await note('puts', key)
        return store.putIfUnchanged(key, body, etag)
      },
      batch: () => {
        const batch = store.batch()
        return {
          put: async (key, body, options) => {
            await note('puts', key)
            return batch.put(key, body, options)
          },
          flush: () => batch.flush(),
        }
      },
      get: async key => {
        await note('gets', key)
        return store.get(key)
      },
      async *list(prefix) {
        await note('lists', prefix)
        yield* store.list(prefix)
      },
      head: key => store.head(key),
      deleteMany: async keys => {
        for (const key of keys) await note('deletes', key)
        return store.deleteMany(keys)
      },
      close: () => store.close(),
    },
  }
}

export function forget(asked: Asked): void {
  for (const calls of Object.values(asked)) (calls as string[]).length = 0
}

export const by = { host: 'test-host', pod: 'app-0' } as const

export function factsWith(changes: Partial<BackupFacts> = {}): BackupFacts {
  return {
    tiers: ['manual'],
    database: { pageSize: 4096, journalMode: 'delete', encoding: 'UTF-8' },
    schema: { level: 'v002_add_index', fingerprint: 'abc', applied: 2 },
    engine: { lockkeeper: '0.1.0', node: process.version, sqlite: '3.53.4' },
    by,
    ...changes,
  }
}
