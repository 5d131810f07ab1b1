import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { redactedJson, redactor, Secret, secretsOf } from '../../src/report/redact.ts'

const revealed = (environment: Record<string, string | undefined>) =>
  secretsOf(environment).map(secret => secret.reveal())

describe('a secret', () => {
  test('shows itself nowhere', () => {
    const secret = new Secret('hunter2hunter2')
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ a: [secret] }),
      secret.toString(),
    ]
    for (const text of shown) {
      expect(text).toContain('[redacted]')
      expect(text).not.toContain('hunter2')
    }
    expect(Object.keys(secret)).toEqual([])
  })

  test('is there for whoever needs it', () => {
    expect(new Secret('hunter2').reveal()).toBe('hunter2')
  })
})

describe('the secrets of an environment', () => {
  test.each([
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
    'AWS_ACCESS_KEY_ID',
    'DB_PASSWORD',
    'PGPASSWORD',
    'MYSQL_PASSWD',
    'ENCRYPTION_PASSWORD',
    'KEY_PASSPHRASE',
    'GITHUB_TOKEN',
    'SENDGRID_API_KEY',
    'STRIPE_APIKEY',
    'CLIENT_SECRET',
    'SSH_PRIVATE_KEY',
    'google_credentials',
  ])('has the value of %s', name => {
    expect(revealed({ [name]: 'value of it' })).toEqual(['value of it'])
  })

  test.each([
    'PATH',
    'HOME',
    'DATABASE_URL',
    'LOCKKEEPER_REPOSITORY',
    'AWS_WEB_IDENTITY_TOKEN_FILE',
    'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
    'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    'TOKEN_ENDPOINT',
    'SECRET_PATH',
    'SECRET_ARN',
  ])('has not that of %s', name => {
    expect(revealed({ [name]: '/some/where' })).toEqual([])
  })

  test('has the password of a URL, whatever the variable is called', () => {
    expect(
      revealed({ CACHE: 'redis://me:hidden-one@cache:6379/0', OTHER: 'https://:hidden-two@host/path?a=b@c' }),
    ).toEqual(['hidden-one', 'hidden-two'])
    expect(revealed({ A: 'https://host:8080/path@1', B: 's3://bucket/prefix', C: 'mailto:me@host' })).toEqual([])
  })

  test('has nothing that is shorter than six characters, which would be part of too many words', () => {
    expect(revealed({ A_TOKEN: 'true', B_TOKEN: '', C_TOKEN: undefined, D_TOKEN: '123456' })).toEqual(['123456'])
  })
})

describe('the redactor', () => {
  test('replaces every secret everywhere', () => {
    const redact = redactor(secretsOf({ A_TOKEN: 'open sesame', B_TOKEN: 'swordfish' }))
    expect(redact('swordfish, open sesame and swordfish')).toBe('[redacted], [redacted] and [redacted]')
    expect(redact('nothing to hide')).toBe('nothing to hide')
  })

  test('replaces the longer of two that begin alike', () => {
    const redact = redactor(secretsOf({ A_TOKEN: 'secret', B_TOKEN: 'secret-and-more' }))
    expect(redact('it is secret-and-more')).toBe('it is [redacted]')
  })

  test('knows how a secret looks in a URL', () => {
    const redact = redactor(secretsOf({ A_TOKEN: 'a b/c?d=ü' }))
    for (const text of ['file:///x/a%20b/c?d=%C3%BC/y', 'https://h/?q=a%20b%2Fc%3Fd%3D%C3%BC', 'a b/c?d=ü'])
      expect(redact(text)).toContain('[redacted]')
  })

  test('takes no character of a secret for a pattern', () => {
    const redact = redactor(secretsOf({ A_TOKEN: '$&.*(+[\\', B_TOKEN: '......' }))
    expect(redact('abcdef $&.*(+[\\')).toBe('abcdef [redacted]')
  })
})

describe('JSON without secrets', () => {
  const secret = 'pa"ss\\wo\nrd'
  const redact = redactor(secretsOf({ A_PASSWORD: secret, B_PASSWORD: '123456' }))

  test('has none, however it is escaped, at any depth', () => {
    const json = redactedJson({ a: `x${secret}y`, b: [{ c: secret }], d: { toJSON: () => secret } }, redact)
    expect(JSON.parse(json)).toEqual({ a: 'x[redacted]y', b: [{ c: '[redacted]' }], d: '[redacted]' })
  })

  test('stays JSON where a number looks like one', () => {
    expect(JSON.parse(redactedJson({ bytes: 71234567, text: '123456' }, redact))).toEqual({
      bytes: 71234567,
      text: '[redacted]',
    })
  })

  test('is indented as asked for', () => {
    expect(redactedJson({ a: 1 }, redact, 2)).toBe('{\n  "a": 1\n}')
    expect(redactedJson({ a: 1 }, redact)).toBe('{"a":1}')
  })
})
