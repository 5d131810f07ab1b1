import { randomBytes, randomFillSync } from 'node:crypto'
import { appendFile, copyFile, readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readManifest } from '../../src/backup/catalog.ts'
import { recordCheck } from '../../src/backup/checks.ts'
import type { BackupOptions } from '../../src/backup/create.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { chunkKey, listKey, manifestKey, parseChunkKey, parseListKey } from '../../src/backup/format.ts'
import { mark } from '../../src/backup/marks.ts'
import type { Progress } from '../../src/backup/progress.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { age } from './pruning.ts'
import {
  added,
  backup,
  by,
  byFolder,
  catalogOf,
  change,
  forget,
  freshRepository,
  integrityCheck,
  makeDatabase,
  objectsOf,
  observed,
  refusal,
  sha256Of,
} from './support.ts'

/** A repository and a database of some 40 chunks. */
async function fresh(options: { rows?: number; mode?: string } = {}) {
  const test = await freshRepository()
  const database = test.path('app.db')
  makeDatabase(database, options)
  return { ...test, database }
}

describe('a backup', () => {
  it.each(['delete', 'wal'])('gives back the same bytes and the same rows (%s)', async mode => {
    const test = await fresh({ mode })
    const { manifest } = await backup(test, test.database)
    await fetchBackup(test.repository, { manifest }, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
    expect((await integrityCheck(test.path('back.db'))).problems).toEqual([])
  })

  it.each([0, 1, 4096, 4097, 3 * 4096, 1024 * 4096, 1025 * 4096 + 1])('holds %i bytes', async bytes => {
    const test = await freshRepository()
    const path = test.path('any')
    await writeFile(path, randomBytes(bytes))
    const { manifest } = await backup(test, path)
    const count = Math.ceil(bytes / 4096)
    expect(manifest.database).toMatchObject({ bytes, sha256: sha256Of(path) })
    expect(manifest.chunks).toMatchObject({ size: 4096, count })
    expect(manifest.chunks.lists.length).toBe(Math.ceil(count / 1024))
    expect(byFolder(objectsOf(test.root).keys())).toEqual({
      'repository.json': 1,
      backups: 1,
      ...(bytes === 0 ? {} : { chunks: count, lists: Math.ceil(count / 1024) }),
    })
    await fetchBackup(test.repository, { manifest }, test.path('back'))
    expect(sha256Of(test.path('back'))).toBe(sha256Of(path))
  })

  it('holds a few chunks in memory, however many there are', async () => {
    const megabyte = 1024 * 1024
    const test = await freshRepository(megabyte)
    const path = test.path('large')
    const piece = Buffer.concat([randomBytes(megabyte / 2), Buffer.alloc(megabyte / 2)])
    for (let count = 0; count < 200; count++) await appendFile(path, randomFillSync(piece, 0, 16))
    let most = 0
    const onProgress = () => {
      most = Math.max(most, process.memoryUsage().arrayBuffers)
    }
    const before = process.memoryUsage().arrayBuffers
    await backup(test, path, {}, { onProgress })
    // Eight to hash, eight to read and eight that are compressed; what waits for the garbage collector is 60 MB more.
    expect(most - before).toBeLessThan(40 * megabyte)
  })

  it('stores what repeats once: chunks of zeros, and whole lists of them', async () => {
    const test = await freshRepository()
    const path = test.path('sparse')
    const piece = randomBytes(4096)
    await writeFile(path, Buffer.concat([Buffer.alloc(4096 * 2048), piece, Buffer.alloc(4096 * 10), piece]))
    const { manifest, stored } = await backup(test, path)
    expect(stored.chunks).toBe(2)
    expect(manifest.chunks.count).toBe(2060)
    expect(manifest.chunks.lists.length).toBe(3)
    expect(manifest.chunks.lists[0]).toBe(manifest.chunks.lists[1])
    expect(byFolder(objectsOf(test.root).keys())).toMatchObject({ chunks: 2, lists: 2 })
    await fetchBackup(test.repository, { manifest }, test.path('back'))
    expect(sha256Of(test.path('back'))).toBe(sha256Of(path))
  })

  it('says in its manifest everything that is known', async () => {
    const test = await fresh()
    const at = new Date('2026-11-23T11:40:00.500Z')
    const result = await backup(test, test.database, {
      at,
      tiers: ['weekly', 'daily', 'daily'],
      note: 'before the fair',
      tables: { visits: 500 },
      damaged: 'page 3 is never used',
      database: { pageSize: 4096, journalMode: 'wal', encoding: 'UTF-16le', userVersion: 7 },
    })
    expect(result.id).toBe('00000001-20261123T114000Z-daily+weekly-v002_add_index')
    const { size } = await stat(test.database)
    expect(result.manifest).toEqual({
      format: 1,
      id: result.id,
      repository: test.repository.id,
      sequence: 1,
      createdAt: '2026-11-23T11:40:00.500Z',
      tiers: ['daily', 'weekly'],
      note: 'before the fair',
      database: {
        name: 'app',
        bytes: size,
        sha256: sha256Of(test.database),
        pageSize: 4096,
        journalMode: 'wal',
        encoding: 'UTF-16le',
        userVersion: 7,
      },
      chunks: { size: 4096, count: size / 4096, lists: result.manifest.chunks.lists },
      stored: result.stored,
      schema: { level: 'v002_add_index', fingerprint: 'abc', applied: 2 },
      tables: { visits: 500 },
      engine: { lockkeeper: '0.1.0', node: process.version, sqlite: '3.53.4' },
      by,
      damaged: { reason: 'page 3 is never used' },
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(await readManifest(test.repository, manifestKey(result.id))).toEqual(result.manifest)
  })

  it('counts what it stored, compressed', async () => {
    const test = await fresh()
    const { stored, reused } = await backup(test, test.database)
    const chunks = [...objectsOf(test.root).keys()].filter(key => key.startsWith('chunks/'))
    const sizes = await Promise.all(chunks.map(async key => (await stat(join(test.root, key))).size))
    expect(stored).toEqual({ chunks: chunks.length, bytes: sizes.reduce((sum, size) => sum + size, 0) })
    expect(reused.chunks).toBe(0)
  })

  it('can be of a copy that somebody else named', async () => {
    const test = await fresh()
    const facts = { pageSize: 4096, journalMode: 'delete', encoding: 'UTF-8', name: 'other' }
    expect((await backup(test, test.database, { database: facts })).manifest.database.name).toBe('other')
  })
})

describe('the next backup', () => {
  it('of an unchanged database adds exactly one manifest', async () => {
    const test = await fresh()
    const first = await backup(test, test.database)
    const before = objectsOf(test.root)
    forget(test.asked)
    const second = await backup(test, test.database)
    const after = objectsOf(test.root)
    expect(added(before, after)).toEqual([manifestKey(second.id)])
    for (const [key, content] of before) expect(after.get(key)).toBe(content)
    expect(byFolder(test.asked.puts)).toEqual({ intents: 1, backups: 1 })
    expect(second.stored).toEqual({ chunks: 0, bytes: 0 })
    expect(second.reused.chunks).toBe(first.stored.chunks)
    expect(second.manifest.chunks).toEqual(first.manifest.chunks)
    expect(second.manifest.sequence).toBe(2)
  })

  it('of a database with one page changed adds exactly one chunk, one list and one manifest', async () => {
    // In WAL mode, as otherwise a change of any page changes the counter on the first page, too.
    const test = await fresh({ mode: 'wal' })
    await backup(test, test.database)
    const bytesBefore = await readFile(test.database)
    change(test.database, 'UPDATE visits SET note = upper(note) WHERE id = 200')
    const bytesAfter = await readFile(test.database)
    const pages = Array.from({ length: bytesAfter.length / 4096 }, (_, page) => page * 4096)
    expect(pages.filter(at => bytesBefore.compare(bytesAfter, at, at + 4096, at, at + 4096) !== 0).length).toBe(1)

    const before = objectsOf(test.root)
    const { manifest, stored } = await backup(test, test.database)
    expect(byFolder(added(before, objectsOf(test.root)))).toEqual({ chunks: 1, lists: 1, backups: 1 })
    expect(stored.chunks).toBe(1)
    await fetchBackup(test.repository, { manifest }, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
  })

  it('reads back only what is new, not what the backup before it has read back', async () => {
    const test = await fresh()
    await backup(test, test.database)
    forget(test.asked)
    await backup(test, test.database)
    expect(test.asked.gets.filter(key => key.startsWith('chunks/'))).toEqual([])
  })

  it('goes on from what a failed one left, and reads that back', async () => {
    const test = await fresh()
    const { store } = observed(test.repository.store, (call, key) => {
      if (call === 'puts' && key.startsWith('lists/')) throw new LockkeeperError('storage', 'the network is gone')
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error.message).toBe('the network is gone')
    const left = objectsOf(test.root)
    expect(byFolder(left.keys())).toEqual({ 'repository.json': 1, chunks: left.size - 1 })
    forget(test.asked)
    const { stored, reused } = await backup(test, test.database)
    expect(stored.chunks).toBe(0)
    expect(reused.chunks).toBe(left.size - 1)
    expect(test.asked.puts.filter(key => key.startsWith('chunks/'))).toEqual([])
    expect(new Set(test.asked.gets.filter(key => key.startsWith('chunks/'))).size).toBe(left.size - 1)
  })

  it('does not rely on damaged chunks that a failed one left: it marks them and stores them under another name', async () => {
    const test = await fresh()
    const { manifest } = await backup(test, test.database)
    // As if it had never been finished, and one chunk had been kept wrongly.
    await test.repository.store.deleteMany([manifestKey(manifest.id)])
    const victim = [...objectsOf(test.root).keys()].find(key => key.startsWith('chunks/')) ?? ''
    await writeFile(join(test.root, victim), 'rubbish')
    const before = objectsOf(test.root)
    const { manifest: next, stored } = await backup(test, test.database)
    const sha256 = parseChunkKey(victim)?.sha256 ?? ''
    expect(stored.chunks).toBe(1)
    expect(added(before, objectsOf(test.root)).filter(key => !/^(marks|lists)/.test(key))).toEqual([
      manifestKey(next.id),
      chunkKey(sha256, 1),
    ])
    const marks = [...objectsOf(test.root).keys()].filter(key => key.startsWith('marks/'))
    expect(JSON.parse(await readFile(join(test.root, marks[0] ?? ''), 'utf8'))).toMatchObject({
      reason: 'damaged',
      objects: [victim],
    })
    await fetchBackup(test.repository, { manifest: next }, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
  })

  it('takes an empty object for none', async () => {
    const test = await fresh()
    const { manifest } = await backup(test, test.database)
    const victim = [...objectsOf(test.root).keys()].find(key => key.startsWith('chunks/')) ?? ''
    await writeFile(join(test.root, victim), '')
    const next = await backup(test, test.database)
    expect(next.stored.chunks).toBe(1)
    expect(objectsOf(test.root).has(chunkKey(parseChunkKey(victim)?.sha256 ?? '', 1))).toBe(true)
    expect(next.manifest.chunks.lists).not.toEqual(manifest.chunks.lists)
    await fetchBackup(test.repository, next, test.path('back.db'))
  })

  it('stores again what is missing, under its own name, so that older backups are whole again', async () => {
    const test = await fresh()
    const first = await backup(test, test.database)
    const before = objectsOf(test.root)
    const victims = [...before.keys()].filter(key => /^(chunks|lists)/.test(key)).slice(0, 5)
    await test.repository.store.deleteMany(victims)
    const next = await backup(test, test.database)
    expect(added(before, objectsOf(test.root))).toEqual([manifestKey(next.id)])
    await fetchBackup(test.repository, first, test.path('back.db'))
  })

  it('clears away the intents of processes that were killed, when their time is over', async () => {
    const test = await fresh()
    const old = 'intents/20200101T000000Z-5d2c1d5e-0000-4000-8000-000000000000.json'
    await test.repository.store.putIfAbsent(old, Buffer.from('{}'))
    age(test, [old], 73 * 60 * 60 * 1000)
    await backup(test, test.database)
    expect(objectsOf(test.root).has(old)).toBe(false)
  })

  it('is taken back when a prune no longer knew of it before its manifest was there', async () => {
    const test = await fresh()
    const { store } = observed(test.repository.store, async (call, key) => {
      if (call !== 'puts' || !key.startsWith('backups/')) return
      const intents = [...objectsOf(test.root).keys()].filter(name => name.startsWith('intents/'))
      await test.repository.store.deleteMany(intents)
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error).toMatchObject({ code: 'storage', message: expect.stringContaining('no longer knew') })
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
    await backup(test, test.database)
  })

  it('is none where the repository went away meanwhile, and nothing but an empty folder is left', async () => {
    const test = await fresh()
    const away = `${test.root}-unmounted`
    let gone = false
    const { store } = observed(test.repository.store, async (call, key) => {
      if (gone || call !== 'puts' || !key.startsWith('intents/')) return
      gone = true
      await rename(test.root, away)
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error).toMatchObject({ code: 'storage', message: expect.stringContaining('went away') })
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
    await rm(test.root, { recursive: true })
    await rename(away, test.root)
    await backup(test, test.database)
  })

  it('goes on after a damaged newest manifest', async () => {
    const test = await fresh()
    await backup(test, test.database)
    const second = await backup(test, test.database)
    await writeFile(join(test.root, manifestKey(second.id)), 'rubbish')
    const third = await backup(test, test.database)
    expect(third.manifest.sequence).toBe(3)
    expect(third.stored.chunks).toBe(0)
  })
})

describe('marked objects', () => {
  async function withMarked(pick: (keys: string[]) => string[]) {
    const test = await fresh()
    const first = await backup(test, test.database)
    const keys = [...objectsOf(test.root).keys()].filter(key => /^(chunks|lists)/.test(key)).sort()
    const marked = pick(keys)
    await mark(test.repository, 'unused', marked, by)
    return { ...test, first, marked, before: objectsOf(test.root) }
  }

  it('that are chunks count as absent and are stored under the next number', async () => {
    const test = await withMarked(keys => keys.filter(key => key.startsWith('chunks/')).slice(0, 3))
    const second = await backup(test, test.database)
    expect(second.stored.chunks).toBe(3)
    const fresh = added(test.before, objectsOf(test.root))
    expect(fresh.filter(key => key.startsWith('chunks/'))).toEqual(
      test.marked.map(key => chunkKey(parseChunkKey(key)?.sha256 ?? '', 1)).sort(),
    )
    // Whatever becomes of the marked ones, the second backup does not need them.
    await test.repository.store.deleteMany([...test.marked, ...test.first.manifest.chunks.lists])
    await fetchBackup(test.repository, second, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
  })

  it('that are lists, too', async () => {
    const test = await withMarked(keys => keys.filter(key => key.startsWith('lists/')))
    const second = await backup(test, test.database)
    expect(second.stored.chunks).toBe(0)
    expect(second.manifest.chunks.lists).toEqual(test.marked.map(key => listKey(parseListKey(key)?.sha256 ?? '', 1)))
    await test.repository.store.deleteMany(test.marked)
    await fetchBackup(test.repository, second, test.path('back.db'))
  })

  it('are avoided even when they have been deleted already, as a late delete may still come', async () => {
    const test = await withMarked(keys => keys)
    await test.repository.store.deleteMany(test.marked)
    const second = await backup(test, test.database)
    await test.repository.store.deleteMany(test.marked)
    await fetchBackup(test.repository, second, test.path('back.db'))
  })

  it('are avoided under every number', async () => {
    const test = await withMarked(keys => keys)
    await mark(
      test.repository,
      'unused',
      test.marked.map(key => key.replace(/(\.zst)?$/, '.1$1')),
      by,
    )
    const second = await backup(test, test.database)
    const names = [...objectsOf(test.root).keys()].filter(key => key.startsWith('chunks/') && key.endsWith('.2.zst'))
    expect(names.length).toBe(second.stored.chunks)
    expect(second.manifest.chunks.lists.every(key => parseListKey(key)?.number === 0)).toBe(true)
    await fetchBackup(test.repository, second, test.path('back.db'))
  })

  it('of another database are nobody’s concern', async () => {
    const test = await fresh()
    await backup(test, test.database)
    await mark(test.repository, 'unused', [chunkKey('0'.repeat(64)), listKey('0'.repeat(64))], by)
    expect((await backup(test, test.database)).stored.chunks).toBe(0)
  })

  it('are read after the intent is there, and before anything is looked for', async () => {
    const test = await fresh()
    const order: string[] = []
    const { store } = observed(test.repository.store, (call, key) => {
      order.push(`${call} ${key.split('/')[0]}`)
    })
    await backup({ repository: { ...test.repository, store } }, test.database)
    const first = (call: string) => order.indexOf(call)
    expect(first('puts intents')).toBeLessThan(first('lists marks'))
    expect(first('lists marks')).toBeLessThan(first('lists chunks'))
    expect(first('lists chunks')).toBeLessThan(first('puts chunks'))
    expect(order.lastIndexOf('puts chunks')).toBeLessThan(first('puts lists'))
    expect(first('puts lists')).toBeLessThan(order.lastIndexOf('gets chunks'))
    expect(order.lastIndexOf('gets chunks')).toBeLessThan(order.lastIndexOf('lists chunks'))
    expect(order.lastIndexOf('lists chunks')).toBeLessThan(first('puts backups'))
    expect(first('puts backups')).toBeLessThan(first('deletes intents'))
  })
})

describe('a crash loop', () => {
  const preMigration = { tiers: ['pre-migration'] as const }
  const reuse = { reuseIfUnchanged: true }

  it('gets the identical backup that is there, and stores nothing', async () => {
    const test = await fresh()
    const first = await backup(test, test.database, preMigration, reuse)
    expect(first.existing).toBeUndefined()
    const before = objectsOf(test.root)
    forget(test.asked)
    for (let round = 0; round < 3; round++) {
      const again = await backup(test, test.database, preMigration, reuse)
      expect(again).toMatchObject({ id: first.id, existing: first.id, manifest: first.manifest, stored: { chunks: 0 } })
    }
    expect(objectsOf(test.root)).toEqual(before)
    expect(test.asked.puts).toEqual([])
  })

  it('of an empty database, too', async () => {
    const test = await freshRepository()
    await writeFile(test.path('empty'), '')
    const first = await backup(test, test.path('empty'), preMigration, reuse)
    expect((await backup(test, test.path('empty'), preMigration, reuse)).existing).toBe(first.id)
  })

  it('finds it behind newer backups of other tiers', async () => {
    const test = await fresh()
    const first = await backup(test, test.database, preMigration, reuse)
    await backup(test, test.database, { tiers: ['daily'] })
    expect((await backup(test, test.database, preMigration, reuse)).existing).toBe(first.id)
  })

  type Test = Awaited<ReturnType<typeof fresh>>
  it.each<[string, (test: Test, first: Awaited<ReturnType<typeof backup>>) => Promise<unknown>]>([
    ['does not ask for it', async () => ({ options: {} })],
    ['asks for another tier', async () => ({ facts: { tiers: ['daily'] } })],
    ['is at another level', async () => ({ facts: { schema: { level: 'v003', fingerprint: 'abc', applied: 3 } } })],
    ['is at no level', async () => ({ facts: { schema: { level: null, fingerprint: 'abc', applied: 0 } } })],
    ['has another byte', async test => appendFile(test.database, 'x')],
    ['is a day later', async () => ({ facts: { at: new Date(Date.now() + 25 * 60 * 60 * 1000) } })],
    ['lost a chunk', async test => test.repository.store.deleteMany([aChunk(test)])],
    ['has an empty chunk', async test => writeFile(join(test.root, aChunk(test)), '')],
    ['lost a list', async (test, first) => test.repository.store.deleteMany(first.manifest.chunks.lists)],
    [
      'has a damaged list',
      async (test, first) => writeFile(join(test.root, first.manifest.chunks.lists[0] ?? ''), 'x'),
    ],
    ['has a damaged manifest', async (test, first) => writeFile(join(test.root, manifestKey(first.id)), 'x')],
    [
      'has been found bad',
      async (test, first) =>
        recordCheck(test.repository, {
          backup: first.id,
          at: '2026-11-23T11:40:00.000Z',
          kind: 'verification',
          result: 'bad',
          how: null,
          problems: ['x'],
          notes: [],
          by,
          milliseconds: 1,
        }),
    ],
  ])('gets a new backup when it %s', async (_what, prepare) => {
    const test = await fresh()
    const first = await backup(test, test.database, preMigration, reuse)
    const changed = (await prepare(test, first)) as { facts?: object; options?: object } | undefined
    const facts = { ...preMigration, ...changed?.facts }
    const second = await backup(test, test.database, facts, changed?.options ?? reuse)
    expect(second.existing).toBeUndefined()
    expect(second.id).not.toBe(first.id)
    await fetchBackup(test.repository, second, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
  })

  it('gets a new backup when the one that is there is of a damaged database', async () => {
    const test = await fresh()
    await backup(test, test.database, { ...preMigration, damaged: 'page 3' })
    expect((await backup(test, test.database, preMigration, reuse)).existing).toBeUndefined()
  })

  function aChunk({ root }: Test): string {
    return [...objectsOf(root).keys()].find(key => key.startsWith('chunks/')) ?? ''
  }
})

describe('backups at once', () => {
  it('of the same database are all made, and store each chunk once', async () => {
    const test = await fresh()
    const pods = ['a', 'b', 'c', 'd']
    const results = await Promise.all(pods.map(pod => backup(test, test.database, { by: { ...by, pod } })))
    expect(new Set(results.map(({ id }) => id)).size).toBe(4)
    expect((await catalogOf(test)).backups.map(({ id }) => id).sort()).toEqual(results.map(({ id }) => id).sort())
    const { chunks, lists, intents } = byFolder(objectsOf(test.root).keys())
    expect(chunks).toBe(results[0]?.manifest.chunks.count)
    expect(lists).toBe(1)
    expect(intents).toBeUndefined()
    for (const [i, result] of results.entries()) await fetchBackup(test.repository, result, test.path(`back${i}`))
  })

  it('in the same second, with the same tier and level, get numbers of their own', async () => {
    const test = await fresh()
    const at = new Date()
    const pods = ['a', 'b', 'c', 'd', 'e']
    const results = await Promise.all(pods.map(pod => backup(test, test.database, { at, by: { ...by, pod } })))
    expect(results.map(({ manifest }) => manifest.sequence).sort()).toEqual([1, 2, 3, 4, 5])
  })

  it('recognise their own manifest when the answer to storing it got lost', async () => {
    const test = await fresh()
    const { store } = observed(test.repository.store)
    const forgetful = {
      ...store,
      // As a client does that tries again after a time-out.
      putIfAbsent: async (key: string, body: Uint8Array) => {
        await store.putIfAbsent(key, body)
        return store.putIfAbsent(key, body)
      },
    }
    const { id } = await backup({ repository: { ...test.repository, store: forgetful } }, test.database)
    expect((await catalogOf(test)).backups.map(backup => backup.id)).toEqual([id])
  })

  it('of two different states are both right', async () => {
    const test = await fresh()
    const other = test.path('other.db')
    await copyFile(test.database, other)
    change(other, 'DELETE FROM visits WHERE id % 3 = 0')
    const [one, two] = await Promise.all([backup(test, test.database), backup(test, other)])
    for (const [result, path] of [
      [one, test.database],
      [two, other],
    ] as const) {
      const back = test.path(`back-${result.id}`)
      await fetchBackup(test.repository, result, back)
      expect(sha256Of(back)).toBe(sha256Of(path))
    }
  })
})

describe('a backup that fails', () => {
  it('because the store lost what it was given leaves no manifest, and names what is missing', async () => {
    const test = await fresh()
    let lost = ''
    const { store } = observed(test.repository.store, async (call, key) => {
      // The first chunk that is to be read back vanishes just before.
      if (call !== 'gets' || lost !== '' || !key.startsWith('chunks/')) return
      lost = key
      await test.repository.store.deleteMany([key])
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error.code).toBe('storage')
    expect(error.message).toContain(`does not hold what was stored in it: ${lost}: is missing`)
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
    await backup(test, test.database)
  })

  it('because the store kept something else leaves no manifest, and the next one is right', async () => {
    const test = await fresh()
    let spoilt = ''
    const { store } = observed(test.repository.store, async (call, key) => {
      if (call !== 'gets' || spoilt !== '' || !key.startsWith('chunks/')) return
      spoilt = key
      await writeFile(join(test.root, key), await readFile(join(test.root, 'repository.json')))
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error.code).toBe('storage')
    expect(error.message).toContain(spoilt)
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
    const next = await backup(test, test.database)
    expect(next.stored.chunks).toBe(1)
    await fetchBackup(test.repository, next, test.path('back.db'))
    expect(sha256Of(test.path('back.db'))).toBe(sha256Of(test.database))
  })

  it('because the store lost a list leaves no manifest, and names it', async () => {
    const test = await fresh()
    let gets = 0
    let lost = ''
    const { store } = observed(test.repository.store, async (call, key) => {
      // The first look is whether it is there already.
      if (call !== 'gets' || !key.startsWith('lists/') || ++gets < 2) return
      lost = key
      await test.repository.store.deleteMany([key])
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error).toMatchObject({ code: 'storage', details: { problems: [`${lost}: is missing`] } })
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
  })

  it.each<[string, (test: Awaited<ReturnType<typeof fresh>>, key: string) => Promise<void>]>([
    ['vanishes', (test, key) => test.repository.store.deleteMany([key])],
    ['becomes empty', (test, key) => writeFile(join(test.root, key), '')],
  ])('because a chunk %s just before the manifest leaves no manifest', async (_what, lose) => {
    const test = await fresh({ rows: 2000 })
    await backup(test, test.database)
    let listings = 0
    let lost = ''
    const { store } = observed(test.repository.store, async (call, key) => {
      if (call !== 'lists' || !key.startsWith('chunks/') || ++listings < 2) return
      lost = [...objectsOf(test.root).keys()].find(name => name.startsWith('chunks/')) ?? ''
      await lose(test, lost)
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error).toMatchObject({ code: 'storage', details: { problems: [`${lost}: is missing`] } })
    expect((await catalogOf(test)).backups.length).toBe(1)
  })

  it('because the file changed is busy, and leaves no manifest', async () => {
    const test = await fresh()
    const { store } = observed(test.repository.store, async call => {
      if (call === 'puts') await appendFile(test.database, 'x')
    })
    const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
    expect(error.code).toBe('busy')
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
  })

  it('because a page changed after its turn, and another before it, is busy, although all that it has stored is what it read', async () => {
    const test = await fresh({ rows: 2000 })
    await backup(test, test.database)
    let changed = false
    const onProgress: BackupOptions['onProgress'] = ({ phase }) => {
      if (phase !== 'reading' || changed) return
      changed = true
      // A row that goes into the first page, whose turn is over and which the repository has, and into the last.
      change(test.database, `UPDATE visits SET photo = randomblob(60) WHERE id = (SELECT max(id) FROM visits)`)
    }
    const { code } = await refusal(backup(test, test.database, {}, { onProgress }))
    expect(code).toBe('busy')
    expect((await catalogOf(test)).backups.length).toBe(1)
  })

  it('because the lock was lost while it read leaves no manifest', async () => {
    const test = await fresh({ rows: 2000 })
    await backup(test, test.database)
    let held = true
    const options: BackupOptions = {
      onProgress: ({ phase }) => {
        held &&= phase !== 'reading'
      },
      confirm: async () => {
        if (!held) throw new LockkeeperError('internal', 'the lock is gone')
      },
    }
    const { message } = await refusal(backup(test, test.database, {}, options))
    expect(message).toBe('the lock is gone')
    expect((await catalogOf(test)).backups.length).toBe(1)
  })

  it('because there is no higher number leaves no manifest', async () => {
    const test = await fresh()
    const last = 'backups/999999999999-20261123T114000Z-manual-none.json'
    await test.repository.store.putIfAbsent(last, Buffer.from('x'))
    const error = await refusal(backup(test, test.database))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain('sequence is not an integer')
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBe(1)
  })

  it.each([true, false])('or not, lets go of the file (%s)', async fails => {
    const test = await fresh()
    const { store } = observed(test.repository.store, call => {
      if (fails && call === 'puts') throw new LockkeeperError('storage', 'gone')
    })
    const made = backup({ repository: { ...test.repository, store } }, test.database)
    expect(
      await made.then(
        () => false,
        () => true,
      ),
    ).toBe(fails)
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map(descriptor => readlink(`/proc/self/fd/${descriptor}`).catch(() => '')),
    )
    expect(open.filter(path => path.startsWith(test.folder))).toEqual([])
  })

  it('because marks cannot be read leaves no manifest', async () => {
    const test = await fresh()
    await test.repository.store.putIfAbsent('marks/x.json', Buffer.from('?'))
    expect((await refusal(backup(test, test.database))).message).toContain('marks/x.json')
    expect(byFolder(objectsOf(test.root).keys())['backups']).toBeUndefined()
  })

  it.each(['puts chunks/', 'puts lists/', 'gets chunks/', 'puts backups/', 'lists chunks/', 'lists marks/'])(
    'because the store fails at %s takes its intent back and leaves no manifest',
    async at => {
      const test = await fresh()
      const { store } = observed(test.repository.store, (call, key) => {
        if (`${call} ${key}`.startsWith(at)) throw new LockkeeperError('storage', 'gone')
      })
      const error = await refusal(backup({ repository: { ...test.repository, store } }, test.database))
      expect(error.message).toBe('gone')
      const { intents, backups } = byFolder(objectsOf(test.root).keys())
      expect([intents, backups]).toEqual([undefined, undefined])
      await backup(test, test.database)
    },
  )

  it.each([
    ['no tier', { tiers: [] }, 'tiers is empty'],
    ['a note without end', { note: 'x'.repeat(10_000) }, 'note has not'],
    ['negative rows', { tables: { visits: -1 } }, 'tables.visits'],
    ['a host that is too long', { by: { host: 'x'.repeat(1000) } }, 'by.host'],
  ])('because of %s has not asked the store for anything', async (_what, facts, complaint) => {
    const test = await fresh()
    const error = await refusal(backup(test, test.database, facts))
    expect(error.code).toBe('invalid')
    expect(error.message).toContain('a backup cannot be described')
    expect(error.message).toContain(complaint)
    expect(Object.values(test.asked).flat()).toEqual([])
  })

  it('because there is no file has not asked the store for anything', async () => {
    const test = await freshRepository()
    expect((await refusal(backup(test, test.path('none.db')))).code).toBe('missing')
    expect(Object.values(test.asked).flat()).toEqual([])
  })
})

describe('the progress of a backup', () => {
  it('is told in bytes: read, stored, checked', async () => {
    const test = await fresh()
    const heard: Progress[] = []
    await backup(test, test.database, {}, { onProgress: progress => heard.push(progress) })
    const { size } = await stat(test.database)
    expect([...new Set(heard.map(({ phase }) => phase))]).toEqual(['reading', 'storing', 'checking'])
    for (const phase of ['reading', 'storing', 'checking']) {
      const steps = heard.filter(progress => progress.phase === phase)
      expect(steps.at(-1)).toEqual({ phase, bytes: size, total: size })
      expect(steps.map(({ bytes }) => bytes)).toEqual(steps.map(({ bytes }) => bytes).sort((a, b) => a - b))
    }
  })

  it.each(['reading', 'storing', 'checking'])(
    'can be stopped while %s, which leaves no manifest and no intent',
    async phase => {
      const test = await fresh()
      const controller = new AbortController()
      const reason = new LockkeeperError('terminated', 'told to stop')
      const onProgress = (progress: Progress) => {
        if (progress.phase === phase) controller.abort(reason)
      }
      const stopped = backup(test, test.database, {}, { signal: controller.signal, onProgress })
      expect(await refusal(stopped)).toBe(reason)
      const { backups, intents } = byFolder(objectsOf(test.root).keys())
      expect([backups, intents]).toEqual([undefined, undefined])
      await backup(test, test.database)
    },
  )

  it('does not begin when it was stopped before', async () => {
    const test = await fresh()
    await expect(backup(test, test.database, {}, { signal: AbortSignal.abort() })).rejects.toThrow('aborted')
    expect(Object.values(test.asked).flat()).toEqual([])
  })
})
