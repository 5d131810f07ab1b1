/**
 * JSON with one spelling for each value, RFC 8785: keys sorted, no white space, numbers and strings as JavaScript
 * writes them. A hash over it says that the content is the same, whatever became of the white space on the way. Every
 * JSON object of a repository carries that hash of itself, as `sha256`.
 */

import { hash } from 'node:crypto'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/** Deeper than anything that belongs in a repository, far from what would exhaust the stack. */
const deepest = 32

/** The canonical text. Fields that are undefined are left out. Throws a `RangeError` beyond 32 levels or for NaN and infinity. */
export function canonical(value: Json, depth = 0): string {
  if (depth > deepest) throw new RangeError(`nested more than ${deepest} levels deep`)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a number that JSON does not have')
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(item => canonical(item, depth + 1)).join(',')}]`
  const fields = Object.keys(value)
    .sort()
    .flatMap(key => {
      const field = value[key]
      return field === undefined ? [] : [`${JSON.stringify(key)}:${canonical(field, depth + 1)}`]
    })
  return `{${fields.join(',')}}`
}

/** The bytes of a JSON object in a repository: canonical, and one line feed, for people who look at it. */
export function jsonBytes(value: Json): Uint8Array {
  return Buffer.from(`${canonical(value)}\n`)
}

/** The hash that an object carries: over everything in it but `sha256`. */
export function sealOf(object: Json): string {
  return hash('sha256', canonical({ ...(object as Record<string, Json>), sha256: undefined }))
}

function isArray(value: object): value is readonly Json[] {
  return Array.isArray(value)
}
