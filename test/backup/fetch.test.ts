import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { chunkKey, listKey, manifestKey } from '../../src/backup/format.ts'
import { makeList } from '../../src/backup/lists.ts'
import { type Manifest, manifestBytes, parseManifest, sealManifest } from '../../src/backup/manifest.ts'
import type { Progress } from '../../src/backup/progress.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { withOneBitFlipped } from '../support/damage.ts'
import { backup, freshRepository, makeDatabase, objectsOf, observed, refusal, sha256Of } from './support.ts'

/** A backup of a database of some ten chunks. */
async function fresh() {
  const test = await freshRepository()
  makeDatabase(test.path('app.db'), { rows: 150 })
  const { manifest } = await backup(test, test.path('app.db'))
  const to = test.path('back.db')
  return {
    ...test,
    manifest,
    to,
    contents: [...objectsOf(test.root).keys()].filter(key => /^(chunks|lists)/.test(key)),
  }
}

/** Nothing but what was there before: no half file, no temporary one. */
async function expectNothingLeft({ folder }: { folder: string }): Promise<void> {
  expect((await readdir(folder)).sort()).toEqual(['app.db', 'repository'])
}

/** The manifest with other chunks, sealed and parsed as if it came from the repository. */
function forged(manifest: Manifest, changes: { bytes?: number; chunks?: Partial<Manifest['chunks']> }): Manifest {
  const { sha256: _, ...rest } = manifest
  const bytes = changes.bytes ?? manifest.database.bytes
  const forgery = sealManifest({
    ...rest,
    database: { ...manifest.database, bytes },
    chunks: { ...manifest.chunks, count: Math.ceil(bytes / manifest.chunks.size), ...changes.chunks },
  })
  return parseManifest(manifestBytes(forgery), manifestKey(manifest.id))
}

describe('fetching a backup', () => {
  it('makes a file that only its owner may read', async () => {
    const test = await fresh()
    await fetchBackup(test.repository, test, test.to)
    expect((await stat(test.to)).mode & 0o777).toBe(0o600)
    expect(sha256Of(test.to)).toBe(sha256Of(test.path('app.db')))
  })

  it('tells its progress in bytes', async () => {
    const test = await fresh()
    const heard: Progress[] = []
    await fetchBackup(test.repository, test, test.to, { onProgress: progress => heard.push(progress) })
    const total = test.manifest.database.bytes
    expect(heard.at(-1)).toEqual({ phase: 'fetching', bytes: total, total })
    expect(heard.length).toBe(test.manifest.chunks.count)
  })

  it('fetches a chunk that repeats once', async () => {
    const test = await freshRepository()
    await writeFile(test.path('zeros'), Buffer.alloc(500 * 4096))
    const { manifest } = await backup(test, test.path('zeros'))
    test.asked.gets.length = 0
    await fetchBackup(test.repository, { manifest }, test.path('back'))
    expect(test.asked.gets.filter(key => key.startsWith('chunks/')).length).toBe(1)
    expect(sha256Of(test.path('back'))).toBe(sha256Of(test.path('zeros')))
  })

  it('does not write over a file that is there', async () => {
    const test = await fresh()
    await writeFile(test.to, 'precious')
    const error = await refusal(fetchBackup(test.repository, test, test.to))
    expect(error).toMatchObject({ code: 'usage', message: `${test.to} is there already, and is not written over` })
    expect(await readFile(test.to, 'utf8')).toBe('precious')
  })

  it('does not write through a symbolic link', async () => {
    const test = await fresh()
    await writeFile(test.path('target'), 'precious')
    await symlink(test.path('target'), test.to)
    expect((await refusal(fetchBackup(test.repository, test, test.to))).code).toBe('usage')
    expect(await readFile(test.path('target'), 'utf8')).toBe('precious')
  })

  it('says when the folder is not there', async () => {
    const test = await fresh()
    const error = await refusal(fetchBackup(test.repository, test, test.path('no/such/back.db')))
    expect(error.code).toBe('missing')
    expect(error.message).toContain('no/such/back.db')
  })

  it.each(['', 'chunks/', 'lists/'])('can be stopped at %j and leaves nothing', async prefix => {
    const test = await fresh()
    const controller = new AbortController()
    const reason = new LockkeeperError('terminated', 'told to stop')
    if (prefix === '') controller.abort(reason)
    const { store } = observed(test.repository.store, (call, key) => {
      if (call === 'gets' && key.startsWith(prefix)) controller.abort(reason)
    })
    const fetched = fetchBackup({ ...test.repository, store }, test, test.to, { signal: controller.signal })
    expect(await refusal(fetched)).toBe(reason)
    await expectNothingLeft(test)
  })

  it('fails as the store does, and leaves nothing', async () => {
    const test = await fresh()
    let gets = 0
    const { store } = observed(test.repository.store, call => {
      if (call === 'gets' && ++gets === 6) throw new LockkeeperError('storage', 'the network is gone')
    })
    const error = await refusal(fetchBackup({ ...test.repository, store }, test, test.to))
    expect(error).toMatchObject({ code: 'storage', message: 'the network is gone' })
    await expectNothingLeft(test)
  })
})

describe('a damaged backup', () => {
  it('is refused by the name of whichever object is missing', async () => {
    const test = await fresh()
    for (const key of test.contents) {
      const content = await readFile(join(test.root, key))
      await test.repository.store.deleteMany([key])
      const error = await refusal(fetchBackup(test.repository, test, test.to))
      expect(error).toMatchObject({
        code: 'invalid',
        details: { backup: test.manifest.id, object: key, problem: 'missing' },
      })
      expect(error.message).toBe(`the backup ${test.manifest.id} cannot be restored: ${key}: is missing`)
      await expectNothingLeft(test)
      await test.repository.store.putIfAbsent(key, content)
    }
    await fetchBackup(test.repository, test, test.to)
  })

  it('is refused by the name of whichever object has one bit flipped', async () => {
    const test = await fresh()
    for (const key of test.contents) {
      const path = join(test.root, key)
      const content = await readFile(path)
      await writeFile(path, withOneBitFlipped(content, key))
      const error = await refusal(fetchBackup(test.repository, test, test.to))
      expect(error).toMatchObject({ code: 'invalid', details: { object: key, problem: 'damaged' } })
      expect(error.message).toContain(key)
      expect(error.hint).toContain('lockkeeper verify')
      await expectNothingLeft(test)
      await writeFile(path, content)
    }
    await fetchBackup(test.repository, test, test.to)
  })

  it.each([
    ['empty', () => Buffer.alloc(0)],
    ['cut off', (content: Buffer) => content.subarray(0, content.length / 2)],
    ['longer', (content: Buffer) => Buffer.concat([content, Buffer.from('x')])],
    ['huge', () => randomBytes(10_000_000)],
    ['a bomb', () => zstdCompressSync(Buffer.alloc(200_000_000))],
  ])('is refused when a chunk is %s', async (_what, spoil) => {
    const test = await fresh()
    const key = test.contents.findLast(name => name.startsWith('chunks/')) ?? ''
    await writeFile(join(test.root, key), spoil(await readFile(join(test.root, key))))
    const before = process.memoryUsage.rss()
    const error = await refusal(fetchBackup(test.repository, test, test.to))
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000)
    expect(error).toMatchObject({ code: 'invalid', details: { object: key } })
    await expectNothingLeft(test)
  })

  it('is refused when a chunk is of another length than belongs there', async () => {
    const test = await freshRepository()
    await writeFile(test.path('app.db'), randomBytes(4096 + 100))
    const { manifest } = await backup(test, test.path('app.db'))
    const [list = ''] = manifest.chunks.lists
    const [first = '', last = ''] = (await readFile(join(test.root, list), 'utf8')).split('\n')
    const swapped = makeList([last, first])
    await test.repository.store.putIfAbsent(listKey(swapped.sha256), swapped.text)
    const wrong = forged(manifest, { chunks: { lists: [listKey(swapped.sha256)] } })
    const error = await refusal(fetchBackup(test.repository, { manifest: wrong }, test.path('back.db')))
    expect(error.message).toContain(`${last}: holds 100 bytes where 4096 belong`)
  })

  it('is refused when all chunks are right, but not together', async () => {
    const test = await fresh()
    const [list = ''] = test.manifest.chunks.lists
    const names = (await readFile(join(test.root, list), 'utf8')).trimEnd().split('\n')
    const turned = makeList(names.toReversed())
    await test.repository.store.putIfAbsent(listKey(turned.sha256), turned.text)
    const manifest = forged(test.manifest, { chunks: { lists: [listKey(turned.sha256)] } })
    const error = await refusal(fetchBackup(test.repository, { manifest }, test.to))
    expect(error).toMatchObject({ code: 'invalid', details: { object: manifestKey(manifest.id) } })
    expect(error.message).toContain('together their SHA-256 is')
    await expectNothingLeft(test)
  })

  it('is refused before anything is written when it claims to be larger than the disk', async () => {
    const test = await fresh()
    const list = listKey('ab'.repeat(32))
    const bytes = 2 ** 44
    const size = 16 * 1024 * 1024
    const count = bytes / size
    const chunks = { size, count, lists: Array.from({ length: count / 1024 }, () => list) }
    const manifest = forged(test.manifest, { bytes, chunks })
    test.asked.gets.length = 0
    const error = await refusal(fetchBackup(test.repository, { manifest }, test.to))
    expect(error.code).toBe('io')
    expect(error.message).toContain(`it needs ${bytes} bytes`)
    expect(test.asked.gets).toEqual([])
    await expectNothingLeft(test)
  })

  it('is refused when a list leads somewhere else, and nothing is written there', async () => {
    const test = await fresh()
    const count = test.manifest.chunks.count
    const evil = makeList(Array.from({ length: count }, () => '../../../../evil'))
    await test.repository.store.putIfAbsent(listKey(evil.sha256), evil.text)
    const manifest = forged(test.manifest, { chunks: { lists: [listKey(evil.sha256)] } })
    const error = await refusal(fetchBackup(test.repository, { manifest }, test.to))
    expect(error.details).toMatchObject({ object: listKey(evil.sha256), problem: 'damaged' })
    await expectNothingLeft(test)
  })

  it('is refused when the same list stands there once too often', async () => {
    const test = await freshRepository()
    await writeFile(test.path('app.db'), randomBytes(1025 * 4096))
    const { manifest } = await backup(test, test.path('app.db'))
    const [list = ''] = manifest.chunks.lists
    const twice = forged(manifest, { chunks: { lists: [list, list] } })
    const error = await refusal(fetchBackup(test.repository, { manifest: twice }, test.path('back.db')))
    expect(error.message).toContain(`${list}: names 1024 chunks where 1 belong`)
    const longer = forged(manifest, { bytes: 2048 * 4096, chunks: { lists: [list, list] } })
    const whole = await refusal(fetchBackup(test.repository, { manifest: longer }, test.path('back.db')))
    expect(whole.message).toContain('together their SHA-256 is')
    await expectNothingLeft(test)
  })

  it('is not made whole by a chunk of the right name with other content', async () => {
    const test = await fresh()
    const key = test.contents.find(name => name.startsWith('chunks/')) ?? ''
    await writeFile(join(test.root, key), zstdCompressSync(randomBytes(4096)))
    expect((await refusal(fetchBackup(test.repository, test, test.to))).message).toContain(`${key}: holds other bytes`)
  })

  it('may be whole although an object that it does not name is damaged', async () => {
    const test = await fresh()
    await test.repository.store.putIfAbsent(chunkKey('0'.repeat(64)), Buffer.from('rubbish'))
    await fetchBackup(test.repository, test, test.to)
  })
})
