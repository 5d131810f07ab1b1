import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { chunkKey } from '../../src/backup/format.ts'
import { findChunks, lookUpAtMost, Presence } from '../../src/backup/presence.ts'
import { freshRepository } from './support.ts'

const sha256 = hash('sha256', 'a')
const at = (number: number, size = 10) => ({ key: chunkKey(sha256, number), sha256, number, size })

describe('which name a chunk has', () => {
  it('is the plain one where there is nothing', () => {
    const presence = new Presence(new Set())
    expect(presence.keyOf(sha256)).toBeUndefined()
    expect(presence.freeKey(sha256)).toBe(chunkKey(sha256))
  })

  it('is the lowest number under which it is there', () => {
    const presence = new Presence(new Set())
    for (const number of [2, 1, 5]) presence.add(at(number))
    expect(presence.keyOf(sha256)).toBe(chunkKey(sha256, 1))
  })

  it('is the next free number where lower ones are marked, whether there or not', () => {
    const presence = new Presence(new Set([chunkKey(sha256), chunkKey(sha256, 1)]))
    presence.add(at(0))
    expect(presence.keyOf(sha256)).toBeUndefined()
    expect(presence.freeKey(sha256)).toBe(chunkKey(sha256, 2))
  })

  it('is a higher one that is there and not marked', () => {
    const presence = new Presence(new Set([chunkKey(sha256)]))
    for (const number of [0, 1]) presence.add(at(number))
    expect(presence.keyOf(sha256)).toBe(chunkKey(sha256, 1))
  })

  it('is never that of an empty object', () => {
    const presence = new Presence(new Set())
    presence.add(at(0, 0))
    expect(presence.keyOf(sha256)).toBeUndefined()
    expect(presence.freeKey(sha256)).toBe(chunkKey(sha256, 1))
  })

  it('is no longer that of an object that turned out to be damaged', () => {
    const presence = new Presence(new Set())
    presence.add(at(0))
    presence.spoil(sha256, chunkKey(sha256))
    expect(presence.keyOf(sha256)).toBeUndefined()
    expect(presence.freeKey(sha256)).toBe(chunkKey(sha256, 1))
  })
})

describe('finding chunks', () => {
  async function repositoryWith(count: number) {
    const test = await freshRepository()
    const wanted = new Map(Array.from({ length: count }, (_, i) => [hash('sha256', `wanted ${i}`), i]))
    const batch = test.repository.store.batch()
    for (const key of wanted.keys()) {
      await batch.put(chunkKey(key), Buffer.from('x'))
      await batch.put(chunkKey(key, 1), Buffer.from('xy'))
    }
    for (let i = 0; i < 20; i++) await batch.put(chunkKey(hash('sha256', `other ${i}`)), Buffer.from('x'))
    await batch.put('chunks/README', Buffer.from('x'))
    await batch.flush()
    return { ...test, wanted }
  }

  it.each([
    ['looks up few by themselves', lookUpAtMost],
    ['lists all when there are many', lookUpAtMost + 1],
  ])('%s, and finds them under every number', async (_what, count) => {
    const { repository, asked, wanted } = await repositoryWith(count)
    const found = await Array.fromAsync(findChunks(repository, wanted))
    expect(found.map(({ key }) => key).sort()).toEqual(
      [...wanted.keys()].flatMap(key => [chunkKey(key), chunkKey(key, 1)]).sort(),
    )
    expect(found.every(({ number, size }) => size === number + 1)).toBe(true)
    expect(asked.lists.length).toBe(count <= lookUpAtMost ? count : 1)
  })

  it('asks nothing for an empty database', async () => {
    const { repository, asked } = await repositoryWith(1)
    expect(await Array.fromAsync(findChunks(repository, new Map()))).toEqual([])
    expect(asked.lists).toEqual([])
  })

  it.each([1, lookUpAtMost + 1])('stops when it is told to', async count => {
    const { repository, wanted } = await repositoryWith(count)
    await expect(Array.fromAsync(findChunks(repository, wanted, AbortSignal.abort()))).rejects.toThrow('aborted')
  })
})
