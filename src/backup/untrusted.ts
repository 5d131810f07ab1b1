/**
 * Reading JSON that somebody else wrote, field by field. Each step says what it expects, and what it finds instead is
 * an `invalid` error that names the object and the field: `backups/X.json: chunks.size is not an integer from 1 to 9: "7"`.
 */

import { LockkeeperError, messageOf } from '../errors.ts'
import { canonical, type Json, sealOf } from './canonical.ts'
import { formatVersion, sha256Pattern } from './format.ts'

export interface StringRule {
  /** Characters; default 1024. */
  readonly most?: number
  readonly least?: number
  readonly pattern?: RegExp
}

export class Untrusted {
  readonly #value: unknown
  readonly #where: string
  readonly #path: string

  /** `where` names the object for messages. */
  constructor(value: unknown, where: string, path = '') {
    this.#value = value
    this.#where = where
    this.#path = path
  }

  field(name: string): Untrusted {
    const fields = this.#record()
    return new Untrusted(
      Object.hasOwn(fields, name) ? fields[name] : undefined,
      this.#where,
      this.#path === '' ? name : `${this.#path}.${name}`,
    )
  }

  /** The field, or undefined where it is not there. */
  optional(name: string): Untrusted | undefined {
    return Object.hasOwn(this.#record(), name) ? this.field(name) : undefined
  }

  string({ most = 1024, least = 0, pattern }: StringRule = {}): string {
    const value = this.#value
    if (typeof value !== 'string') throw this.error('is not a string')
    if (value.length > most || value.length < least) throw this.error(`has not ${least} to ${most} characters`)
    if (pattern !== undefined && !pattern.test(value)) throw this.error('is not of the expected form')
    return value
  }

  integer(least: number, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#value
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
      throw this.error(`is not an integer from ${least} to ${most}`)
    }
    return value as number
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') throw this.error('is not true or false')
    return this.#value
  }

  oneOf<T extends string>(values: readonly T[]): T {
    if (!values.includes(this.#value as T)) throw this.error(`is none of ${values.join(', ')}`)
    return this.#value as T
  }

  /** A moment as `Date.prototype.toISOString` writes it. */
  moment(): string {
    const value = this.string({ most: 30 })
    const moment = new Date(value)
    if (Number.isNaN(moment.getTime()) || moment.toISOString() !== value) throw this.error('is not a moment in UTC')
    return value
  }

  scalar(): string | number | boolean | null {
    const value = this.#value
    if (value === null || typeof value === 'boolean' || typeof value === 'number') return value
    return this.string({ most: 4096 })
  }

  isNull(): boolean {
    return this.#value === null
  }

  is(value: unknown): boolean {
    return this.#value === value
  }

  array(most: number): Untrusted[] {
    if (!Array.isArray(this.#value)) throw this.error('is not a list')
    if (this.#value.length > most) throw this.error(`has more than ${most} items`)
    return this.#value.map((item, index) => new Untrusted(item, this.#where, `${this.#path}[${index}]`))
  }

  /** All fields by name. */
  entries(most: number): [string, Untrusted][] {
    const names = Object.keys(this.#record())
    if (names.length > most) throw this.error(`has more than ${most} fields`)
    return names.map(name => [name, this.field(name)])
  }

  error(complaint: string): LockkeeperError {
    const shown = shorten(this.#value)
    const path = this.#path === '' ? 'the whole' : this.#path
    return invalid(this.#where, `${path} ${complaint}${shown === '' ? '' : `: ${shown}`}`)
  }

  #record(): Record<string, unknown> {
    const value = this.#value
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.error('is not an object')
    return value as Record<string, unknown>
  }
}

/**
 * Parses the bytes of a JSON object of the repository. Rejects with `invalid` what is not UTF-8, not JSON, nested
 * absurdly deep or does not carry its own hash, and with `config` what a newer version wrote.
 */
export function parseSealed(bytes: Uint8Array, where: string): Json {
  const json = parseJson(bytes, where)
  const fields = new Untrusted(json, where)
  // First: a newer format may be sealed in another way.
  refuseNewer(fields.field('format').integer(1), where)
  const sha256 = fields.field('sha256')
  if (sha256.string({ pattern: sha256Pattern }) !== sealOf(json)) throw sha256.error('is not the hash of the rest')
  return json
}

function refuseNewer(format: number, where: string): void {
  if (format <= formatVersion) return
  throw new LockkeeperError(
    'config',
    `${where} has format ${format}; this version of Lockkeeper knows formats up to ${formatVersion}`,
    {
      hint: 'Use the version of Lockkeeper that wrote it, or a newer one.',
      details: { object: where, format, knows: formatVersion },
    },
  )
}

function parseJson(bytes: Uint8Array, where: string): Json {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json
    canonical(value)
    return value
  } catch (error) {
    throw invalid(where, `is not the JSON that belongs there: ${messageOf(error).slice(0, 200)}`, error)
  }
}

/** Whether an error says that an object cannot be understood, rather than that the store cannot be reached. */
export function isUnreadable(error: unknown): error is LockkeeperError {
  if (!(error instanceof LockkeeperError)) return false
  // A newer format is `config`, and so is much that a store may complain of.
  return error.code === 'invalid' || (error.code === 'config' && error.details['object'] !== undefined)
}

/** What is wrong with an object of the repository. */
export function invalid(key: string, complaint: string, cause?: unknown): LockkeeperError {
  return new LockkeeperError('invalid', `${key}: ${complaint}`, {
    hint: 'This object was damaged, or was not written by Lockkeeper. `lockkeeper backups` lists the backups that can be read, `lockkeeper verify` checks one.',
    details: { object: key },
    ...(cause === undefined ? {} : { cause }),
  })
}

function shorten(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
