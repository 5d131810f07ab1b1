/** The encryption of credentials, against the vectors of the Fernet specification and against Python. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decrypt, deriveKey, encrypt, fernetToken, formOf, keyOf, readToken } from '../../src/fossawork/encryption.ts'
import { python } from '../support/peers.ts'
import { pythonUsing } from '../support/v1.ts'

/** https://github.com/fernet/spec: generate.json, verify.json and invalid.json. */
const secret = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4='
const token = 'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=='
const key = keyOf(Buffer.from(secret, 'base64url'))
const invalid: readonly [string, string][] = [
  [
    'incorrect mac',
    'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==',
  ],
  ['too short', 'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=='],
  [
    'invalid base64',
    '%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==',
  ],
  [
    'payload size not multiple of block size',
    'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm',
  ],
  [
    'payload padding error',
    'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==',
  ],
]

test('the token of the specification, byte for byte, and back', () => {
  const now = Date.parse('1985-10-26T01:20:00-07:00')
  expect(fernetToken(key, 'hello', now, Buffer.from([...Array(16).keys()]))).toBe(token)
  expect(readToken(key, token)).toBe('hello')
})

test.each(invalid)('a token of the specification with %s is not read', (_, wrong) => {
  expect(readToken(key, wrong)).toBeUndefined()
})

test.each([
  ['pässword', undefined],
  ['p', 'short'],
  ['a "quoted" one', 'exactly-16-bytes'],
  ['x', 'ünïcode-säÜlt-that-is-long'],
])('the key of %j with salt %j is what Python derives', (password, salt) => {
  const script = `
import base64, hashlib, sys
password, salt = sys.argv[1].encode(), sys.argv[2].encode()
print(hashlib.pbkdf2_hmac('sha256', password, salt[:16].ljust(16, b'0'), 100000, 32).hex())`
  const { encryption, signing } = deriveKey(password, salt)
  expect(Buffer.concat([signing, encryption]).toString('hex')).toBe(
    python(script, [password, salt ?? 'fossawork-salt-v1']).trim(),
  )
})

test('whatever the text is, it comes back, and no two are stored the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const [first, second] = [encrypt(key, text), encrypt(key, text)]
      expect(decrypt(key, first)).toBe(text.toWellFormed())
      expect(first).not.toBe(second)
      expect(formOf(first)).toBe('encrypted')
    }),
  )
})

test('with another key, or with any byte changed, it is not read', () => {
  const stored = encrypt(key, 'a secret')
  expect(decrypt(keyOf(Buffer.alloc(32, 7)), stored)).toBeUndefined()
  const inner = Buffer.from(Buffer.from(stored, 'base64').toString('latin1'), 'base64url')
  for (let at = 0; at < inner.length; at++) {
    const changed = Buffer.from(inner)
    changed[at] = changed[at]! ^ 1
    expect(decrypt(key, Buffer.from(changed.toString('base64url')).toString('base64'))).toBeUndefined()
  }
})

describe('what is stored is told apart', () => {
  test.each([
    ['', 'plain'],
    ['hunter2', 'plain'],
    ['Zm9v', 'plain'],
    [Buffer.from('not a token').toString('base64'), 'plain'],
    ['gAAAAA', 'damaged'],
    [token.slice(0, -9), 'damaged'],
    [`${Buffer.from(token.slice(0, -9)).toString('base64')}\n`, 'damaged'],
    ['x'.repeat(200), 'plain'],
    [token, 'bare token'],
    [Buffer.from(token).toString('base64'), 'encrypted'],
    // As Python's encodebytes has it.
    [
      `${Buffer.from(token).toString('base64').slice(0, 76)}\n${Buffer.from(token).toString('base64').slice(76)}\n`,
      'encrypted',
    ],
  ])('%j is %s', (stored, form) => {
    expect(formOf(stored)).toBe(form)
    expect(decrypt(key, stored)).toBe(form === 'encrypted' ? 'hello' : undefined)
  })
})

test('what Python’s cryptography wrote is read, and the other way round', async () => {
  const script = `
import base64, hashlib, sys
from cryptography.fernet import Fernet
fernet = Fernet(base64.urlsafe_b64encode(hashlib.pbkdf2_hmac('sha256', sys.argv[1].encode(), b'fossawork-salt-v', 100000, 32)))
print(fernet.decrypt(base64.b64decode(sys.argv[2])).decode())
print(base64.b64encode(fernet.encrypt('von Python: ✓'.encode())).decode())`
  const ours = deriveKey('"pass" wörd')
  const args = ['"pass" wörd', encrypt(ours, 'from here: "ü" ✓')]
  const [read, written = ''] = (await pythonUsing('cryptography', script, args)).split('\n')
  expect(read).toBe('from here: "ü" ✓')
  expect(decrypt(ours, written)).toBe('von Python: ✓')
})
