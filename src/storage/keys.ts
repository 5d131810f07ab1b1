/**
 * What may be a key. Keys come from manifests, and a manifest may come from anybody who can write to the repository,
 * so every implementation checks every key before it uses it: none may lead out of the folder or hide from `list`.
 */

import { LockkeeperError } from '../errors.ts'

const part = /^[A-Za-z0-9_+-][A-Za-z0-9._+-]*$/
const partBeginning = /^(?:[A-Za-z0-9_+-][A-Za-z0-9._+-]*)?$/

/** Bytes in one part: what Linux file systems allow in a name. */
const longestPart = 255
/** Bytes in a key: half of what S3 allows, so that a prefix fits before it. */
const longestKey = 512

/**
 * Refuses a string that is not a key with `invalid`: characters other than `A-Z a-z 0-9 . _ + - /`, an empty part
 * (so also a leading or trailing `/`), a part that begins with a dot (so also `..`), a part over 255 bytes, a key over 512.
 */
export function checkKey(key: string): void {
  const parts = key.split('/')
  if (key.length <= longestKey && parts.every(isPart)) return
  throw refused('key', key)
}

/** As `checkKey` for the beginning of a key: empty, or cut off anywhere. */
export function checkPrefix(prefix: string): void {
  const parts = prefix.split('/')
  const last = parts.pop() ?? ''
  if (prefix.length <= longestKey && parts.every(isPart) && partBeginning.test(last)) return
  throw refused('prefix', prefix)
}

/** Whether a name found in a store can be a part of a key; what cannot was not put there by this program. */
export function isPart(name: string): boolean {
  return name.length <= longestPart && part.test(name)
}

/** Ascending by the bytes of the key; keys are ASCII, so JavaScript's own order of strings is that. */
export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function refused(what: 'key' | 'prefix', value: string): LockkeeperError {
  return new LockkeeperError('invalid', `not a ${what} of an object: ${JSON.stringify(value.slice(0, 200))}`, {
    hint: 'Names of objects consist of A-Z a-z 0-9 . _ + - with / between parts that do not begin with a dot. If it comes from a manifest, that manifest was damaged or made by somebody else: do not trust it.',
    details: { [what]: value.slice(0, 200) },
  })
}
