/** The contract of an object store, the same for every implementation. */

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { bytes, keys, list, read, text } from './contents.ts'

export interface Opened {
  readonly store: ObjectStore
  /** A second store on the same place, as another process would have it. */
  another(): Promise<ObjectStore>
  /** Ends what `open` started, after the stores were closed. */
  dispose?(): Promise<void>
}

/**
 * Declares the suite for one implementation.
 * @param open is called once and returns an empty store
 * @param patience milliseconds that it may take
 */
export function objectStoreContract(name: string, open: () => Promise<Opened>, patience = 120_000): void {
  describe(`the contract of an object store, kept by ${name}`, () => {
    let opened: Opened
    let store: ObjectStore
    let other: ObjectStore
    let number = 0
    let at: string

    beforeAll(async () => {
      opened = await open()
      store = opened.store
      other = await opened.another()
    }, patience)
    afterAll(async () => {
      await store?.close()
      await other?.close()
      await opened?.dispose?.()
    })
    beforeEach(() => {
      at = `t${++number}`
    })

    describe('putIfAbsent', () => {
      it('stores what was not there, and reads back the same bytes', async () => {
        const body = randomBytes(100_000)
        expect(await store.putIfAbsent(`${at}/a`, body)).toBe('stored')
        expect(await read(other, `${at}/a`)).toEqual(new Uint8Array(body))
      })

      it('leaves what was there as it is', async () => {
        await store.putIfAbsent(`${at}/a`, bytes('first'))
        expect(await store.putIfAbsent(`${at}/a`, bytes('second'))).toBe('exists')
        expect(await other.putIfAbsent(`${at}/a`, bytes('first'))).toBe('exists')
        expect(await text(store, `${at}/a`)).toBe('first')
      })

      it('stores an empty object', async () => {
        expect(await store.putIfAbsent(`${at}/empty`, new Uint8Array())).toBe('stored')
        expect(await store.putIfAbsent(`${at}/empty`, bytes('full'))).toBe('exists')
        expect(await read(store, `${at}/empty`)).toEqual(new Uint8Array())
        expect((await store.head(`${at}/empty`))?.size).toBe(0)
      })

      it('stores an object of several mebibytes', async () => {
        const body = randomBytes(9 * 1024 * 1024 + 1)
        expect(await store.putIfAbsent(`${at}/big`, body)).toBe('stored')
        expect(Buffer.compare((await read(store, `${at}/big`))!, body)).toBe(0)
      })

      it('takes a part of a larger buffer for what it is', async () => {
        const whole = bytes('0123456789')
        await store.putIfAbsent(`${at}/part`, whole.subarray(3, 6))
        expect(await text(store, `${at}/part`)).toBe('345')
      })

      it('lets exactly one of many writers win, whose content is then there', async () => {
        const bodies = Array.from({ length: 20 }, (_, i) => `writer ${i}`)
        const answers = await Promise.all(
          bodies.map((body, i) => (i % 2 ? store : other).putIfAbsent(`${at}/raced`, bytes(body))),
        )
        expect(answers.filter(answer => answer === 'stored')).toHaveLength(1)
        expect(await text(store, `${at}/raced`)).toBe(bodies[answers.indexOf('stored')])
      })
    })

    describe('putIfUnchanged', () => {
      it('replaces an object whose etag is still the same', async () => {
        await store.putIfAbsent(`${at}/a`, bytes('one'))
        const before = await other.head(`${at}/a`)
        expect(await store.putIfUnchanged(`${at}/a`, bytes('two'), before!.etag)).toBe('stored')
        expect(await text(other, `${at}/a`)).toBe('two')
        expect((await other.head(`${at}/a`))!.etag).not.toBe(before!.etag)
      })

      it('leaves an object alone that was replaced in the meantime', async () => {
        await store.putIfAbsent(`${at}/a`, bytes('one'))
        const { etag } = (await store.head(`${at}/a`))!
        await other.putIfUnchanged(`${at}/a`, bytes('two'), etag)
        expect(await store.putIfUnchanged(`${at}/a`, bytes('three'), etag)).toBe('changed')
        expect(await text(store, `${at}/a`)).toBe('two')
      })

      it('says changed, and makes nothing, when the object is gone or was never there', async () => {
        await store.putIfAbsent(`${at}/a`, bytes('one'))
        const { etag } = (await store.head(`${at}/a`))!
        await other.deleteMany([`${at}/a`])
        expect(await store.putIfUnchanged(`${at}/a`, bytes('two'), etag)).toBe('changed')
        expect(await store.putIfUnchanged(`${at}/never`, bytes('two'), etag)).toBe('changed')
        expect(await store.head(`${at}/a`)).toBeUndefined()
        expect(await store.head(`${at}/never`)).toBeUndefined()
      })

      it('lets exactly one of many win that start from the same etag', async () => {
        await store.putIfAbsent(`${at}/raced`, bytes('start'))
        const { etag } = (await store.head(`${at}/raced`))!
        const bodies = Array.from({ length: 20 }, (_, i) => `writer ${i}`)
        const answers = await Promise.all(
          bodies.map((body, i) => (i % 2 ? store : other).putIfUnchanged(`${at}/raced`, bytes(body), etag)),
        )
        expect(answers.filter(answer => answer === 'stored')).toHaveLength(1)
        expect(await text(store, `${at}/raced`)).toBe(bodies[answers.indexOf('stored')])
      })

      it('has another etag for each content, however fast they follow each other', async () => {
        const etags = new Set<string>()
        await store.putIfAbsent(`${at}/a`, bytes('000'))
        for (let i = 1; i <= 50; i++) {
          const { etag } = (await store.head(`${at}/a`))!
          etags.add(etag)
          expect(await store.putIfUnchanged(`${at}/a`, bytes(String(i).padStart(3, '0')), etag)).toBe('stored')
        }
        expect(etags.size).toBe(50)
      })

      it('has another etag for what was deleted and stored again with other content', async () => {
        const etags = new Set<string>()
        for (let i = 0; i < 10; i++) {
          await store.putIfAbsent(`${at}/a`, bytes(`${i}`))
          etags.add((await store.head(`${at}/a`))!.etag)
          await store.deleteMany([`${at}/a`])
        }
        expect(etags.size).toBe(10)
      })
    })

    describe('batch', () => {
      it('has everything in place after the flush', async () => {
        const batch = store.batch()
        const bodies = new Map(Array.from({ length: 150 }, (_, i) => [`${at}/${i % 7}/${i}`, `content ${i}`]))
        const answers = await Promise.all([...bodies].map(([key, body]) => batch.put(key, bytes(body))))
        await batch.flush()
        expect(new Set(answers)).toEqual(new Set(['stored']))
        for (const [key, body] of bodies) expect(await text(other, key)).toBe(body)
        expect(await keys(other, `${at}/`)).toEqual([...bodies.keys()].sort())
      })

      it('says exists for what is visible already, and leaves it', async () => {
        await other.putIfAbsent(`${at}/a`, bytes('first'))
        const batch = store.batch()
        expect(await batch.put(`${at}/a`, bytes('second'))).toBe('exists')
        await batch.flush()
        expect(await text(store, `${at}/a`)).toBe('first')
      })

      it('stores what is given to it, and leaves what exists with the caller', async () => {
        const batch = store.batch()
        const body = () => Buffer.alloc(200_000, 'given')
        const again = body()
        expect(await batch.put(`${at}/a`, body(), { give: true })).toBe('stored')
        await batch.flush()
        expect(await batch.put(`${at}/a`, again, { give: true })).toBe('exists')
        expect(await batch.put(`${at}/b`, again)).toBe('stored')
        await batch.flush()
        expect(again.equals(body())).toBe(true)
        for (const key of ['a', 'b']) expect(await text(other, `${at}/${key}`)).toBe(body().toString())
      })

      it('stores a key once that is put many times, at once and one after the other', async () => {
        const batch = store.batch()
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, i) => batch.put(`${at}/same`, bytes(`put ${i}`))),
        )
        expect(answers.filter(answer => answer === 'stored')).toHaveLength(1)
        expect(await batch.put(`${at}/same`, bytes('later'))).toBe('exists')
        await batch.flush()
        expect(await batch.put(`${at}/same`, bytes('after'))).toBe('exists')
        await batch.flush()
        expect(await text(store, `${at}/same`)).toBe(`put ${answers.indexOf('stored')}`)
      })

      it('may be flushed with nothing in it, and used on after a flush', async () => {
        const batch = store.batch()
        await batch.flush()
        await batch.put(`${at}/a`, bytes('a'))
        await batch.flush()
        await batch.put(`${at}/b`, bytes('b'))
        await batch.flush()
        expect(await keys(other, `${at}/`)).toEqual([`${at}/a`, `${at}/b`])
      })

      it('flushes what is being put at that moment', async () => {
        const batch = store.batch()
        const puts = Array.from({ length: 5 }, (_, i) => batch.put(`${at}/${i}`, bytes('x')))
        await batch.flush()
        expect(await keys(other, `${at}/`)).toHaveLength(5)
        await Promise.all(puts)
      })

      it('does not spoil what another batch puts under the same keys at the same time', async () => {
        const names = Array.from({ length: 80 }, (_, i) => `${at}/${i}`)
        await Promise.all(
          [store, other].map(async one => {
            const batch = one.batch()
            await Promise.all(names.map(key => batch.put(key, bytes(`content of ${key}`))))
            await batch.flush()
          }),
        )
        for (const key of names) expect(await text(store, key)).toBe(`content of ${key}`)
      })
    })

    describe('get and head', () => {
      it('know nothing of what is not there', async () => {
        expect(await store.get(`${at}/none`)).toBeUndefined()
        expect(await store.head(`${at}/none`)).toBeUndefined()
        await store.putIfAbsent(`${at}/folder/a`, bytes('a'))
        expect(await store.get(`${at}/folder`)).toBeUndefined()
        expect(await store.head(`${at}/folder`)).toBeUndefined()
        expect(await store.get(`${at}/folder/a/b`)).toBeUndefined()
      })

      it('tell size, time and etag as the listing does', async () => {
        const before = Date.now()
        await store.putIfAbsent(`${at}/a`, bytes('12345'))
        const info = (await store.head(`${at}/a`))!
        expect(info).toMatchObject({ key: `${at}/a`, size: 5 })
        expect(Math.abs(info.modified.getTime() - before)).toBeLessThan(60_000)
        expect(await list(store, `${at}/a`)).toEqual([{ ...info, modified: expect.any(Date) }])
      })

      it('let the reader stop in the middle', async () => {
        await store.putIfAbsent(`${at}/big`, randomBytes(5 * 1024 * 1024))
        const reader = (await store.get(`${at}/big`))!.getReader()
        expect((await reader.read()).value!.byteLength).toBeGreaterThan(0)
        await reader.cancel()
        expect(await store.head(`${at}/big`)).toBeDefined()
      })

      it('let many read at once', async () => {
        const body = randomBytes(300_000)
        await store.putIfAbsent(`${at}/a`, body)
        const all = await Promise.all(Array.from({ length: 100 }, () => read(store, `${at}/a`)))
        for (const one of all) expect(Buffer.compare(one!, body)).toBe(0)
      })
    })

    describe('list', () => {
      it('is in the order of the keys, also where a folder and a file begin alike', async () => {
        const names = ['a/b', 'a.b', 'a-b', 'a+b', 'a0', 'a_b', 'aB', 'A', 'a/a/a', 'b/1', 'b/10', 'b/2', 'Z/z']
        for (const key of names) await store.putIfAbsent(`${at}/${key}`, bytes(key))
        const order = ['A', 'Z/z', 'a+b', 'a-b', 'a.b', 'a/a/a', 'a/b', 'a0', 'aB', 'a_b', 'b/1', 'b/10', 'b/2']
        expect(await keys(store, `${at}/`)).toEqual(order.map(key => `${at}/${key}`))
      })

      it('takes the prefix as the beginning of the key, not as a folder', async () => {
        for (const key of ['ab/1', 'ab/2', 'abc', 'abd/x/y', 'ac']) await store.putIfAbsent(`${at}/${key}`, bytes(key))
        expect(await keys(store, `${at}/ab`)).toEqual(['ab/1', 'ab/2', 'abc', 'abd/x/y'].map(key => `${at}/${key}`))
        expect(await keys(store, `${at}/ab/`)).toEqual([`${at}/ab/1`, `${at}/ab/2`])
        expect(await keys(store, `${at}/abd/x/y`)).toEqual([`${at}/abd/x/y`])
        expect(await keys(store, `${at}/abd/x/y/`)).toEqual([])
        expect(await keys(store, `${at}/none/`)).toEqual([])
      })

      it('includes everything with an empty prefix', async () => {
        await store.putIfAbsent(`${at}/a`, bytes('a'))
        expect(await keys(store, '')).toContain(`${at}/a`)
        expect(await keys(store, at)).toContain(`${at}/a`)
      })

      it('has 1,200 objects, more than any server gives at once', async () => {
        const batch = store.batch()
        const names = Array.from({ length: 1200 }, (_, i) => `${at}/${(i * 7919) % 1200}`)
        await Promise.all(names.map(key => batch.put(key, bytes(key))))
        await batch.flush()
        expect(await keys(other, `${at}/`)).toEqual(names.toSorted())
        let first: string | undefined
        for await (const { key } of other.list(`${at}/`)) {
          first = key
          break
        }
        expect(first).toBe(names.toSorted()[0])
        await store.deleteMany(names)
        expect(await keys(other, `${at}/`)).toEqual([])
      })
    })

    describe('deleteMany', () => {
      it('deletes what is there and does not mind what is not', async () => {
        for (const key of ['a', 'b/c', 'b/d']) await store.putIfAbsent(`${at}/${key}`, bytes(key))
        await store.deleteMany([`${at}/a`, `${at}/none`, `${at}/b/c`, `${at}/no/folder`])
        expect(await keys(other, `${at}/`)).toEqual([`${at}/b/d`])
        await store.deleteMany([`${at}/a`])
        await store.deleteMany([])
      })

      it('makes room for another object under the same key', async () => {
        await store.putIfAbsent(`${at}/deep/er/a`, bytes('old'))
        await store.deleteMany([`${at}/deep/er/a`])
        expect(await store.putIfAbsent(`${at}/deep/er/a`, bytes('new'))).toBe('stored')
        expect(await text(other, `${at}/deep/er/a`)).toBe('new')
      })

      it('does not disturb who stores beside it', async () => {
        for (let round = 0; round < 10; round++) {
          await store.putIfAbsent(`${at}/x/y/a`, bytes('a'))
          const [, answer] = await Promise.all([
            store.deleteMany([`${at}/x/y/a`]),
            other.putIfAbsent(`${at}/x/y/b${round}`, bytes('b')),
          ])
          expect(answer).toBe('stored')
        }
        expect(await keys(store, `${at}/x/`)).toHaveLength(10)
      })
    })

    describe('a string that is no key', () => {
      const bad = ['', '/', '/a', 'a/', 'a//b', '.', '..', '../a', 'a/../b', 'a/./b', '.hidden', 'a/.b', 'a\\b', 'a b']
      bad.push('a\0b', 'ä', 'a%2fb', 'a\nb', 'a*', 'a?', `${'x'.repeat(256)}`, 'x/'.repeat(300).concat('x'))

      it.each(bad)('is refused everywhere: %j', async key => {
        const refusal = { code: 'invalid', hint: expect.any(String) }
        await expect(store.putIfAbsent(key, bytes('x'))).rejects.toMatchObject(refusal)
        await expect(store.putIfUnchanged(key, bytes('x'), 'etag')).rejects.toMatchObject(refusal)
        await expect(store.batch().put(key, bytes('x'))).rejects.toMatchObject(refusal)
        await expect(store.get(key)).rejects.toMatchObject(refusal)
        await expect(store.head(key)).rejects.toMatchObject(refusal)
        await expect(store.deleteMany([`${at}/fine`, key])).rejects.toMatchObject(refusal)
      })

      it.each(['/', '../', 'a/../', '..', 'a//', '.tmp', 'a/.', 'a b'])('is refused as a prefix: %j', async prefix => {
        await expect(keys(store, prefix)).rejects.toMatchObject({ code: 'invalid' })
      })

      it('is refused before anything is deleted', async () => {
        await store.putIfAbsent(`${at}/a`, bytes('a'))
        await expect(store.deleteMany([`${at}/a`, '../a'])).rejects.toMatchObject({ code: 'invalid' })
        expect(await store.head(`${at}/a`)).toBeDefined()
      })
    })

    it('names where it is', () => {
      expect(store.url).toMatch(/^(file|s3):\/\//)
      expect(other.url).toBe(store.url)
    })
  })
}
