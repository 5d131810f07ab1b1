/** A store that can be held up between any two requests, as a process is that was stopped, or a network that hangs. */

import type { ObjectStore } from '../../src/storage/object-store.ts'

export interface Pausing {
  readonly store: ObjectStore
  /** Requests that were made so far: `put chunks/...`. */
  readonly requests: readonly string[]
  /** Holds up the request with this number, from 0, or the first one that fits; resolves when it has come, or `ended` when `work` ends before. */
  reached<T>(request: number | ((request: string) => boolean), work: Promise<T>): Promise<'reached' | 'ended'>
  /** Lets it and all others go on. */
  resume(): void
  /** Nothing gets through any more, as if whoever asked had been killed. */
  die(): void
}

export function pausing(store: ObjectStore): Pausing {
  const requests: string[] = []
  let held: (request: string) => boolean = () => false
  let holding = false
  let come = () => {}
  let go = () => {}
  let cut = () => {}
  const gate = new Promise<void>((resolve, reject) => {
    go = resolve
    cut = () => reject(new Error('nobody is there any more'))
  })
  gate.catch(() => {})
  const pass = async (request: string) => {
    requests.push(request)
    holding ||= held(request)
    if (!holding) return
    come()
    await gate
  }
  return {
    requests,
    resume: () => go(),
    die: () => cut(),
    async reached(request, work) {
      held = typeof request === 'number' ? () => requests.length > request : request
      const arrived = new Promise<'reached'>(resolve => {
        come = () => resolve('reached')
      })
      const ended = work.then(
        () => 'ended' as const,
        () => 'ended' as const,
      )
      return Promise.race([arrived, ended])
    },
    store: {
      url: store.url,
      freeBytes: () => store.freeBytes(),
      putIfAbsent: async (key, body) => {
        await pass(`put ${key}`)
        return store.putIfAbsent(key, body)
      },
      putIfUnchanged: async (key, body, etag) => {
        await pass(`replace ${key}`)
        return store.putIfUnchanged(key, body, etag)
      },
      batch: () => {
        const batch = store.batch()
        return {
          put: async (key, body, options) => {
            await pass(`put ${key}`)
            return batch.put(key, body, options)
          },
          flush: async () => {
            await pass('flush')
            return batch.flush()
          },
        }
      },
      get: async key => {
        await pass(`get ${key}`)
        return store.get(key)
      },
      async *list(prefix) {
        await pass(`list ${prefix}`)
        yield* store.list(prefix)
      },
      head: async key => {
        await pass(`head ${key}`)
        return store.head(key)
      },
      deleteMany: async keys => {
        await pass(`delete ${keys.join(' ')}`)
        return store.deleteMany(keys)
      },
      close: () => store.close(),
    },
  }
}
