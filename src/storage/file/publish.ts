/**
 * How a sealed temporary file becomes an object, so that readers see all of it or nothing and of several writers one wins.
 *
 * First write: `link(2)`, which fails where the name is taken; the kernel decides between processes and hosts.
 * Where the file system has no hard links (SMB, exFAT, some FUSE), `rename(2)` under the kernel's lock after a look:
 * safe among Lockkeepers, as all of them take that way on such a volume. Making the final name with O_EXCL and writing
 * into it would be safe against others, too, but shows half an object to readers and leaves it behind after a kill.
 *
 * Replacement: under the lock, a look at the etag, then `rename(2)`. Killed
 *   before the rename: the old object is in place; the temporary file goes with a later writer; the kernel frees the lock.
 *   after it: the new object is in place, whole; nobody was told, so the caller looks again.
 * A power cut after the rename but before the folder is durable shows either, whole.
 */

import { link, lstat, rename, rmdir, unlink, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LockkeeperError, systemCode } from '../../errors.ts'
import type { ObjectInfo } from '../object-store.ts'
import { absent, type Folder, type Temporary } from './folder.ts'
import { etagOf, infoOf } from './list.ts'
import { withLock } from './lock.ts'

/** Milliseconds to wait for the lock; who holds it does so for a few fsyncs. */
const lockTimeout = 60_000

/** A folder may be removed with its last object just before something is linked into it; not this many times running. */
const attempts = 10

const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

/** Longest time that a clock that only now stamps the files may lag behind, in milliseconds. */
const clockTick = 20
const longestWaitForClock = 2_000

/** Gives a sealed temporary file its name unless that is taken. The temporary name is gone afterwards in any case. */
export async function publish(folder: Folder, temporary: Temporary, key: string): Promise<'stored' | 'exists'> {
  try {
    for (let attempt = 1; ; attempt++) {
      const path = await folder.path(key)
      if (!(await madeFolder(folder, key, attempt === attempts))) continue
      try {
        await link(temporary.path, path)
        return 'stored'
      } catch (error) {
        const code = systemCode(error) ?? ''
        if (code === 'EEXIST') return await whoseIsIt(temporary.path, path)
        if (noLinks.has(code)) return await renameIfAbsent(folder, temporary.path, path)
        if (code !== 'ENOENT' || attempt === attempts) throw error
        if ((await lstat(temporary.path).catch(absent)) === undefined) throw vanished(temporary.path, error)
        folder.forgetFolderOf(key)
      }
    }
  } finally {
    await folder.discard(temporary)
  }
}

/** False: the folder above it has just been removed. */
async function madeFolder(folder: Folder, key: string, last: boolean): Promise<boolean> {
  try {
    await folder.makeFolderOf(key)
    return true
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || last) throw error
    folder.forgetFolderOf(key)
    return false
  }
}

/** Puts a sealed temporary file in the place of the object that has this etag. The temporary name is gone afterwards. */
export async function replace(
  folder: Folder,
  temporary: Temporary,
  key: string,
  etag: string,
): Promise<'stored' | 'changed'> {
  try {
    const path = await folder.path(key)
    return await withLock(await folder.lockFile(), lockTimeout, async () => {
      const old = await lstat(path, { bigint: true }).catch(absent)
      if (old === undefined || !old.isFile() || etagOf(old) !== etag) return 'changed'
      await stampAfter(temporary.path, Number(old.mtimeMs))
      await rename(temporary.path, path)
      await folder.syncFoldersOf([key])
      return 'stored'
    })
  } finally {
    await folder.discard(temporary)
  }
}

/** Removes objects under the lock, so that none is replaced at the same time, and folders that become empty. Durable. */
export async function remove(folder: Folder, keys: readonly string[]): Promise<void> {
  await withLock(await folder.lockFile(), lockTimeout, async () => {
    const found: ObjectInfo[] = []
    for (const key of keys) {
      const info = await infoOf(folder.root, key)
      if (info !== undefined) found.push(info)
    }
    await untilLaterThan(Math.max(...found.map(({ modified }) => modified.getTime())))
    for (const { key } of found) {
      const path = await folder.path(key)
      await unlink(path).catch(absent)
      await removeEmptyFolders(folder, key, dirname(path))
    }
    await folder.syncFoldersOf(keys)
  })
}

/** After EEXIST: an answer that a network lost, to a link that succeeded, leads here as well. */
async function whoseIsIt(temporary: string, path: string): Promise<'stored' | 'exists'> {
  const [mine, there] = await Promise.all([lstat(temporary), lstat(path).catch(absent)])
  // Vanished since: it was there when it mattered.
  if (there === undefined) return 'exists'
  if (!there.isFile()) throw inTheWay(path)
  return mine.ino === there.ino && mine.dev === there.dev ? 'stored' : 'exists'
}

async function renameIfAbsent(folder: Folder, temporary: string, path: string): Promise<'stored' | 'exists'> {
  return await withLock(await folder.lockFile(), lockTimeout, async () => {
    const there = await lstat(path).catch(absent)
    if (there === undefined) {
      await rename(temporary, path)
      return 'stored'
    }
    if (!there.isFile()) throw inTheWay(path)
    return 'exists'
  })
}

/**
 * Sets the modification time of a file to later than that of the one that it replaces. The etag is made of inode, time
 * and size, and the inode of an object replaced twice may be used again within one tick of the file system's clock.
 */
async function stampAfter(path: string, before: number): Promise<void> {
  // Two, because a time is passed on as seconds in a double and may come out a little less. The second step is for file
  // systems that keep whole or even seconds only.
  for (const step of [2, 2_000]) {
    const { mtime, mtimeMs } = await lstat(path)
    if (Math.floor(mtimeMs) > Math.floor(before)) return
    await utimes(path, mtime, new Date(Math.floor(before) + step))
  }
}

/** The same for objects that are deleted and made again: they are deleted only when the clock has moved on since they were made. */
async function untilLaterThan(modified: number): Promise<void> {
  const wait = modified + clockTick - Date.now()
  if (wait > 0) await sleep(Math.min(wait, longestWaitForClock))
}

async function removeEmptyFolders(folder: Folder, key: string, lowest: string): Promise<void> {
  for (let path = lowest; path !== folder.root; path = dirname(path)) {
    try {
      await rmdir(path)
      folder.forgetFolderOf(key)
    } catch {
      // Not empty, or not ours to remove: an empty folder harms nobody.
      return
    }
  }
}

function vanished(path: string, cause: unknown): LockkeeperError {
  return new LockkeeperError('storage', `the temporary file ${path} vanished before it could be stored`, {
    hint: 'Something else cleans the folder of the repository, or this process was suspended for more than a day: run the same command again.',
    cause,
  })
}

function inTheWay(path: string): LockkeeperError {
  return new LockkeeperError('invalid', `${path} is not a file, but a file is to be stored there`, {
    hint: 'Something other than Lockkeeper made it: look at what it is, and move it out of the folder of the repository.',
    details: { path },
  })
}
