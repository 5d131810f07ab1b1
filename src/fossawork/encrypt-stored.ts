/** Credentials that V2 has stored: what is in plain text is encrypted in place, and no two keys are mixed. */
import { LockkeeperError } from '../errors.ts'
import type { Condition } from '../job/import-rows.ts'
import type { NewCells, Rewriting } from '../job/rewrite-cells.ts'
import type { StoredRow } from '../job/rows/stored.ts'
import { decrypt, deriveKey, encrypt, type FernetKey, formOf } from './encryption.ts'
import { type Encryption, noPassword } from './secrets.ts'

const stored = {
  table: 'user_credentials',
  columns: ['encrypted_username', 'encrypted_password'],
  label: ['user_id', 'service_name'],
} as const

/** @throws LockkeeperError `config` without a password */
export function encryptStored({ password, salt }: Encryption): Rewriting {
  if (password === undefined) throw noPassword('credentials cannot be encrypted')
  const key = deriveKey(password, salt)
  return {
    ...stored,
    decide: rows => {
      refuse(rows.flatMap(row => [...unreadable(row, key), ...unknown(row)]))
      return rows.flatMap(({ cells, rowid }): NewCells[] => {
        const plain = Object.entries(cells).flatMap(([name, value]) =>
          typeof value === 'string' && formOf(value) === 'plain' ? [[name, encrypt(key, value)] as const] : [],
        )
        return plain.length === 0 ? [] : [{ rowid, cells: Object.fromEntries(plain) }]
      })
    },
  }
}

/** Credentials that are there already can be read with the key that new ones are written with. */
export function sameKey({ password, salt }: Encryption): Condition {
  return {
    ...stored,
    require: rows => {
      if (password === undefined || rows.length === 0) return
      const key = deriveKey(password, salt)
      refuse(rows.flatMap(row => unreadable(row, key)))
    },
  }
}

function unreadable({ cells, label }: StoredRow, key: FernetKey): string[] {
  return Object.entries(cells).flatMap(([name, value]) =>
    typeof value === 'string' && formOf(value) === 'encrypted' && decrypt(key, value) === undefined
      ? [`${label.join(', ')}: ${name} was encrypted with another password or salt`]
      : [],
  )
}

function unknown({ cells, label }: StoredRow): string[] {
  return Object.entries(cells).flatMap(([name, value]) => {
    if (typeof value !== 'string') return [`${label.join(', ')}: ${name} is no text`]
    if (formOf(value) === 'damaged') return [`${label.join(', ')}: ${name} is a Fernet token that is not whole`]
    if (formOf(value) !== 'bare token') return []
    return [`${label.join(', ')}: ${name} is a Fernet token that is not encoded in base64 once more`]
  })
}

function refuse(wrong: readonly string[]): void {
  if (wrong.length > 0)
    throw new LockkeeperError('invalid', `credentials in user_credentials cannot be read:\n  ${wrong.join('\n  ')}`, {
      hint: 'Nothing was changed: no two keys are mixed in one table. Set ENCRYPTION_PASSWORD and ENCRYPTION_SALT to what the application had when it wrote them.',
    })
}
