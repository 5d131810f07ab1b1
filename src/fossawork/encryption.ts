/**
 * Credentials as V2 reads them: a Fernet token (https://github.com/fernet/spec), itself URL-safe base64 text, encoded once
 * more in standard base64. The key comes from a password by PBKDF2.
 */
import { createCipheriv, createDecipheriv, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'

const rounds = 100_000
const usualSalt = 'fossawork-salt-v1'
const saltBytes = 16

const version = 0x80
const blockBytes = 16
const macBytes = 32
/** Version, seconds as 64 bits, initialisation vector. */
const headBytes = 1 + 8 + blockBytes

export interface FernetKey {
  readonly signing: Buffer
  readonly encryption: Buffer
}

/** @param salt default: the one that V2 has */
export function deriveKey(password: string, salt: string = usualSalt): FernetKey {
  const padded = Buffer.alloc(saltBytes, '0')
  Buffer.from(salt, 'utf8').copy(padded)
  return keyOf(pbkdf2Sync(password, padded, rounds, 32, 'sha256'))
}

/** @param bytes 32 */
export function keyOf(bytes: Buffer): FernetKey {
  return { signing: bytes.subarray(0, 16), encryption: bytes.subarray(16, 32) }
}

/** @param now milliseconds since 1970 @param vector 16 random bytes */
export function fernetToken(
  { encryption, signing }: FernetKey,
  text: string,
  now: number = Date.now(),
  vector: Buffer = randomBytes(blockBytes),
): string {
  const head = Buffer.alloc(headBytes)
  head[0] = version
  head.writeBigUInt64BE(BigInt(Math.floor(now / 1000)), 1)
  vector.copy(head, 9)
  const cipher = createCipheriv('aes-128-cbc', encryption, vector)
  const signed = Buffer.concat([head, cipher.update(text, 'utf8'), cipher.final()])
  const mac = createHmac('sha256', signing).update(signed).digest()
  return urlSafe(Buffer.concat([signed, mac]))
}

/** Undefined where the token was not made with this key, or was changed since. */
export function readToken({ encryption, signing }: FernetKey, token: string): string | undefined {
  const bytes = tokenBytes(token)
  if (bytes === undefined) return undefined
  const signed = bytes.subarray(0, -macBytes)
  if (!timingSafeEqual(createHmac('sha256', signing).update(signed).digest(), bytes.subarray(-macBytes)))
    return undefined
  try {
    const decipher = createDecipheriv('aes-128-cbc', encryption, bytes.subarray(9, headBytes))
    return Buffer.concat([decipher.update(signed.subarray(headBytes)), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

/** As V2 stores it. */
export function encrypt(key: FernetKey, text: string): string {
  return Buffer.from(fernetToken(key, text), 'ascii').toString('base64')
}

/** Undefined where it is not stored like that, or with another key. */
export function decrypt(key: FernetKey, stored: string): string | undefined {
  const token = innerToken(stored)
  return token === undefined ? undefined : readToken(key, token)
}

/**
 * What V2 stores, a bare Fernet token that it could not read, what is left of either, or anything else, which is plain
 * text. To encrypt what is damaged would make it look sound.
 */
export function formOf(stored: string): 'encrypted' | 'bare token' | 'damaged' | 'plain' {
  if (innerToken(stored) !== undefined) return 'encrypted'
  if (tokenBytes(stored) !== undefined) return 'bare token'
  const decoded = Buffer.from(stored, 'base64').toString('latin1')
  return beginning.test(stored.trim()) || beginning.test(decoded) ? 'damaged' : 'plain'
}

/** Of every token of our time: its version, and the first zeros of its seconds. */
const beginning = /^gAAAA/

/** Python passes over white space in base64, such as the line ends that `encodebytes` puts in. */
function innerToken(stored: string): string | undefined {
  const compact = stored.replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return undefined
  const token = Buffer.from(compact, 'base64').toString('latin1')
  return tokenBytes(token) === undefined ? undefined : token
}

/** The bytes of a text that has the form of a Fernet token. */
function tokenBytes(token: string): Buffer | undefined {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(token)) return undefined
  const bytes = Buffer.from(token, 'base64url')
  const encrypted = bytes.length - headBytes - macBytes
  return bytes[0] === version && encrypted > 0 && encrypted % blockBytes === 0 ? bytes : undefined
}

/** base64url with the padding that Python wants. */
function urlSafe(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
