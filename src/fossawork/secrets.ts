/** How V1's plain text becomes what V2 stores. Made only for rows that are new, and shown to nobody. */
import { LockkeeperError } from '../errors.ts'
import type { LateCell } from '../job/rows/model.ts'
import { deriveKey, encrypt, type FernetKey } from './encryption.ts'
import type { Json } from './json.ts'

export interface Encryption {
  /** ENCRYPTION_PASSWORD; undefined: not set. */
  readonly password: string | undefined
  /** ENCRYPTION_SALT; undefined: V2's default. */
  readonly salt: string | undefined
}

/** Rounds are 2 to the power of it; passlib verifies any. */
const cost = 12

/** `$2b$12$...`, as passlib writes and verifies it. */
export function passwordCell(password: string): LateCell {
  return {
    make: async () => {
      const { hash } = await import('bcryptjs')
      return hash(password, cost)
    },
  }
}

/** bcrypt looks at so many bytes of a password. */
export const longestPassword = 72

/** For texts that are encrypted with one key, which is derived once. */
export function credentialCells({ password, salt }: Encryption): (text: string) => LateCell {
  let key: FernetKey | undefined
  return text => ({
    check: () => {
      if (password === undefined) throw noPassword('there are credentials to write')
    },
    make: async () => {
      if (password === undefined) throw noPassword('there are credentials to write')
      key ??= deriveKey(password, salt)
      return encrypt(key, text)
    },
  })
}

export function noPassword(why: string): LockkeeperError {
  return new LockkeeperError('config', `${why}, but ENCRYPTION_PASSWORD is not set`, {
    hint: 'Nothing was touched. Set ENCRYPTION_PASSWORD (and ENCRYPTION_SALT, if the application has one) to what the application has.',
  })
}

const secretWords = /^(pass|passwd|passwords?|passphrase|pwd|pin|secrets?|tokens?|credentials?|apikey)$/
const secretKey = /\b(api|app|auth|access|private|user) key\b/

/** By the words in the name of a key, or of one inside its value, that says something. */
export function looksSecret(name: string, value: Json): boolean {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).some(([inner, each]) => looksSecret(`${name}.${inner}`, each))
  if (value === null || value === '' || typeof value === 'boolean') return false
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
  return words.some(word => secretWords.test(word)) || secretKey.test(words.join(' '))
}
