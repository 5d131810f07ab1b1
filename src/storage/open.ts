/** From the URL of a repository to its object store. */

import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { LockkeeperError } from '../errors.ts'
import type { ObjectStore } from './object-store.ts'
import type { S3Options } from './s3/options.ts'

export interface StoreOptions {
  /** For `s3://`; without it the AWS SDK's own settings and Lockkeeper's defaults. */
  readonly s3?: S3Options
}

const example = 'Write s3://bucket/prefix, or file:///absolute/path for a folder.'

/**
 * Opens the store at `file:///absolute/path` (percent-encoded where needed) or `s3://bucket/prefix`. What only one kind
 * of store needs is imported only for it. Nothing is read or written yet. Rejects with `config` for anything else.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<ObjectStore> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  switch (scheme) {
    case 'file': {
      const { fileStore } = await import('./file.ts')
      return fileStore(folderOf(url))
    }
    case 's3': {
      const { s3Store } = await import('./s3.ts')
      return s3Store(url, options.s3)
    }
    case undefined:
      throw new LockkeeperError('config', `the repository is not a URL${isAbsolute(url) ? `: ${url}` : ''}`, {
        hint: isAbsolute(url) ? `For this folder write ${pathToFileURL(url).href}.` : example,
      })
    default:
      // Not the URL itself: some schemes carry a password.
      throw new LockkeeperError('config', `a repository cannot be at ${scheme}:`, { hint: example })
  }
}

function folderOf(url: string): string {
  const refused = (why: string) => new LockkeeperError('config', why, { hint: example })
  const path = /^file:\/\/([^/]*)(\/[^?#]*)$/i.exec(url)
  if (path === null) throw refused('a file: URL needs three slashes and an absolute path, without ? and #')
  if (path[1] !== '')
    throw refused('a file: URL names a folder of this machine: what is after the two slashes was read as a host')
  // The URL parser resolves these, also encoded ones: what was written is what is meant, or it is refused.
  if (/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path[2] as string)) throw refused(`a file: URL may not contain . or ..: ${url}`)
  try {
    const folder = resolve(fileURLToPath(url))
    if (!folder.includes('\0')) return folder
  } catch {
    // An encoded slash, or a percent sign that begins nothing.
  }
  throw refused(`this is not the URL of a folder: ${url}`)
}
