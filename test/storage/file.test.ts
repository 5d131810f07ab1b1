import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fileStore } from '../../src/storage/file.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { bytes, keys, list, read, text } from './contents.ts'
import { objectStoreContract } from './contract.ts'
import { freshFolder, scratch } from './machine.ts'

objectStoreContract('a folder', async () => {
  const folder = await mkdtemp(join(scratch, 'lockkeeper-storage-'))
  const root = join(folder, 'not yet', 'there')
  return {
    store: fileStore(root),
    another: async () => fileStore(root),
    dispose: () => rm(folder, { recursive: true }),
  }
})

describe('a folder as an object store', () => {
  it('is a file under the name of each key, for plain tools', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('backups/one.json', bytes('{}'))
    expect(await readFile(join(root, 'backups', 'one.json'), 'utf8')).toBe('{}')
    await writeFile(join(root, 'backups', 'two.json'), '[]')
    expect(await keys(store, 'backups/')).toEqual(['backups/one.json', 'backups/two.json'])
    expect(await text(store, 'backups/two.json')).toBe('[]')
  })

  it('is empty while the folder is not there, and reading does not make it', async () => {
    const { root, store } = await fresh()
    expect(await list(store, '')).toEqual([])
    expect(await store.get('a')).toBeUndefined()
    expect(await store.head('a')).toBeUndefined()
    await store.deleteMany(['a'])
    expect(await store.putIfUnchanged('a', bytes('a'), 'x')).toBe('changed')
    await expect(readdir(root)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.each([
    ['is a file', 'file'],
    ['is below a file', 'file/folder'],
  ])('is not empty where it %s: that is a mistake, also when one only reads', async (_, place) => {
    const folder = await freshFolder()
    await writeFile(join(folder, 'file'), 'not a repository')
    const store = fileStore(join(folder, place))
    const asking = [
      () => list(store, ''),
      () => list(store, 'chunks/'),
      () => store.get('a'),
      () => store.head('a'),
      () => store.deleteMany(['a']),
      () => store.putIfAbsent('a', bytes('a')),
    ]
    for (const ask of asking)
      await expect(ask()).rejects.toMatchObject({ code: 'config', message: expect.stringContaining('ENOTDIR') })
  })

  it('begins again when somebody removes the whole folder', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('deep/er/a', bytes('a'))
    await rm(root, { recursive: true })
    expect(await store.putIfAbsent('deep/er/a', bytes('b'))).toBe('stored')
    expect(await text(store, 'deep/er/a')).toBe('b')
  })

  it('is named by a URL that a browser would understand', () => {
    expect(fileStore('/back ups/ä#1').url).toBe('file:///back%20ups/%C3%A4%231')
  })

  it('cannot be a relative path', () => {
    expect(() => fileStore('backups')).toThrow(expect.objectContaining({ code: 'config', hint: expect.any(String) }))
  })

  it('removes the empty folders that a deletion leaves', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('a/b/c/1', bytes('1'))
    await store.putIfAbsent('a/2', bytes('2'))
    await store.deleteMany(['a/b/c/1'])
    expect(await readdir(join(root, 'a'))).toEqual(['2'])
    await store.deleteMany(['a/2'])
    expect((await readdir(root)).filter(name => !name.startsWith('.'))).toEqual([])
  })

  it('lists 5,000 objects in order, a little at a time', async () => {
    const { store } = await fresh()
    const batch = store.batch()
    const names = Array.from({ length: 5000 }, (_, i) => `chunks/${(i % 50).toString(16)}/${(i * 7919) % 5000}.zst`)
    await Promise.all(names.map(key => batch.put(key, bytes(key))))
    await batch.flush()
    const found = await list(store, 'chunks/')
    expect(found.map(({ key }) => key)).toEqual(names.toSorted())
    expect(found.every(({ key, size }) => size === key.length)).toBe(true)
    expect(await keys(store, 'chunks/1')).toEqual(names.filter(key => key.startsWith('chunks/1')).toSorted())
  })

  it('makes folders again that somebody else removed with the last object in them', async () => {
    const { root, store } = await fresh()
    const other = fileStore(root)
    await store.putIfAbsent('a/b/one', bytes('1'))
    await other.deleteMany(['a/b/one'])
    expect(await store.putIfAbsent('a/c/two', bytes('2'))).toBe('stored')
    await other.deleteMany(['a/c/two'])
    const batch = store.batch()
    await batch.put('a/d/three', bytes('3'))
    await batch.flush()
    expect(await keys(other, '')).toEqual(['a/d/three'])
  })

  it('goes on listing when files and folders vanish meanwhile', async () => {
    const { root, store } = await fresh()
    for (const key of ['a/1', 'b/1', 'b/2', 'c/1', 'd']) await store.putIfAbsent(key, bytes(key))
    const seen: string[] = []
    for await (const { key } of store.list('')) {
      seen.push(key)
      if (key === 'a/1') await rm(join(root, 'b'), { recursive: true })
    }
    expect(seen).toEqual(['a/1', 'c/1', 'd'])
  })

  it('passes over what cannot be an object: hidden names, other names, other kinds of files', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('a', bytes('a'))
    for (const name of ['.snapshot', 'lost+found', '@eaDir']) await mkdir(join(root, name))
    for (const name of ['.snapshot/a', '.hidden', 'with space', '@eaDir/a']) await writeFile(join(root, name), 'x')
    execFileSync('mkfifo', [join(root, 'pipe')])
    expect(await keys(store, '')).toEqual(['a'])
    expect(await store.get('pipe')).toBeUndefined()
    expect(await store.head('pipe')).toBeUndefined()
  })

  it('refuses to store where something other than a file is in the way', async () => {
    const { store } = await fresh()
    await store.putIfAbsent('a/b', bytes('b'))
    await expect(store.putIfAbsent('a', bytes('a'))).rejects.toMatchObject({ code: 'invalid' })
    await expect(store.putIfAbsent('a/b/c', bytes('c'))).rejects.toMatchObject({ code: 'config' })
    const batch = store.batch()
    await batch.put('a', bytes('a'))
    await expect(batch.flush()).rejects.toMatchObject({ code: 'invalid' })
    expect(await keys(store, '')).toEqual(['a/b'])
  })

  it('says so when a file ends before its end', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('a', new Uint8Array(1024 * 1024))
    const stream = await store.get('a')
    await truncate(join(root, 'a'), 1000)
    await expect(new Response(stream).arrayBuffer()).rejects.toMatchObject({
      code: 'storage',
      message: 'a ended after 1000 of 1048576 bytes',
    })
  })
})

describe('the etag of an object', () => {
  it('is new for each content, also where a disk uses an inode again at once', async () => {
    const store = opened(join(await freshFolder(tmpdir()), 'repository'))
    const etags = new Set<string>()
    for (let i = 0; i < 20; i++) {
      await store.putIfAbsent('deleted', bytes(`${i % 10}`))
      etags.add((await store.head('deleted'))!.etag)
      await store.deleteMany(['deleted'])
    }
    expect(etags.size).toBe(20)

    await store.putIfAbsent('replaced', bytes('x'))
    for (let i = 0; i < 40; i++) {
      const { etag } = (await store.head('replaced'))!
      etags.add(etag)
      expect(await store.putIfUnchanged('replaced', bytes(`${i % 10}`), etag)).toBe('stored')
    }
    expect(etags.size).toBe(60)
  })
})

describe('the time of an object, which tells contents apart where an inode is used again', () => {
  it('is later than that of the one before, also when the clock is not', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('a', bytes('old'))
    const ahead = new Date(Date.now() + 10_000)
    await utimes(join(root, 'a'), ahead, ahead)
    const before = (await store.head('a'))!
    await store.putIfUnchanged('a', bytes('new'), before.etag)
    expect((await store.head('a'))!.modified.getTime()).toBeGreaterThan(before.modified.getTime())
  })

  it('is past before the object is deleted', async () => {
    const { root, store } = await fresh()
    await store.putIfAbsent('a', bytes('old'))
    const ahead = new Date(Date.now() + 200)
    await utimes(join(root, 'a'), ahead, ahead)
    await store.deleteMany(['a'])
    expect(Date.now()).toBeGreaterThan(ahead.getTime())
  })
})

describe('symbolic links', () => {
  it('may lead to the folder itself', async () => {
    const { root } = await fresh()
    const folder = await freshFolder()
    await symlink(folder, root)
    const store = opened(root)
    await store.putIfAbsent('a/b', bytes('b'))
    expect(await readFile(join(folder, 'a', 'b'), 'utf8')).toBe('b')
  })

  it('inside it lead nowhere: neither out of it nor to a repository that looks empty', async () => {
    const { root, store } = await fresh()
    const outside = await freshFolder()
    await writeFile(join(outside, 'secret'), 'secret')
    await store.putIfAbsent('a', bytes('a'))
    await symlink(outside, join(root, 'folder'))
    await symlink(join(outside, 'secret'), join(root, 'file'))
    const refusal = { code: 'invalid', message: expect.stringContaining('is a symbolic link') }
    await expect(store.get('folder/secret')).rejects.toMatchObject(refusal)
    await expect(store.head('folder/secret')).rejects.toMatchObject(refusal)
    await expect(store.putIfAbsent('folder/new', bytes('x'))).rejects.toMatchObject(refusal)
    await expect(store.deleteMany(['folder/secret'])).rejects.toMatchObject(refusal)
    await expect(keys(store, 'folder/')).rejects.toMatchObject(refusal)
    await expect(keys(store, '')).rejects.toMatchObject(refusal)
    await expect(store.get('file')).rejects.toMatchObject(refusal)
    await expect(store.head('file')).rejects.toMatchObject(refusal)
    expect(await readdir(outside)).toEqual(['secret'])
  })
})

describe('temporary files', () => {
  const day = 24 * 60 * 60

  it('of killed processes are removed by a later writer, those of a running one are not', async () => {
    const { root, store } = await fresh()
    const batch = store.batch()
    await batch.put('running', bytes('running'))
    const [running] = await readdir(join(root, '.tmp'))
    await writeFile(join(root, '.tmp', 'killed'), 'half an obj')
    await writeFile(join(root, '.tmp', 'killed-lately'), 'half an obj')
    await utimes(join(root, '.tmp', 'killed'), new Date(), new Date(Date.now() - (day + 60) * 1000))
    await utimes(join(root, '.tmp', 'killed-lately'), new Date(), new Date(Date.now() - (day - 60) * 1000))

    await opened(root).putIfAbsent('a', bytes('a'))
    expect((await readdir(join(root, '.tmp'))).sort()).toEqual([running, 'killed-lately'].sort())
    await batch.flush()
    expect(await keys(store, '')).toEqual(['a', 'running'])
  })

  it('that vanish before they become objects are missed', async () => {
    const { root, store } = await fresh()
    const batch = store.batch()
    await batch.put('a', bytes('a'))
    await rename(join(root, '.tmp'), join(root, '.moved'))
    await mkdir(join(root, '.tmp'))
    await expect(batch.flush()).rejects.toMatchObject({ code: 'storage', message: expect.stringContaining('vanished') })
    expect(await keys(store, '')).toEqual([])
  })

  it('of a batch that was given up are removed when the store is closed', async () => {
    const { root, store } = await fresh()
    await store.batch().put('a', bytes('a'))
    expect(await readdir(join(root, '.tmp'))).toHaveLength(1)
    await store.close()
    expect(await readdir(join(root, '.tmp'))).toEqual([])
    expect(await keys(fileStore(root), '')).toEqual([])
  })
})

describe('a batch', () => {
  it('shows a group when it is full, before the flush', async () => {
    const { store } = await fresh()
    const batch = store.batch()
    for (let i = 0; i < 63; i++) await batch.put(`${i}`, bytes('x'))
    expect(await keys(store, '')).toEqual([])
    await batch.put('63', bytes('x'))
    expect(await keys(store, '')).toHaveLength(64)
    await batch.put('big', new Uint8Array(64 * 1024 * 1024))
    expect((await store.head('big'))?.size).toBe(64 * 1024 * 1024)
  })

  it('knows of a key whose group is on its way', async () => {
    const { store } = await fresh()
    const batch = store.batch()
    const puts = Array.from({ length: 64 }, (_, i) => batch.put(`${i}`, bytes('first')))
    await puts[0]
    expect(await batch.put('0', bytes('second'))).toBe('exists')
    await batch.flush()
    expect(await text(store, '0')).toBe('first')
  })

  it('keeps what another process stored in the meantime', async () => {
    const { root, store } = await fresh()
    const batch = store.batch()
    expect(await batch.put('a', bytes('mine'))).toBe('stored')
    expect(await opened(root).putIfAbsent('a', bytes('theirs'))).toBe('stored')
    await batch.flush()
    expect(await read(store, 'a')).toEqual(bytes('theirs'))
    expect(await readdir(join(root, '.tmp'))).toEqual([])
  })
})

async function fresh(): Promise<{ root: string; store: ObjectStore }> {
  const root = join(await freshFolder(), 'repository')
  return { root, store: opened(root) }
}

function opened(root: string): ObjectStore {
  const store = fileStore(root)
  onTestFinished(() => store.close())
  return store
}
