/** A new file that only its owner may read, as a database holds what nobody else is to see. */

import { type FileHandle, open, rm, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainSystemError, LockkeeperError, systemCode } from '../errors.ts'

export interface PrivateFile {
  write(bytes: Uint8Array, offset: number): Promise<void>
}

/**
 * Makes the file, 0600, lets `fill` write it and makes it durable, with its name. When anything fails the file is
 * removed again. Rejects with `usage` when there is something under that path already, and with `io` before anything is
 * written when its volume has not enough room for `bytes`.
 */
export async function writePrivateFile(
  path: string,
  bytes: number,
  fill: (file: PrivateFile) => Promise<void>,
): Promise<void> {
  const doing = `cannot write ${path}`
  await explained(doing, () => checkRoom(path, bytes))
  const handle = await explained(doing, () => openNew(path))
  try {
    await fill({ write: (part, offset) => explained(doing, () => writeAll(handle, part, offset)) })
    await explained(doing, async () => {
      await handle.sync()
      await handle.close()
      await syncFolder(dirname(path))
    })
  } catch (error) {
    await handle.close().catch(() => {})
    await rm(path, { force: true }).catch(() => {})
    throw error
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    // O_EXCL: neither an existing file nor a symbolic link is written through.
    return await open(path, 'wx', 0o600)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    throw new LockkeeperError('usage', `${path} is there already, and is not written over`, {
      hint: 'Name a path where there is nothing yet, or move away what is there.',
      cause: error,
      details: { path },
    })
  }
}

/** Rejects with `io` unless the volume of this path has so many bytes left. */
export async function checkRoom(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path))
  const free = bavail * bsize
  if (bytes <= free) return
  throw new LockkeeperError('io', `cannot write ${path}: it needs ${bytes} bytes, and ${free} are free there`, {
    hint: 'Make room on that volume, or name a folder on another one.',
    details: { path, bytes, free },
  })
}

/** Writes all of it, in as many goes as it takes. */
export async function writeAll(handle: FileHandle, part: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < part.byteLength; ) {
    written += (await handle.write(part, written, part.byteLength - written, offset + written)).bytesWritten
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems make names durable at once and know no fsync of a folder.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error
  } finally {
    await handle.close()
  }
}

async function explained<T>(doing: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw explainSystemError(error, doing)
  }
}
