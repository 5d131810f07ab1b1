/** What the disk under a folder can do to it: be full, be read-only, belong to somebody else, lose its power. */

import { execFileSync } from 'node:child_process'
import { chmod, chown, copyFile, mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fileStore } from '../../src/storage/file.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { bytes, keys, list, text } from './contents.ts'
import { freshFolder, mounted, needsRoot, storeProcess } from './machine.ts'

const nobody = 65534

describe('a full disk', () => {
  const size = 4 * 1024 * 1024

  it('is an I/O error that says how much was needed and how much is free, and leaves nothing behind', async context => {
    needsRoot(context)
    const root = await mounted('-t', 'tmpfs', '-o', `size=${size}`, 'none')
    const store = opened(root)
    await store.putIfAbsent('fits', new Uint8Array(1024 * 1024))
    const error = await store.putIfAbsent('too/big', new Uint8Array(size)).catch(error => error)
    expect(error).toMatchObject({ code: 'io', exitCode: 74, details: { bytes: size, system: 'ENOSPC' } })
    expect(error.message).toMatch(/cannot store too\/big .* \(4194304 bytes to write, \d+ bytes free\)/)
    expect(error.hint).toContain('Make room')
    expect(await keys(store, '')).toEqual(['fits'])
    expect(await readdir(join(root, '.tmp'))).toEqual([])
    expect(await store.putIfAbsent('fits/too'.replace('/', '-'), new Uint8Array(1024 * 1024))).toBe('stored')
  })

  it('stops a batch, which keeps what it took before', async context => {
    needsRoot(context)
    const root = await mounted('-t', 'tmpfs', '-o', `size=${size}`, 'none')
    const store = opened(root)
    const batch = store.batch()
    const puts = async () => {
      for (let i = 0; i < 400; i++) await batch.put(`chunks/${i}`, new Uint8Array(16 * 1024).fill(i))
      await batch.flush()
    }
    await expect(puts()).rejects.toMatchObject({ code: 'io', details: { bytes: 16 * 1024 } })
    await batch.flush()
    const infos = await list(store, '')
    expect(infos.length).toBeGreaterThan(200)
    expect(infos.every(({ size }) => size === 16 * 1024)).toBe(true)
    await store.close()
    expect(await readdir(join(root, '.tmp'))).toEqual([])
  })
})

describe('a power cut', () => {
  it('takes nothing that was flushed, and never the content of a name that it leaves', async context => {
    needsRoot(context)
    const folder = await freshFolder()
    const disk = join(folder, 'disk')
    await writeFile(disk, '')
    await truncate(disk, 64 * 1024 * 1024)
    execFileSync('mkfs.ext4', ['-q', disk])
    // The journal is only written when somebody asks for it, so what nobody asked for is not on this disk.
    const mnt = await mounted('-o', 'loop,commit=3600', disk)
    const root = join(mnt, 'repository')
    const store = opened(root)
    await store.putIfAbsent('alone/a', bytes('content of alone/a'))
    expect(await afterPowerCut(folder, disk)).toEqual({ 'alone/a': 'content of alone/a' })

    const { etag } = (await store.head('alone/a'))!
    await store.putIfUnchanged('alone/a', bytes('replaced'), etag)
    expect(await afterPowerCut(folder, disk)).toEqual({ 'alone/a': 'replaced' })

    const batch = store.batch()
    const bodies = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`batch/${i % 3}/${i}`, `content ${i}`]))
    for (const [key, body] of Object.entries(bodies)) await batch.put(key, bytes(body))
    // Somebody else's barrier commits the names of the first group; their content has to be there by then.
    execFileSync('sync', [join(mnt, 'lost+found')])
    const between = await afterPowerCut(folder, disk)
    expect(Object.keys(between).length).toBeGreaterThan(1)
    expect({ ...bodies, ...between }).toEqual({ ...bodies, 'alone/a': 'replaced' })

    await batch.flush()
    expect(await afterPowerCut(folder, disk)).toEqual({ ...bodies, 'alone/a': 'replaced' })

    await store.deleteMany(Object.keys(bodies))
    expect(await afterPowerCut(folder, disk)).toEqual({ 'alone/a': 'replaced' })
  })
})

describe('a folder that may not be written', () => {
  it('is denied, with a hint, and can still be read', async context => {
    needsRoot(context)
    const root = await repositoryFor(nobody)
    await chmod(root, 0o500)
    const reader = storeProcess('store', root, 'new/a', { uid: nobody })
    expect(await reader.next()).toMatchObject({
      code: 'denied',
      message: expect.stringMatching(/cannot store new\/a in file:.*EACCES/),
      hint: expect.stringContaining('fsGroup'),
    })
    const again = storeProcess('store', root, 'old/a', { uid: nobody })
    expect(await again.next()).toBe('exists')
    expect(await again.next()).toEqual(['old/a'])
  })

  it('is denied where the volume is mounted read-only, and says that', async context => {
    needsRoot(context)
    const root = await mounted('-t', 'tmpfs', 'none')
    const store = opened(root)
    await store.putIfAbsent('a', bytes('a'))
    const { etag } = (await store.head('a'))!
    execFileSync('mount', ['-o', 'remount,ro', root])
    const denied = { code: 'denied', hint: expect.stringContaining('read-only') }
    await expect(store.putIfAbsent('b', bytes('b'))).rejects.toMatchObject(denied)
    await expect(store.putIfUnchanged('a', bytes('b'), etag)).rejects.toMatchObject(denied)
    await expect(store.batch().put('b', bytes('b'))).rejects.toMatchObject(denied)
    await expect(store.deleteMany(['a'])).rejects.toMatchObject({ code: 'denied' })
    expect(await store.putIfAbsent('a', bytes('b'))).toBe('exists')
    expect(await text(store, 'a')).toBe('a')
  })

  it('is denied where a part of it may not be read', async context => {
    needsRoot(context)
    const root = await repositoryFor(nobody)
    await chown(join(root, 'old'), 0, 0)
    const reader = storeProcess('store', root, 'new/a', { uid: nobody })
    expect(await reader.next()).toBe('stored')
    expect(await reader.next()).toMatchObject({ code: 'denied', message: expect.stringContaining('cannot list') })
  })
})

describe('who may read a repository', () => {
  it('is its owner alone, whatever the umask', async () => {
    const root = join(await freshFolder(), 'a', 'b')
    const writer = storeProcess('store', root, 'x/y', { umask: '000' })
    expect(await writer.next()).toBe('stored')
    for (const folder of ['..', '.', 'x', '.tmp']) expect(await mode(join(root, folder))).toBe(0o700)
    for (const file of ['x/y']) expect(await mode(join(root, file))).toBe(0o600)
  })

  it('is the group as well where the volume was made for one, whatever the umask', async context => {
    needsRoot(context)
    const volume = join(await freshFolder(), 'volume')
    await mkdir(volume)
    await chown(volume, 0, nobody)
    await chmod(volume, 0o2775)
    await chmod(join(volume, '..'), 0o755)
    const root = join(volume, 'repository')
    const store = opened(root)
    await store.putIfAbsent('x/y', bytes('content of x/y'))
    await store.deleteMany(['none'])
    for (const folder of ['.', 'x', '.tmp']) expect(await mode(join(root, folder))).toBe(0o2770)
    for (const file of ['x/y', '.lock']) {
      expect(await mode(join(root, file))).toBe(0o660)
      expect((await stat(join(root, file))).gid).toBe(nobody)
    }
    // Another user of the same group can do everything that the first one can.
    const other = storeProcess('each-write-once', root, '', { uid: nobody, umask: '077' })
    expect(await other.next()).toBe('done')
    expect(await keys(store, '')).toEqual(['batch/a', 'batch/b', 'first/a', 'x/y'])
    await store.deleteMany(['batch/a', 'first/a'])
    expect(await keys(store, '')).toEqual(['batch/b', 'x/y'])
  })
})

/** What a machine finds that starts again with what is on the disk now. */
async function afterPowerCut(folder: string, disk: string): Promise<Record<string, string | undefined>> {
  const image = join(folder, 'after')
  await copyFile(disk, image)
  const point = join(await freshFolder(), 'mnt')
  await mkdir(point)
  execFileSync('mount', ['-o', 'loop', image, point])
  try {
    const store = fileStore(join(point, 'repository'))
    const found: Record<string, string | undefined> = {}
    for (const key of await keys(store, '')) found[key] = await text(store, key)
    return found
  } finally {
    execFileSync('umount', [point])
  }
}

/** A repository with one object that belongs to an unprivileged user. */
async function repositoryFor(uid: number): Promise<string> {
  const folder = await freshFolder()
  await chown(folder, uid, uid)
  const root = join(folder, 'repository')
  const writer = storeProcess('store', root, 'old/a', { uid })
  expect(await writer.next()).toBe('stored')
  await writer.exit
  return root
}

async function mode(path: string): Promise<number> {
  return (await stat(path)).mode & 0o7777
}

function opened(root: string): ObjectStore {
  const store = fileStore(root)
  onTestFinished(() => store.close())
  return store
}
