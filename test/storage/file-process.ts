/**
 * A process that uses a folder as an object store, for tests that need several, or one to kill.
 * `node file-process.ts <what> <root> [argument]`; it answers in lines of JSON on standard output.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { LockkeeperError } from '../../src/errors.ts'
import { fileStore } from '../../src/storage/file.ts'
import { bytes, keys, named, text } from './contents.ts'

const [what, root, argument] = process.argv.slice(2) as [string, string, string]
const store = fileStore(root)
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
/** Everybody is started before anybody begins. */
const started = async () => {
  await once(process.stdin, 'data')
  process.stdin.destroy()
}

const roles: Record<string, () => Promise<void>> = {
  /** Stores the same keys in the same order as its rivals; says which it won. */
  async 'first-writes'() {
    say('ready')
    await started()
    const won: string[] = []
    for (let i = 0; i < 150; i++) {
      if ((await store.putIfAbsent(`race/${i}`, bytes(argument))) === 'stored') won.push(`race/${i}`)
    }
    say(won)
  },

  /** Counts up an object together with its rivals; says how often it succeeded. */
  async 'count-up'() {
    say('ready')
    await started()
    let counted = 0
    while (counted < 60) {
      const info = (await store.head('counter'))!
      const next = Number(await text(store, 'counter')) + 1
      if ((await store.putIfUnchanged('counter', bytes(String(next)), info.etag)) === 'stored') counted++
    }
    say(counted)
  },

  /** Stores objects named by their content until it is killed; says what was flushed. */
  async upload() {
    for (;;) {
      const batch = store.batch()
      const names = Array.from({ length: 100 }, () => {
        const body = randomBytes(10_000 + Math.floor(Math.random() * 90_000))
        return batch.put(named(body), body).then(() => named(body))
      })
      const flushed = await Promise.all(names)
      await batch.flush()
      say(flushed)
    }
  },

  /** Replaces an object until it is killed. */
  async replace() {
    for (let i = 0; ; i++) {
      const info = await store.head('state')
      const body = bytes(JSON.stringify({ i, filler: String(i % 10).repeat(i % 5000) }))
      say(info ? await store.putIfUnchanged('state', body, info.etag) : await store.putIfAbsent('state', body))
    }
  },

  /** Puts very many objects at once. */
  async 'many-at-once'() {
    const batch = store.batch()
    await Promise.all(Array.from({ length: 2000 }, (_, i) => batch.put(`many/${i}`, bytes(`${i}`))))
    await batch.flush()
    say((await keys(store, '')).length)
  },

  /** Each kind of write once, for kills at a chosen system call. */
  async 'each-write-once'() {
    const info = await store.head('replaced/a')
    await store.putIfAbsent('first/a', bytes('content of first/a'))
    await store.putIfUnchanged('replaced/a', bytes('replaced'), info?.etag ?? '')
    const batch = store.batch()
    await batch.put('batch/a', bytes('content of batch/a'))
    await batch.put('batch/b', bytes('content of batch/b'))
    await batch.flush()
    await store.deleteMany(['deleted/a'])
    say('done')
  },

  async store() {
    try {
      say(await store.putIfAbsent(argument, bytes(`content of ${argument}`)))
      say(await keys(store, ''))
    } catch (error) {
      if (!(error instanceof LockkeeperError)) throw error
      say({ code: error.code, message: error.message, hint: error.hint, details: error.details })
    }
  },
}

await roles[what]!()
