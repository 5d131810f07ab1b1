/**
 * The folder of a repository: where a key lies, making folders and temporary files, and what makes them durable.
 *
 * Who may read it: files are 0600 and folders 0700, whatever the umask, because a backup holds everything that the
 * database does. The exception is a folder that was made to be shared: where the root (or, while there is none, the
 * nearest folder above it) is writable by its group and passes the group on (setgid), as Kubernetes sets up a volume
 * with `fsGroup`, they are 0660 and 2770, so that jobs under other user ids can use the same repository.
 */

import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, type FileHandle, link, lstat, mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LockkeeperError, systemCode } from '../../errors.ts'
import { checkKey } from '../keys.ts'
import { forEachLimited } from '../limit.ts'

/** Milliseconds after which a temporary file belongs to a process that was killed: none is needed for that long. */
const leftoverAfter = 24 * 60 * 60 * 1000

/** Folders that are made durable at the same time; Node has four threads for this. */
const folderSyncs = 8

/** A file that is written but not yet an object. Its handle stays open so that no write error gets lost before `sync`. */
export interface Temporary {
  readonly path: string
  readonly handle: FileHandle
  readonly size: number
}

export class Folder {
  readonly root: string
  readonly #temporaries: string
  readonly #lock: string
  #prepared: Promise<void> | undefined
  #shared = false
  #cleaned = false
  /** Folders below the root that are real ones, so that they need not be looked at again. */
  readonly #known = new Set<string>()
  readonly #open = new Set<Temporary>()
  /** Folders above the root in which one was made, and that are not durable yet. */
  #above: string[] = []

  constructor(root: string) {
    this.root = root
    this.#temporaries = join(root, '.tmp')
    this.#lock = join(root, '.lock')
  }

  /** Rejects with `ENOTDIR` where a file is at the place of the folder, or of one above it: that is no empty store. */
  async refuseFile(): Promise<void> {
    if (this.#known.has(this.root)) return
    const found = await stat(this.root).catch(error => {
      if (systemCode(error) !== 'ENOENT') throw error
    })
    if (found === undefined) return
    // Whatever else it is: this says so.
    if (!found.isDirectory()) await readdir(this.root)
    this.#known.add(this.root)
  }

  /** The path of a key, checked; refuses one that leads through a symbolic link with `invalid`. */
  async path(key: string): Promise<string> {
    checkKey(key)
    await this.refuseFile()
    for (const folder of this.#foldersOf(key).slice(1)) {
      if (this.#known.has(folder)) continue
      const found = await lstat(folder).catch(absent)
      if (found === undefined) break
      if (found.isSymbolicLink()) throw symbolicLink(folder)
      if (found.isDirectory()) this.#known.add(folder)
    }
    return join(this.root, key)
  }

  /** Makes the folder of a key, and those above it. */
  async makeFolderOf(key: string): Promise<void> {
    for (const folder of this.#foldersOf(key).slice(1)) {
      if (this.#known.has(folder)) continue
      await this.#make(folder)
      this.#known.add(folder)
    }
  }

  /** Says that the folder of a key may be gone. */
  forgetFolderOf(key: string): void {
    for (const folder of this.#foldersOf(key)) this.#known.delete(folder)
  }

  /** Writes a temporary file; nothing remains of it when that fails. */
  async write(body: Uint8Array): Promise<Temporary> {
    await this.#prepare()
    const path = join(this.#temporaries, randomUUID())
    const mode = this.#shared ? 0o660 : 0o600
    const handle = await open(path, 'wx', mode).catch(async error => {
      if (systemCode(error) !== 'ENOENT') throw error
      // Somebody removed the whole folder since the last write.
      this.#prepared = undefined
      this.#known.clear()
      await this.#prepare()
      return open(path, 'wx', mode)
    })
    const temporary = { path, handle, size: body.byteLength }
    this.#open.add(temporary)
    try {
      if (this.#shared) await handle.chmod(mode)
      await handle.writeFile(body)
      if (!this.#cleaned) {
        this.#cleaned = true
        await this.#removeLeftovers((await handle.stat()).mtimeMs)
      }
    } catch (error) {
      await this.discard(temporary)
      throw error
    }
    return temporary
  }

  /** Makes the content of a temporary file durable. */
  async seal({ handle }: Temporary): Promise<void> {
    await handle.sync()
    await handle.close()
  }

  /** Removes the temporary name. Whatever fails here only leaves a file that a later writer removes. */
  async discard(temporary: Temporary): Promise<void> {
    this.#open.delete(temporary)
    await temporary.handle.close().catch(() => {})
    await unlink(temporary.path).catch(() => {})
  }

  /** Discards what was written and never became an object, because a batch was given up. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map(temporary => this.discard(temporary)))
  }

  /** Makes the names in the folders of these keys durable, and the folders themselves, up to the root. */
  async syncFoldersOf(keys: Iterable<string>): Promise<void> {
    const folders = new Set<string>(this.#above)
    for (const key of keys) for (const folder of this.#foldersOf(key)) folders.add(folder)
    await forEachLimited(folders, folderSyncs, syncFolder)
    this.#above = []
  }

  /** The path of the file to lock for changes that need it, made when it is not there. */
  async lockFile(): Promise<string> {
    if ((await lstat(this.#lock).catch(absent)) !== undefined) return this.#lock
    // Made elsewhere with its mode and linked here: closing it under its own name would let go of this process's lock on it.
    const empty = await this.write(new Uint8Array())
    try {
      await empty.handle.close()
      await link(empty.path, this.#lock)
    } catch {
      // Somebody else made it, or there are no hard links here: then SQLite makes it.
    } finally {
      await this.discard(empty)
    }
    return this.#lock
  }

  /** The root first, then each folder down to the one that the key lies in. */
  #foldersOf(key: string): string[] {
    const folders = [this.root]
    for (const part of key.split('/').slice(0, -1)) folders.push(join(folders.at(-1) as string, part))
    return folders
  }

  #prepare(): Promise<void> {
    this.#prepared ??= this.#makeRoot().catch(error => {
      this.#prepared = undefined
      throw error
    })
    return this.#prepared
  }

  async #makeRoot(): Promise<void> {
    const missing: string[] = []
    let there = this.root
    let found = await stat(there).catch(absent)
    while (found === undefined) {
      missing.unshift(there)
      there = dirname(there)
      found = await stat(there).catch(absent)
    }
    this.#shared = (found.mode & 0o2020) === 0o2020
    for (const folder of missing) await this.#make(folder)
    this.#above.push(...missing.map(folder => dirname(folder)))
    await this.#make(this.#temporaries)
  }

  async #make(folder: string): Promise<void> {
    const mode = this.#shared ? 0o2770 : 0o700
    try {
      await mkdir(folder, { mode })
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
      if ((await lstat(folder)).isSymbolicLink()) throw symbolicLink(folder)
    }
    if (!this.#shared) return
    // Also when it was there: who made it may have been killed before this line. Others' folders are theirs.
    const { mode: has, uid } = await stat(folder)
    if ((has & mode) !== mode && uid === process.getuid?.()) await chmod(folder, has | mode)
  }

  /** `now` is the modification time of a file just written, so that the clock is the one that stamped the others. */
  async #removeLeftovers(now: number): Promise<void> {
    for (const name of await readdir(this.#temporaries).catch(() => [])) {
      const path = join(this.#temporaries, name)
      const found = await lstat(path).catch(() => undefined)
      if (found?.isFile() && now - found.mtimeMs > leftoverAfter) await unlink(path).catch(() => {})
    }
  }
}

/** For `catch`: undefined instead of an error that says that there is nothing. */
export function absent(error: unknown): undefined {
  const code = systemCode(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
}

export function symbolicLink(path: string): LockkeeperError {
  return new LockkeeperError('invalid', `${path} is a symbolic link`, {
    hint: 'Inside a repository symbolic links are not followed, and not passed over either, as what they hide could be taken for lost: put what it points to in its place, mount that volume there, or remove the link. The folder of the repository itself may be one.',
    details: { path },
  })
}

async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle
  try {
    handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    // Removed together with the last object in it: there is no name left to keep.
    return absent(error)
  }
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems make names durable at once and know no fsync of a folder.
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error
  } finally {
    await handle.close()
  }
}
