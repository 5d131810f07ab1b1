/** What a person is told when an object store says no, and that it never contains a secret. */

import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { inspect, promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import type { S3Options } from '../../src/storage/s3/options.ts'
import { s3Store } from '../../src/storage/s3.ts'
import { bytes, keys, list, text } from './contents.ts'
import { faultyProxy, s3Error } from './faulty-proxy.ts'
import { credentials, freePort, type S3Server, startS3Server } from './s3-servers.ts'

/** Everything that a store can be asked for. */
const operations: Record<string, (store: ObjectStore) => Promise<unknown>> = {
  putIfAbsent: store => store.putIfAbsent('a/b', new Uint8Array(3_000_000)),
  putIfUnchanged: store => store.putIfUnchanged('a/b', bytes('b'), 'd41d8cd98f00b204e9800998ecf8427e'),
  'put of a batch': store => store.batch().put('a/b', bytes('b')),
  get: store => store.get('a/b'),
  head: store => store.head('a/b'),
  list: store => list(store, 'a/'),
  deleteMany: store => store.deleteMany(['a/b']),
}

const secrets = [
  credentials.secretAccessKey.slice(0, 10),
  credentials.accessKeyId,
  'hunter2',
  'the-secret',
  'session-token-of-the-tests',
]

describe.each(['versitygw', 'minio'] as const)('%s says no', which => {
  let server: S3Server
  let bucket: string

  beforeAll(async () => {
    server = await startS3Server(which, { region: 'eu-central-1' })
    bucket = await server.bucket()
    const store = await s3Store(`s3://${bucket}`, server.options)
    await store.putIfAbsent('a/b', bytes('b'))
    await store.close()
  })
  afterAll(() => server?.stop())

  describe.each(Object.keys(operations))('to %s', operation => {
    it.each<[string, S3Options & { bucket?: string }, Partial<LockkeeperError>]>([
      [
        'because the secret key is wrong',
        { credentials: { ...credentials, secretAccessKey: 'the-secret-that-is-wrong' } },
        { code: 'denied', message: match('the secret key does not belong'), hint: match('AWS_SECRET_ACCESS_KEY') },
      ],
      [
        'because nobody has this access key',
        { credentials: { accessKeyId: 'hunter2-nobody', secretAccessKey: 'the-secret-of-nobody' } },
        { code: 'denied', message: match('does not know the access key'), hint: match('AWS_ACCESS_KEY_ID') },
      ],
      [
        'because the session token is wrong',
        { credentials: { ...credentials, sessionToken: 'session-token-of-the-tests' } },
        { code: 'denied', message: match('the session token .* is no longer valid'), hint: match('new credentials') },
      ],
      [
        'because there is no such bucket',
        { bucket: 'not-there' },
        {
          code: 'config',
          message: match('there is no bucket "not-there" at http'),
          hint: match('LOCKKEEPER_REPOSITORY'),
        },
      ],
      [
        'because the region is another one',
        { region: 'us-west-2' },
        {
          code: 'config',
          message: match('the bucket is in region eu-central-1, not in us-west-2'),
          hint: 'Set AWS_REGION to eu-central-1.',
        },
      ],
    ])('%s', async (_why, { bucket: other = bucket, ...options }, expected) => {
      const store = await opened(`s3://${other}`, { ...server.options, ...options })
      const error = await failure(operations[operation]!(store))
      expect(error).toMatchObject(expected)
      expect(error.message).toContain(`in s3://${other}: `)
      expectNoSecret(error)
    })
  })

  it('because it does not speak TLS', async () => {
    const store = await opened(`s3://${bucket}`, {
      ...server.options,
      endpoint: server.endpoint.replace('http', 'https'),
    })
    const error = await failure(store.get('a'))
    expect(error).toMatchObject({
      code: 'config',
      message: match('wrong version number$'),
      hint: match('http: or https:'),
    })
  })
})

describe('who may not do everything', () => {
  let server: S3Server
  let bucket: string

  beforeAll(async () => {
    server = await startS3Server('versitygw')
    bucket = await server.bucket()
    const store = await s3Store(`s3://${bucket}`, server.options)
    await store.putIfAbsent('a', bytes('a'))
    await store.close()
  })
  afterAll(() => server?.stop())

  const allowed = (...actions: string[]) =>
    server.user(bucket, actions).then(user => opened(`s3://${bucket}`, { ...server.options, credentials: user }))

  it('may read and list, and is told which permission a write and a delete need', async () => {
    const store = await allowed('s3:GetObject', 's3:ListBucket')
    expect(await text(store, 'a')).toBe('a')
    expect(await keys(store, '')).toEqual(['a'])
    expect(await store.head('none')).toBeUndefined()
    expect(await failure(store.putIfAbsent('new', bytes('x')))).toMatchObject({
      code: 'denied',
      message: match('^cannot store new in s3://.*: s3:PutObject is not allowed: AccessDenied'),
      hint: match('docs/storage.md'),
      details: { permission: 's3:PutObject', status: 403 },
    })
    expect(await failure(store.deleteMany(['a']))).toMatchObject({
      code: 'denied',
      message: match('s3:DeleteObject is not'),
    })
    expect(await text(store, 'a')).toBe('a')
  })

  it('may write and list, and is told that reading needs a permission', async () => {
    const store = await allowed('s3:PutObject', 's3:ListBucket')
    expect(await store.putIfAbsent('written', bytes('x'))).toBe('stored')
    const denied = { code: 'denied', message: match('s3:GetObject is not allowed') }
    expect(await failure(store.get('a'))).toMatchObject(denied)
    expect(await failure(store.head('a'))).toMatchObject(denied)
  })

  it('may do everything that backups need without the permission to delete', async () => {
    const store = await allowed('s3:PutObject', 's3:GetObject', 's3:ListBucket')
    expect(await store.putIfAbsent('state', bytes('1'))).toBe('stored')
    expect(await store.putIfUnchanged('state', bytes('2'), (await store.head('state'))!.etag)).toBe('stored')
    expect(await text(store, 'state')).toBe('2')
  })

  it('may not list, and is told so', async () => {
    const store = await allowed('s3:GetObject')
    expect(await failure(list(store, ''))).toMatchObject({
      code: 'denied',
      message: match('s3:ListBucket is not allowed'),
    })
    expect((await store.head('a'))?.size).toBe(1)
  })
})

/** Answers of AWS and of things that are not S3 at all, which no server here gives. */
describe('an answer', () => {
  const xml = { 'Content-Type': 'application/xml' }

  it.each<[string, readonly [number, Record<string, string>, string], Partial<LockkeeperError>]>([
    [
      'that names another region, with a redirect',
      [301, { ...xml, 'x-amz-bucket-region': 'eu-west-3' }, s3Error('PermanentRedirect', 'Use another endpoint.')],
      {
        code: 'config',
        message: match('the bucket is in region eu-west-3, not in us-east-1'),
        hint: 'Set AWS_REGION to eu-west-3.',
      },
    ],
    [
      'about the clock',
      [
        403,
        { ...xml, Date: new Date(Date.now() - 7_210_000).toUTCString() },
        s3Error('RequestTimeTooSkewed', 'Too large.'),
      ],
      {
        code: 'storage',
        message: match('the clock of this machine differs .*: it is 72\\d\\d s ahead'),
        hint: match('clock'),
      },
    ],
    [
      'about an expired token',
      [400, xml, s3Error('ExpiredToken', 'The provided token has expired.')],
      { code: 'denied', hint: match('new credentials') },
    ],
    [
      'about a KMS key',
      [400, xml, s3Error('KMS.DisabledException', 'arn:aws:kms:eu-west-1:1:key/x is disabled.')],
      { code: 'config', message: match('is disabled'), hint: match('KMS key') },
    ],
    [
      'about an archived object',
      [403, xml, s3Error('InvalidObjectState', 'The operation is not valid for the object.')],
      { code: 'storage', hint: match('archive class') },
    ],
    [
      'about a full store',
      [507, xml, s3Error('XMinioStorageFull', 'Storage backend has reached its minimum free drive threshold.')],
      { code: 'storage', message: match('is full'), hint: match('prune') },
    ],
    [
      'about something that it does not know',
      [501, xml, s3Error('NotImplemented', 'A header you provided implies functionality that is not implemented')],
      { code: 'config', hint: match('conditional writes') },
    ],
    [
      'that it is overloaded, again and again',
      [503, xml, s3Error('SlowDown', 'Please reduce your request rate.')],
      { code: 'storage', message: match('overloaded'), hint: match('later') },
    ],
    [
      'that it is broken',
      [500, xml, s3Error('InternalError', 'Oh.')],
      { code: 'storage', hint: match('problem of its own') },
    ],
    [
      'of a web page',
      [200, { 'Content-Type': 'text/html' }, '<!doctype html><title>Console</title><p>Hello'],
      { code: 'config', hint: expect.any(String) },
    ],
    [
      'of a web server that has no such page',
      [404, { 'Content-Type': 'text/html' }, '<html><body><h1>Not Found</h1><br></body></html>'],
      { code: 'config', message: match('does not speak S3'), hint: match('its port') },
    ],
    [
      'of an ingress without a backend',
      [502, { 'Content-Type': 'text/html' }, '<html><body><h1>Bad Gateway</h1><hr></body></html>'],
      { code: 'storage' },
    ],
    [
      'in plain text, that TLS is expected',
      [400, { 'Content-Type': 'text/plain' }, 'Client sent an HTTP request to an HTTPS server.\n'],
      { code: 'config', message: match('does not speak S3'), hint: match('http: or https:') },
    ],
    [
      'that nobody knows',
      [400, xml, s3Error('SomethingNew', 'The secret is the-secret-of-the-tests, see https://user:hunter2@host/.')],
      { code: 'storage', message: match('SomethingNew, HTTP 400'), hint: match('request id 4442587FB7D0A2F9') },
    ],
    [
      'of which a part is cut off',
      [400, xml, s3Error('SomethingNew', `${'x'.repeat(365)} ${credentials.secretAccessKey}`)],
      { code: 'storage', message: match('x{365}') },
    ],
    [
      'that repeats what it was sent as its code',
      [403, xml, s3Error(credentials.secretAccessKey, 'No.')],
      { code: 'denied' },
    ],
    [
      'that repeats what it was sent',
      [403, xml, s3Error('SignatureDoesNotMatch', `Signature=0123abcd ${credentials.secretAccessKey}`, more())],
      { code: 'denied' },
    ],
  ])('%s', async (_what, answer, expected) => {
    const proxy = await faultyProxy(await freePort())
    proxy.fault(/./, { answer }, 100)
    const endpoint = `http://127.0.0.1:${proxy.port}`
    const store = await opened('s3://bucket/x', { endpoint, credentials, attempts: 2 })
    for (const operation of [operations['list']!, operations['get']!, operations['putIfAbsent']!]) {
      const error = await failure(operation(store))
      expect(error).toMatchObject(expected)
      expect(error.hint).toEqual(expect.any(String))
      expectNoSecret(error)
    }
  })

  it('to a HEAD, which has no body, is explained by asking once more', async () => {
    const proxy = await faultyProxy(await freePort())
    proxy.fault(/^HEAD/, { answer: [400, {}, ''] }, 100)
    proxy.fault(
      /^GET/,
      { answer: [400, { 'Content-Type': 'application/xml' }, s3Error('ExpiredToken', 'Expired.')] },
      100,
    )
    const store = await opened('s3://bucket/x', {
      endpoint: `http://127.0.0.1:${proxy.port}`,
      credentials,
      attempts: 2,
    })
    expect(await failure(store.head('a'))).toMatchObject({ code: 'denied', message: match('ExpiredToken') })
  })
})

describe('a clock that is wrong by hours', () => {
  it('does not keep anyone from a backup: the SDK goes by the time of the server', async () => {
    const server = await startS3Server('minio')
    onTestFinished(() => server.stop())
    const bucket = await server.bucket()
    const program = fileURLToPath(new URL('./s3-process.ts', import.meta.url))
    const shift =
      'const now = Date.now; Date.now = () => now() + 5 * 3600e3; globalThis.Date = class extends Date { constructor(...a) { a.length ? super(...a) : super(Date.now()) } }'
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      `data:text/javascript,${encodeURIComponent(shift)}`,
      program,
      `s3://${bucket}/x`,
      JSON.stringify(server.options),
    ])
    const { answer, now } = JSON.parse(stdout)
    expect(answer).toBe('stored')
    expect(now - Date.now()).toBeGreaterThan(4 * 3600e3)
  })
})

describe('credentials', () => {
  it('that cannot be found are a setting that is missing', async () => {
    const store = await opened('s3://bucket', {
      region: 'eu-west-1',
      credentials: () => Promise.reject(noCredentials()),
    })
    const error = await failure(store.get('a'))
    expect(error).toMatchObject({ code: 'config', message: match('no credentials'), hint: match('AWS_ACCESS_KEY_ID') })
    expectNoSecret(error)
  })
})

describe('a bug', () => {
  it('is not passed off as trouble with the object store', async () => {
    const credentials = () => Promise.reject(new TypeError('undefined is not a function'))
    const store = await opened('s3://bucket', { region: 'eu-west-1', credentials })
    const error = await store.get('a').catch(error => error)
    expect(error).not.toBeInstanceOf(LockkeeperError)
    expect(error).toMatchObject({ name: 'TypeError', message: 'undefined is not a function' })
  })
})

it('the permissions are documented, and what the documentation quotes is what is said', async () => {
  const page = await readFile(new URL('../../docs/storage.md', import.meta.url), 'utf8')
  const sources = globSync('src/storage/**/*.ts').map(path => readFileSync(path, 'utf8'))
  const source = sources.join('\n')
  const rows = page.split('\n').filter(line => /^\| \d\d \|/.test(line))
  expect(rows.length).toBeGreaterThan(20)
  const quoted = rows.flatMap(row =>
    [...(row.split('|')[2] as string).matchAll(/`([^`]+)`/g)].map(([, text]) => text as string),
  )
  const pieces = quoted.flatMap(text =>
    text
      .split('...')
      .map(piece => piece.trim())
      .filter(piece => piece !== ''),
  )
  expect(pieces.filter(piece => !source.includes(piece))).toEqual([])
  for (const permission of ['s3:GetObject', 's3:PutObject', 's3:ListBucket', 's3:DeleteObject'])
    expect(page).toContain(permission)
})

function noCredentials(): Error {
  return Object.assign(new Error('Command failed: /bin/get-credentials --password hunter2'), {
    name: 'CredentialsProviderError',
  })
}

/** What AWS adds to tell a developer what it signed. */
function more(): string {
  return `<AWSAccessKeyId>${credentials.accessKeyId}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign>`
}

function match(pattern: string): string {
  return expect.stringMatching(pattern) as unknown as string
}

async function failure(promise: Promise<unknown>): Promise<LockkeeperError> {
  const error = await promise.then(
    value => new Error(`succeeded: ${inspect(value)}`),
    error => error,
  )
  expect(error).toBeInstanceOf(LockkeeperError)
  return error
}

function expectNoSecret(error: Error): void {
  const chain: unknown[] = []
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    chain.push(one.name, one.message, one.stack, JSON.stringify(one), Object.getOwnPropertyNames(one))
  }
  const everything = [
    ...chain,
    String(error),
    JSON.stringify(error),
    inspect(error, { depth: 20, showHidden: true }),
  ].join('\n')
  for (const secret of secrets) expect(everything).not.toContain(secret)
  expect(everything).not.toMatch(/Signature=(?!\[redacted)|StringToSign|AWS4-HMAC|\$response|headers:/i)
}

async function opened(url: string, options: S3Options): Promise<ObjectStore> {
  const store = await s3Store(url, options)
  onTestFinished(() => store.close())
  return store
}
