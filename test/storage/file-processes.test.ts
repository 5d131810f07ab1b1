/** Several processes on one folder, and processes that are killed. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fileStore } from '../../src/storage/file.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { bytes, keys, list, named, read, text } from './contents.ts'
import { freshFolder, needsStrace, type StoreProcess, storeProcess } from './machine.ts'

const withoutLinks = [
  'strace',
  '-f',
  '-o',
  '/dev/null',
  '-e',
  'trace=link,linkat',
  '-e',
  'inject=link,linkat:error=EPERM',
]

describe('several processes', () => {
  it('that store the same keys at once: each key is stored by exactly one, with its content', async () => {
    const root = await freshFolder()
    await raceForFirstWrites(root, 5)
  })

  it('the same where the file system has no hard links', async context => {
    needsStrace(context)
    const root = await freshFolder()
    await raceForFirstWrites(root, 3, withoutLinks)
  })

  it('that count up one object: no count is lost', async () => {
    const root = await freshFolder()
    const store = opened(root)
    await store.putIfAbsent('counter', bytes('0'))
    const processes = Array.from({ length: 4 }, () => storeProcess('count-up', root))
    await startTogether(processes)
    const counts = await Promise.all(processes.map(one => one.next()))
    expect(counts).toEqual([60, 60, 60, 60])
    expect(await text(store, 'counter')).toBe('240')
  })
})

describe('a process that may have few files open', () => {
  it('can put very many objects at once', async () => {
    const root = await freshFolder()
    const few = ['sh', '-c', 'ulimit -n 280; exec "$@"', 'sh']
    const writer = storeProcess('many-at-once', root, '', { under: few })
    expect(await writer.next()).toBe(2000)
  })
})

describe('a process killed at a random instant', () => {
  it('in the middle of uploading leaves no torn object, and what it had flushed', async () => {
    const root = await freshFolder()
    const store = opened(root)
    const flushed = new Set<string>()
    for (let round = 0; round < 8; round++) {
      const uploader = storeProcess('upload', root)
      for (const key of (await uploader.next()) as string[]) flushed.add(key)
      await killAfter(uploader, Math.random() * 150)
      for (let more = await uploader.next(); more !== undefined; more = await uploader.next()) {
        for (const key of more as string[]) flushed.add(key)
      }
    }
    const visible = await keys(store, '')
    for (const key of visible) expect(named((await read(store, key))!)).toBe(key)
    expect([...flushed].filter(key => !visible.includes(key))).toEqual([])
    expect(flushed.size).toBeGreaterThan(700)
  })

  it('while it replaces an object leaves the old or the new one, and nothing in the way of the next', async () => {
    const root = await freshFolder()
    const store = opened(root)
    for (let round = 0; round < 12; round++) {
      const replacer = storeProcess('replace', root)
      expect(await replacer.next()).toBe('stored')
      await killAfter(replacer, Math.random() * 40)
      const { i, filler } = JSON.parse((await text(store, 'state'))!)
      expect(filler).toBe(String(i % 10).repeat(i % 5000))
      const { etag } = (await store.head('state'))!
      expect(await store.putIfUnchanged('state', bytes('{"i":0,"filler":""}'), etag)).toBe('stored')
    }
  })
})

describe('a process killed at each system call that changes something', () => {
  const calls = ['mkdir', 'fchmod', 'fsync', 'link', 'unlink', 'rename', 'rmdir', 'utimensat']

  it('leaves whole objects only, and the next one finishes the job', async context => {
    needsStrace(context)
    const kills: Record<string, number> = {}
    for (const call of calls) {
      kills[call] = -1
      for (let answer: unknown; answer !== 'done'; kills[call]++) {
        const root = await freshFolder()
        const store = opened(root)
        await store.putIfAbsent('replaced/a', bytes('original'))
        await store.putIfAbsent('deleted/a', bytes('content of deleted/a'))
        const inject = `inject=${call}:signal=KILL:when=${kills[call] + 2}`
        const killed = storeProcess('each-write-once', root, '', {
          under: ['strace', '-f', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject],
        })
        answer = await killed.next()
        await killed.exit

        const content: Record<string, string | undefined> = {}
        for (const key of await keys(store, '')) content[key] = await text(store, key)
        const { 'replaced/a': replaced, ...others } = content
        expect(['original', 'replaced']).toContain(replaced)
        for (const [key, body] of Object.entries(others)) expect(body).toBe(`content of ${key}`)

        const next = storeProcess('each-write-once', root)
        expect(await next.next()).toBe('done')
        expect(await keys(store, '')).toEqual(['batch/a', 'batch/b', 'first/a', 'replaced/a'])
        expect(await text(store, 'replaced/a')).toBe('replaced')
      }
    }
    expect(kills).toMatchObject({ link: 4, rename: 1, rmdir: 1, mkdir: 4 })
    expect(kills['fsync']).toBeGreaterThan(10)
  })
})

async function raceForFirstWrites(root: string, racers: number, under: readonly string[] = []): Promise<void> {
  const store = opened(root)
  const processes = Array.from({ length: racers }, (_, i) =>
    storeProcess('first-writes', root, `racer ${i}`, { under }),
  )
  await startTogether(processes)
  const won = (await Promise.all(processes.map(one => one.next()))) as string[][]
  const winners = new Map(won.flatMap((names, i) => names.map(key => [key, `racer ${i}`] as const)))
  expect(won.flat()).toHaveLength(150)
  expect(winners.size).toBe(150)
  expect(won.filter(names => names.length > 0).length).toBeGreaterThan(1)
  for (const { key } of await list(store, 'race/')) expect(await text(store, key)).toBe(winners.get(key))
  await Promise.all(processes.map(one => one.exit))
  expect(await readdir(join(root, '.tmp'))).toEqual([])
}

async function startTogether(processes: readonly StoreProcess[]): Promise<void> {
  for (const one of processes) expect(await one.next()).toBe('ready')
  for (const one of processes) one.go()
}

async function killAfter({ child, exit }: StoreProcess, milliseconds: number): Promise<void> {
  setTimeout(() => child.kill('SIGKILL'), milliseconds)
  expect((await exit).signal).toBe('SIGKILL')
}

function opened(root: string): ObjectStore {
  const store = fileStore(root)
  onTestFinished(() => store.close())
  return store
}
