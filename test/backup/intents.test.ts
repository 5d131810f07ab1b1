import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stampOf } from '../../src/backup/format.ts'
import { announce, removeExpiredIntents } from '../../src/backup/intents.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { by, freshRepository, objectsOf, observed } from './support.ts'

const hashes = new Set(['a', 'b', 'c'].map(text => hash('sha256', text)))
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

  it('stays, without a complaint, where it may not be deleted', async () => {
    const { repository } = await freshRepository()
    const { store } = observed(repository.store, call => {
      if (call === 'deletes') throw new LockkeeperError('denied', 'no deleting here')
    })
    const intent = await announce({ ...repository, store }, hashes, by)
    await expect(intent.withdraw()).resolves.toBeUndefined()
    expect(await repository.store.head(intent.key)).toBeDefined()
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

  it('is removed by a later backup when its time is over, and not before', async () => {
    const { repository, root } = await freshRepository()
    const { key: alive } = await announce(repository, hashes, by)
    const put = (at: number) => {
      const key = `intents/${stampOf(new Date(at))}-5d2c1d5e-0000-4000-8000-000000000000.json`
      return repository.store.putIfAbsent(key, Buffer.from('{}'))
    }
    await put(Date.now() - 2000)
    await put(Date.now() - 1000 * hours)
    await repository.store.putIfAbsent('intents/unknown.json', Buffer.from('{}'))
    await removeExpiredIntents(repository)
    expect([...objectsOf(root).keys()].sort()).toEqual([alive, 'intents/unknown.json', 'repository.json'].sort())
  })

  it('that cannot be removed is nobody’s problem', async () => {
    const { repository } = await freshRepository()
    const { store } = observed(repository.store, call => {
      if (call === 'lists') throw new LockkeeperError('storage', 'not now')
    })
    await expect(removeExpiredIntents({ ...repository, store })).resolves.toBeUndefined()
  })
})
