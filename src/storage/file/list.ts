/** Walks the folder of a repository in the order of the keys, holding the names of one branch of folders at a time. */

import type { BigIntStats, Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareKeys, isPart } from '../keys.ts'
import type { ObjectInfo } from '../object-store.ts'
import { absent, symbolicLink } from './folder.ts'

/** Files looked at at once. */
const lookahead = 32

/** Every object whose key begins with the prefix. What vanishes meanwhile is left out. */
export async function* walk(root: string, prefix: string): AsyncIterable<ObjectInfo> {
  const slash = prefix.lastIndexOf('/')
  // Folders that the prefix names in full are entered directly; a symbolic link among them is refused as in a listing.
  let folder = ''
  for (const part of slash < 0 ? [] : prefix.slice(0, slash).split('/')) {
    folder += `${part}/`
    const found = await lstat(join(root, folder.slice(0, -1))).catch(absent)
    if (found === undefined) return
    if (found.isSymbolicLink()) throw symbolicLink(join(root, folder.slice(0, -1)))
  }
  yield* walkFolder(root, folder, prefix)
}

async function* walkFolder(root: string, folder: string, prefix: string): AsyncIterable<ObjectInfo> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(absent)
  if (entries === undefined) return
  const wanted = entries
    .filter(({ name }) => isPart(name) && !isMountLeftover(folder, name))
    .map(entry => ({ entry, key: folder + (entry.isDirectory() ? `${entry.name}/` : entry.name) }))
    .filter(({ key }) => key.startsWith(prefix))
    // With its slash a folder sorts where the keys in it do: `a.b` before `a/b` before `a0`.
    .sort((a, b) => compareKeys(a.key, b.key))
  const infos = readAhead(wanted, ({ entry, key }) => look(root, key, entry))
  for await (const { item, value } of infos) {
    if (item.entry.isDirectory()) yield* walkFolder(root, item.key, prefix)
    else if (value !== undefined) yield value
  }
}

async function look(root: string, key: string, entry: Dirent): Promise<ObjectInfo | undefined> {
  if (entry.isSymbolicLink()) throw symbolicLink(join(root, key))
  return entry.isFile() ? infoOf(root, key) : undefined
}

/** What is known of the object under a key, or undefined when there is none. */
export async function infoOf(root: string, key: string): Promise<ObjectInfo | undefined> {
  const found = await lstat(join(root, key), { bigint: true }).catch(absent)
  if (found?.isSymbolicLink()) throw symbolicLink(join(root, key))
  if (!found?.isFile()) return undefined
  return { key, size: Number(found.size), etag: etagOf(found), modified: new Date(Number(found.mtimeMs)) }
}

/**
 * Every object is written to a file of its own, so two contents under one key differ in inode, or, where the inode was
 * used again, in modification time: `putIfUnchanged` and `deleteMany` see to it that the time has moved on by then.
 */
export function etagOf({ ino, mtimeNs, size }: BigIntStats): string {
  return [ino, mtimeNs, size].map(number => number.toString(16)).join('-')
}

/** ext4 has this folder at the root of every volume, and only root may read it. */
function isMountLeftover(folder: string, name: string): boolean {
  return folder === '' && name === 'lost+found'
}

/** Applies `action` to the items in order, some of them ahead of the consumer. */
async function* readAhead<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
): AsyncIterable<{ item: T; value: R }> {
  const started: Promise<R>[] = []
  let next = 0
  for (const item of items) {
    for (; next < items.length && started.length < lookahead; next++) {
      const result = action(items[next] as T)
      // A failure is met when its turn comes, or never, when the consumer stops before.
      result.catch(() => {})
      started.push(result)
    }
    yield { item, value: await (started.shift() as Promise<R>) }
  }
}
