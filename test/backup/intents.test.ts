import { hash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chunkKey, listKey, stampOf } from '../../src/backup/format.ts'
import { announce, readIntents, removeExpiredIntents } from '../../src/backup/intents.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { age } from './pruning.ts'
import { by, freshRepository, objectsOf, observed, sealed } from './support.ts'

const hashes = new Set(['a', 'b', 'c'].map(text => hash('sha256', text)))
const other = hash('sha256', 'd')
const hours = 60 * 60 * 1000

describe('an intent', () => {
  it('says who makes a backup, since when, until when it counts, and of which chunks', async () => {
    const { repository, root } = await freshRepository()
    const { key } = await announce(repository, hashes, by)
    const intent = JSON.parse(readFileSync(join(root, key), 'utf8'))
    expect(intent).toMatchObject({ format: 1, repository: repository.id, by })
    expect(intent.chunks).toEqual([...hashes].map(sha256 => sha256.slice(0, 16)).sort())
    expect(new Date(intent.until).getTime() - new Date(intent.since).getTime()).toBe(72 * hours)
    expect(key).toBe(`intents/${intent.id}.json`)
    expect(intent.id.startsWith(`${stampOf(new Date(intent.until))}-`)).toBe(true)
  })

  it('says "all" when there are very many, and stays small', async () => {
    const { repository, root } = await freshRepository()
    const many = new Set(Array.from({ length: 131_073 }, (_, i) => i.toString(16).padStart(64, '0')))
    const { key } = await announce(repository, many, by)
    expect(JSON.parse(readFileSync(join(root, key), 'utf8')).chunks).toBe('all')
  })

  it('is gone when it is withdrawn', async () => {
    const { repository, root } = await freshRepository()
    const intent = await announce(repository, hashes, by)
    await intent.withdraw()
    expect([...objectsOf(root).keys()]).toEqual(['repository.json'])
  })

  it('holds as long as it is there', async () => {
    const { repository } = await freshRepository()
    const intent = await announce(repository, hashes, by)
    expect(await intent.holds()).toBe(true)
    await repository.store.deleteMany([intent.key])
    expect(await intent.holds()).toBe(false)
  })

  it('stays, without a complaint, where it may not be deleted, and says that it is over', async () => {
    const { repository } = await freshRepository()
    const { store } = observed(repository.store, call => {
      if (call === 'deletes') throw new LockkeeperError('denied', 'no deleting here')
    })
    const intent = await announce({ ...repository, store }, hashes, by)
    await expect(intent.withdraw()).resolves.toBeUndefined()
    expect(await repository.store.head(intent.key)).toBeDefined()
    expect((await readIntents(repository)).count).toBe(0)
  })

  it('no longer protects a backup that takes more than 48 hours', async () => {
    const { repository } = await freshRepository()
    const before = performance.now()
    const intent = await announce(repository, hashes, by)
    const after = performance.now()
    expect(() => intent.check()).not.toThrow()
    expect(() => intent.check(before + 48 * hours - 1)).not.toThrow()
    expect(() => intent.check(after + 48 * hours)).toThrow('more than 48 hours')
  })

  it('is removed by a later backup when it is three days old by the clock of the store, whatever its name says', async () => {
    const test = await freshRepository()
    const { repository, root } = test
    const { key: alive } = await announce(repository, hashes, by)
    const put = async (until: number, old: number) => {
      const key = `intents/${stampOf(new Date(until))}-${randomUUID()}.json`
      await repository.store.putIfAbsent(key, Buffer.from('{}'))
      age(test, [key], old)
      return key
    }
    const young = await put(0, 71 * hours)
    await put(Date.now() + 1000 * hours, 73 * hours)
    await put(Date.now() - 2000, 1000 * hours)
    await removeExpiredIntents(repository)
    expect([...objectsOf(root).keys()].sort()).toEqual([alive, young, 'repository.json'].sort())
    await removeExpiredIntents(repository, Date.now() + 2 * hours)
    expect([...objectsOf(root).keys()].sort()).toEqual([alive, 'repository.json'].sort())
  })

  it('that cannot be removed is nobody’s problem', async () => {
    const { repository } = await freshRepository()
    const { store } = observed(repository.store, call => {
      if (call === 'lists') throw new LockkeeperError('storage', 'not now')
    })
    await expect(removeExpiredIntents({ ...repository, store })).resolves.toBeUndefined()
  })
})

describe('intents, read by a prune', () => {
  const [first = ''] = hashes

  it('spare the chunks that they name under every number, and every list', async () => {
    const { repository } = await freshRepository()
    const intent = await announce(repository, hashes, by)
    const intents = await readIntents(repository)
    expect(intents.count).toBe(1)
    expect([chunkKey(first), chunkKey(first, 3), listKey(other)].map(key => intents.spares(key))).toEqual([
      true,
      true,
      true,
    ])
    expect(intents.spares(chunkKey(other))).toBe(false)
    expect((await readIntents(repository, [intent.key])).count).toBe(0)
    await intent.withdraw()
    expect((await readIntents(repository)).spares(listKey(other))).toBe(false)
  })

  it('spare everything where one names too many chunks to name them', async () => {
    const { repository } = await freshRepository()
    await announce(repository, new Set(Array.from({ length: 131_073 }, (_, i) => i.toString(16).padStart(64, '0'))), by)
    expect((await readIntents(repository)).spares(chunkKey(other))).toBe(true)
  })

  it.each([
    ['cannot be read', '{'],
    ['is of a newer format', '{"format":2}'],
    ['names what is no hash', sealed({ format: 1, chunks: [1] })],
  ])('spare everything where one %s', async (_, text) => {
    const { repository } = await freshRepository()
    await repository.store.putIfAbsent('intents/unknown.json', Buffer.from(text))
    expect((await readIntents(repository)).spares(chunkKey(other))).toBe(true)
  })
})
