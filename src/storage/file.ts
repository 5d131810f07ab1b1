/** An object store in a folder: each object is a file under its key. `file/publish.ts` says how writes are atomic. */

import { constants } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LockkeeperError, systemCode } from '../errors.ts'
import { FileBatch } from './file/batch.ts'
import { explainFileError, freeBytes } from './file/errors.ts'
import { absent, Folder, symbolicLink } from './file/folder.ts'
import { infoOf, walk } from './file/list.ts'
import { publish, remove, replace } from './file/publish.ts'
import { checkPrefix } from './keys.ts'
import type { Batch, ObjectInfo, ObjectStore } from './object-store.ts'

/** Bytes read at once. */
const readSize = 256 * 1024

/** Objects deleted under one hold of the lock. */
const deletedAtOnce = 500

/**
 * The store in the folder `root`, an absolute path. The folder is made with the first write; while it is not there the
 * store is empty. It may be a symbolic link; inside it none are followed. Throws `config` for a relative path.
 */
export function fileStore(root: string): ObjectStore {
  if (!isAbsolute(root)) {
    throw new LockkeeperError('config', `the folder of a repository has to be an absolute path, not ${root}`, {
      hint: 'Write it as file:///path/to/folder.',
    })
  }
  return new FileStore(root)
}

class FileStore implements ObjectStore {
  readonly url: string
  readonly #root: string
  readonly #folder: Folder

  constructor(root: string) {
    this.url = pathToFileURL(root).href
    this.#root = root
    this.#folder = new Folder(root)
  }

  putIfAbsent(key: string, body: Uint8Array): Promise<'stored' | 'exists'> {
    return this.#explained(
      `cannot store ${key}`,
      async () => {
        const path = await this.#folder.path(key)
        const there = (await lstat(path).catch(absent))?.isFile()
        const answer = there ? 'exists' : await publish(this.#folder, await this.#sealed(body), key)
        // Also when it exists: who stored it may have been killed before its name was durable.
        await this.#folder.syncFoldersOf([key])
        return answer
      },
      body.byteLength,
    )
  }

  putIfUnchanged(key: string, body: Uint8Array, etag: string): Promise<'stored' | 'changed'> {
    return this.#explained(
      `cannot replace ${key}`,
      async () => {
        await this.#folder.path(key)
        const there = await infoOf(this.#root, key)
        return there?.etag === etag ? replace(this.#folder, await this.#sealed(body), key, etag) : 'changed'
      },
      body.byteLength,
    )
  }

  batch(): Batch {
    return new FileBatch(this.#folder)
  }

  get(key: string): Promise<ReadableStream<Uint8Array> | undefined> {
    return this.#explained(`cannot read ${key}`, async () => {
      const path = await this.#folder.path(key)
      // Not blocking, as opening a named pipe would wait for somebody to write into it.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
      const handle = await open(path, flags).catch(error => {
        if (systemCode(error) === 'ELOOP') throw symbolicLink(path)
        return absent(error)
      })
      if (handle === undefined) return undefined
      const found = await handle.stat()
      if (found.isFile()) return this.#stream(key, handle, found.size)
      await handle.close()
      return undefined
    })
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix)
    try {
      await this.#folder.refuseFile()
      yield* walk(this.#root, prefix)
    } catch (error) {
      throw await explainFileError(error, `cannot list ${this.url}`, this.#root)
    }
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#explained(`cannot look at ${key}`, async () => {
      await this.#folder.path(key)
      return infoOf(this.#root, key)
    })
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    return this.#explained('cannot delete', async () => {
      for (const key of keys) await this.#folder.path(key)
      if ((await lstat(this.#root).catch(absent)) === undefined) return
      for (let from = 0; from < keys.length; from += deletedAtOnce) {
        await remove(this.#folder, keys.slice(from, from + deletedAtOnce))
      }
    })
  }

  freeBytes(): Promise<number | undefined> {
    return freeBytes(this.#root)
  }

  close(): Promise<void> {
    return this.#folder.close()
  }

  async #sealed(body: Uint8Array) {
    const temporary = await this.#folder.write(body)
    try {
      await this.#folder.seal(temporary)
    } catch (error) {
      await this.#folder.discard(temporary)
      throw error
    }
    return temporary
  }

  #stream(key: string, handle: FileHandle, size: number): ReadableStream<Uint8Array> {
    const root = this.#root
    let left = size
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            if (left > 0) {
              const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(readSize, left)))
              if (bytesRead === 0) throw shorter(key, size - left, size)
              left -= bytesRead
              controller.enqueue(buffer.subarray(0, bytesRead))
            }
            if (left > 0) return
            await handle.close()
            controller.close()
          } catch (error) {
            await handle.close().catch(() => {})
            controller.error(await explainFileError(error, `cannot read ${key}`, root))
          }
        },
        cancel: () => handle.close(),
      },
      // Nothing is read before it is asked for.
      { highWaterMark: 0 },
    )
  }

  async #explained<T>(doing: string, action: () => Promise<T>, bytes?: number): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw await explainFileError(error, `${doing} in ${this.url}`, this.#root, bytes)
    }
  }
}

function shorter(key: string, read: number, size: number): LockkeeperError {
  return new LockkeeperError('storage', `${key} ended after ${read} of ${size} bytes`, {
    hint: 'Something else shortened the file while it was read: `lockkeeper verify --all` shows what else is damaged.',
  })
}
