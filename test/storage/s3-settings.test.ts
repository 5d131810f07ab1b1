/** The settings of the S3 store: what they do on the wire and against real servers. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { GetObjectTaggingCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import { connect } from '../../src/storage/s3/client.ts'
import type { S3Options } from '../../src/storage/s3/options.ts'
import { s3Store } from '../../src/storage/s3.ts'
import { bytes, keys, text } from './contents.ts'
import { faultyProxy } from './faulty-proxy.ts'
import { freshFolder, scratch } from './machine.ts'
import { credentials, freePort, type S3Server, startS3Server } from './s3-servers.ts'
import { certificates, connectProxy, listening } from './surroundings.ts'

const program = fileURLToPath(new URL('./s3-process.ts', import.meta.url))

let server: S3Server
let bucket: string
let url: string

beforeAll(async () => {
  server = await startS3Server('minio')
  bucket = await server.bucket()
  url = `s3://${bucket}/folder`
})
afterAll(() => server?.stop())

describe('the URL of a bucket', () => {
  it.each([
    ['s3://bucket', 's3://bucket'],
    ['s3://bucket/', 's3://bucket'],
    ['S3://my.bucket-1/a/b/', 's3://my.bucket-1/a/b'],
  ])('%s is %s', async (given, clean) => {
    expect((await opened(given, server.options)).url).toBe(clean)
  })

  it.each([
    's3://',
    's3:bucket',
    's3:///prefix',
    's3://Bucket',
    's3://b',
    's3://bucket/a//b',
    's3://bucket/../x',
    's3://bucket/.hidden',
    's3://bucket/a b',
    's3://bucket/a%20b',
    's3://bucket?region=x',
    's3://bucket#x',
    's3://key:hunter2@bucket/x',
    `s3://bucket/${'x/'.repeat(300)}`,
  ])('%s is refused, and not repeated', async given => {
    const error = await s3Store(given, server.options).catch(error => error)
    expect(error).toMatchObject({ code: 'config', hint: 'Write s3://bucket/prefix.' })
    expect(error.message).not.toContain('hunter2')
  })

  it('keeps what is in it apart from what is beside it', async () => {
    const one = await opened(`s3://${bucket}/team`, server.options)
    const other = await opened(`s3://${bucket}/team-2`, server.options)
    const all = await opened(`s3://${bucket}`, server.options)
    await one.putIfAbsent('a', bytes('one'))
    await other.putIfAbsent('a', bytes('other'))
    expect(await keys(one, '')).toEqual(['a'])
    expect(await keys(all, 'team')).toEqual(['team-2/a', 'team/a'])
    await one.deleteMany(['a'])
    expect(await text(other, 'a')).toBe('other')
  })
})

describe('on the wire', () => {
  it('a write is signed with the hash of its content and made under a condition; the conditions are tried once', async () => {
    const { store, proxy } = await proxied()
    await store.putIfAbsent('a', bytes('a'))
    await store.putIfAbsent('b', bytes('b'))
    await store.putIfUnchanged('b', bytes('c'), (await store.head('b'))!.etag)
    await store.putIfUnchanged('b', bytes('d'), 'other')
    const puts = proxy.requests.filter(head => head.startsWith('PUT'))
    expect(puts.every(head => /^if-(none-)?match: /im.test(head))).toBe(true)
    expect(puts.every(head => /^x-amz-content-sha256: [0-9a-f]{64}$/im.test(head))).toBe(true)
    expect(puts.some(head => /^(expect|transfer-encoding|x-amz-trailer):/im.test(head))).toBe(false)
    const probes = puts.filter(head => head.includes('/.conditional-writes'))
    expect(probes.map(head => /^if-(none-)?match/im.exec(head)?.[0].toLowerCase())).toEqual([
      ...(probes.length === 3 ? ['if-none-match'] : []),
      'if-none-match',
      'if-match',
    ])
    expect(puts.length - probes.length).toBe(4)
  })

  it('the object that tries the conditions is in no listing', async () => {
    const store = await opened(`s3://${bucket}/probed`, server.options)
    await store.putIfAbsent('a', bytes('a'))
    expect(await keys(store, '')).toEqual(['a'])
    const { client, close } = await connect(server.options)
    const probe = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'probed/.conditional-writes' }))
    expect(probe.ContentLength).toBeGreaterThan(50)
    close()
  })

  it('nothing is asked before something is needed, and reading tries no conditions', async () => {
    const { store, proxy } = await proxied()
    expect(proxy.requests).toEqual([])
    await store.get('none')
    await keys(store, '')
    expect(proxy.requests.map(head => head.split(' ')[0])).toEqual(['GET', 'GET'])
  })

  it('a deletion carries the MD5 that older servers ask for', async () => {
    const { store, proxy } = await proxied()
    await store.deleteMany(['a', 'b'])
    const [head] = proxy.requests
    expect(head).toMatch(/^POST .*\?delete/)
    expect(head).toMatch(/^content-md5: [A-Za-z0-9+/]{22}==$/im)
    expect(head).not.toMatch(/checksum-crc32/i)
  })

  it('more than 1,000 deletions are several requests', async () => {
    const { store, proxy } = await proxied()
    await store.deleteMany(Array.from({ length: 2001 }, (_, i) => `none/${i}`))
    expect(proxy.requests.length).toBe(3)
  })

  it.each<[S3Options, Record<string, string>]>([
    [{ encryption: 'AES256' }, { 'x-amz-server-side-encryption': 'AES256' }],
    [{ encryption: 'aws:kms' }, { 'x-amz-server-side-encryption': 'aws:kms' }],
    [
      { encryption: { kmsKey: 'arn:aws:kms:eu-west-1:1:key/k' } },
      {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:eu-west-1:1:key/k',
      },
    ],
    [{ storageClass: 'STANDARD_IA' }, { 'x-amz-storage-class': 'STANDARD_IA' }],
    [{ tags: { team: 'a b', app: 'x&y' } }, { 'x-amz-tagging': 'team=a+b&app=x%26y' }],
  ])('%j goes with every write', async (options, headers) => {
    const proxy = await faultyProxy(await freePort())
    proxy.fault(/^PUT/, { answer: [412, {}, ''] }, 10)
    const store = await opened(url, { ...server.options, endpoint: `http://127.0.0.1:${proxy.port}`, ...options })
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('exists')
    expect(proxy.requests.length).toBe(2)
    for (const [name, value] of Object.entries(headers)) {
      for (const head of proxy.requests) expect(head.toLowerCase()).toContain(`${name}: ${value}`.toLowerCase())
    }
  })

  it('tags arrive as they were given', async () => {
    const store = await opened(`s3://${bucket}/tagged`, { ...server.options, tags: { team: 'a b', app: 'x' } })
    await store.putIfAbsent('a', bytes('a'))
    const { client, close } = await connect(server.options)
    const { TagSet } = await client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'tagged/a' }))
    close()
    expect(TagSet).toEqual(
      expect.arrayContaining([
        { Key: 'team', Value: 'a b' },
        { Key: 'app', Value: 'x' },
      ]),
    )
  })
})

describe('the AWS SDK finds by itself', () => {
  it('endpoint, region and credentials in the environment; the bucket is in the path then', async () => {
    expect(
      await stored(`s3://${bucket}/env`, {
        AWS_ENDPOINT_URL_S3: server.endpoint,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      }),
    ).toBe('stored')
  })

  it('the same in a profile, with the credentials from a program; without a region it is us-east-1', async () => {
    const home = await freshFolder()
    const keys = { Version: 1, AccessKeyId: credentials.accessKeyId, SecretAccessKey: credentials.secretAccessKey }
    await writeFile(join(home, 'keys.json'), JSON.stringify(keys))
    const profile = [
      '[profile backups]',
      `endpoint_url = ${server.endpoint}`,
      `credential_process = cat ${home}/keys.json`,
    ]
    await writeFile(join(home, 'config'), profile.join('\n'))
    const env = { AWS_PROFILE: 'backups', AWS_CONFIG_FILE: join(home, 'config') }
    expect(await stored(`s3://${bucket}/profile`, env)).toBe('stored')
  })

  it('the role of a service account in Kubernetes (web identity)', async () => {
    const asked: string[] = []
    expect(await stored(`s3://${bucket}/web-identity`, await role(asked, 200, granted()))).toBe('stored')
    expect(asked).toEqual([expect.stringContaining('the-token-of-the-service-account')])
  })

  it.each([
    ['refuses the role', 403, 'AccessDenied', /the role for the credentials is not given/],
    ['does not accept the token', 400, 'InvalidIdentityToken', /the token of the service account is not accepted/],
    ['has a problem', 500, 'InternalFailure', /the service that gives credentials has a problem/],
  ] as const)('STS %s: that is not said of the object store', async (_, status, code, message) => {
    const asked: string[] = []
    const refusal = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Code>${code}</Code><Message>No.</Message></Error></ErrorResponse>`
    await expect(stored(`s3://${bucket}/x`, await role(asked, status, refusal), { attempts: 2 })).rejects.toThrow(
      message,
    )
    if (status < 500) expect(asked).toHaveLength(1)
  })

  it('STS, or a program, that does not answer: the time for the request holds, and it is said of them', async () => {
    const silent = await listening(() => {})
    const env = { ...(await role([], 200, granted())), AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${silent}` }
    const short = { timeouts: { operation: 1_000 } }
    const slow = /the service that gives credentials cannot be reached: no success within 1 s/
    await expect(stored(`s3://${bucket}/x`, env, short)).rejects.toThrow(slow)
    const home = await freshFolder()
    await writeFile(join(home, 'config'), '[profile p]\ncredential_process = sleep 20')
    const program = { AWS_PROFILE: 'p', AWS_CONFIG_FILE: join(home, 'config'), AWS_REGION: 'us-east-1' }
    await expect(stored(`s3://${bucket}/x`, program, short)).rejects.toThrow(slow)
  })

  it('STS that nobody reaches, and a token that is not there: neither is said of the object store', async () => {
    const env = await role([], 200, granted())
    const away = { ...env, AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${await freePort()}` }
    await expect(stored(`s3://${bucket}/x`, away, { attempts: 2 })).rejects.toThrow(
      /gives credentials cannot be reached: .*ECONNREFUSED/,
    )
    const without = { ...env, AWS_WEB_IDENTITY_TOKEN_FILE: '/nonexistent/token' }
    await expect(stored(`s3://${bucket}/x`, without)).rejects.toThrow(
      /token for the credentials cannot be read: ENOENT/,
    )
  })

  it('a program that gives no credentials: the error does not repeat its arguments, and says that it needs a shell', async () => {
    const home = await freshFolder()
    await writeFile(join(home, 'config'), `[profile p]\ncredential_process = false the-secret-in-its-arguments`)
    const env = { AWS_PROFILE: 'p', AWS_CONFIG_FILE: join(home, 'config'), AWS_REGION: 'us-east-1' }
    const failure: Error = await stored(`s3://${bucket}/x`, env).catch(error => error)
    expect(failure.message).toMatch(/there are no credentials[\s\S]*credential_process needs a shell/)
    expect(failure.message).not.toContain('the-secret')
  })

  it('nothing: then the region or the credentials are missing', async () => {
    await expect(stored('s3://bucket/x', {})).rejects.toThrow(/no AWS region is set/)
    const env = { AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_S3: server.endpoint }
    await expect(stored('s3://bucket/x', env)).rejects.toThrow(/there are no credentials for the object store/)
  })
})

describe('the endpoint', () => {
  it.each(['nonsense', 'ftp://host', 'https://user:hunter2@host', 'https://host/?x=1', ''])(
    '%j is refused',
    async endpoint => {
      const error = await s3Store('s3://bucket', { endpoint, ...anyone }).catch(error => error)
      expect(error).toMatchObject({ code: 'config', hint: 'Write it as https://host or http://host:port.' })
      expect(error.message).not.toContain('hunter2')
    },
  )

  it.each<[NonNullable<S3Options['pathStyle']>, string, string]>([
    ['auto', '/bucket/x/a', 's3.test'],
    ['on', '/bucket/x/a', 's3.test'],
    ['off', '/x/a', 'bucket.s3.test'],
  ])('with path style %s: the path is %s, the host %s', async (pathStyle, path, host) => {
    const seen: (string | undefined)[] = []
    const forward = await listening((request, response) => {
      seen.push(request.url, request.headers.host)
      response.writeHead(404, { 'Content-Type': 'application/xml' })
      response.end('<Error><Code>NoSuchKey</Code></Error>')
    })
    const proxy = { http: `http://127.0.0.1:${forward}` }
    const store = await opened('s3://bucket/x', { endpoint: 'http://s3.test', pathStyle, proxy, ...anyone })
    expect(await store.get('a')).toBeUndefined()
    expect(seen).toEqual([`http://${host}${path}?x-id=GetObject`, host])
  })

  it('of AWS has the bucket in its name', async () => {
    const { client, pathStyle, place, close } = await connect({ region: 'eu-west-1', ...anyone })
    expect([pathStyle, place, await client.config.region()]).toEqual([false, 'AWS in eu-west-1', 'eu-west-1'])
    close()
  })
})

describe('TLS and proxies', () => {
  let secure: S3Server
  let folder: string
  let files: { ca: string; cert: string; key: string }

  beforeAll(async () => {
    folder = await mkdtemp(join(scratch, 'lockkeeper-tls-'))
    files = await certificates(folder)
    secure = await startS3Server('versitygw', { tls: files })
  })
  afterAll(async () => {
    await secure?.stop()
    await rm(folder, { recursive: true })
  })

  it('a private authority is trusted when it is named', async () => {
    const store = await opened(`s3://${await secure.bucket()}`, secure.options)
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    expect(await text(store, 'a')).toBe('a')
  })

  it('it is not when it is not, and the error says what to set', async () => {
    const store = await opened('s3://bucket', { ...secure.options, caBundle: undefined })
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(`no trusted TLS connection to ${secure.endpoint}`),
      hint: expect.stringContaining('AWS_CA_BUNDLE'),
    })
  })

  it('a certificate for another name is refused', async () => {
    const endpoint = secure.endpoint.replace('127.0.0.1', 'localhost')
    const store = await opened('s3://bucket', { ...secure.options, endpoint })
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'config',
      hint: expect.stringContaining('LOCKKEEPER_S3_PATH_STYLE'),
    })
  })

  it('http: to a server with TLS is a wrong setting', async () => {
    const store = await opened('s3://bucket', {
      ...secure.options,
      endpoint: secure.endpoint.replace('https', 'http'),
      attempts: 2,
    })
    expect(await store.get('a').catch(error => error.code)).toMatch(/config|storage/)
  })

  it.each([
    ['none.pem', undefined, /cannot be read: ENOENT/],
    ['empty.pem', 'nothing', /contains no certificate/],
  ])('a CA bundle that is not one is refused: %s', async (name, content, message) => {
    const path = join(await freshFolder(), name)
    if (content !== undefined) await writeFile(path, content)
    await expect(s3Store('s3://bucket', { ...secure.options, caBundle: path })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(message),
    })
  })

  it('an https: endpoint is reached through the proxy, with its password', async () => {
    const { port, asked } = await connectProxy('user:hunter2')
    const proxy = { https: `http://user:hunter2@127.0.0.1:${port}` }
    const store = await opened(`s3://${await secure.bucket()}`, { ...secure.options, proxy })
    expect(await store.putIfAbsent('a', new Uint8Array(2_000_000))).toBe('stored')
    expect((await store.head('a'))?.size).toBe(2_000_000)
    expect(new Set(asked)).toEqual(new Set([`127.0.0.1:${secure.port}`]))
  })

  it('what is named goes past the proxy', async () => {
    const { port, asked } = await connectProxy()
    const proxy = { https: `http://127.0.0.1:${port}`, none: 'example.com,127.0.0.1' }
    const store = await opened(`s3://${await secure.bucket()}`, { ...secure.options, proxy })
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    expect(asked).toEqual([])
  })

  it('a proxy that refuses is an error that names neither user nor password', async () => {
    const { port } = await connectProxy('user:other')
    const proxy = { https: `http://user:hunter2@127.0.0.1:${port}` }
    const store = await opened('s3://bucket', { ...secure.options, proxy, attempts: 2 })
    const error = await store.get('a').catch(error => error)
    expect(error).toMatchObject({
      code: 'storage',
      message: expect.stringContaining('the proxy did not connect'),
      hint: expect.stringContaining('HTTPS_PROXY'),
    })
    expect(`${error.stack}${error.cause.stack}`).not.toContain('hunter2')
  })

  it.each(['user:hunter2@host', 'http://user:hunter2%off@host'])(
    'a proxy that is no address is refused: %s',
    async https => {
      const error = await s3Store('s3://bucket', { ...secure.options, proxy: { https } }).catch(error => error)
      expect(error).toMatchObject({ code: 'config', hint: expect.stringContaining('HTTPS_PROXY') })
      expect(error.message).not.toContain('hunter2')
    },
  )
})

const anyone = { credentials: { accessKeyId: 'anyone', secretAccessKey: 'the-secret-of-anyone' } }

/** A store that reaches the server through a proxy that sees everything. */
async function proxied() {
  const proxy = await faultyProxy(server.port)
  const store = await opened(url, { ...server.options, endpoint: `http://127.0.0.1:${proxy.port}` })
  return { store, proxy }
}

/** The environment of a role whose STS answers this, and notes what it was asked. */
async function role(asked: string[], status: number, answer: string): Promise<Record<string, string>> {
  const home = await freshFolder()
  await writeFile(join(home, 'token'), 'the-token-of-the-service-account')
  const sts = await listening((request, response) => {
    request.setEncoding('utf8').on('data', data => asked.push(data))
    request.on('end', () => response.writeHead(status, { 'Content-Type': 'text/xml' }).end(answer))
  })
  return {
    AWS_ENDPOINT_URL_S3: server.endpoint,
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${sts}`,
    AWS_REGION: 'us-east-1',
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/backups',
    AWS_WEB_IDENTITY_TOKEN_FILE: join(home, 'token'),
  }
}

function granted(): string {
  const { accessKeyId, secretAccessKey } = credentials
  const expiration = new Date(Date.now() + 3_600_000).toISOString()
  return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><Expiration>${expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
}

/** What a process with only these variables is answered when it stores an object. */
async function stored(where: string, env: Record<string, string>, options: S3Options = {}): Promise<string> {
  const nowhere = { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent', PATH: process.env['PATH'] }
  const { stdout } = await promisify(execFile)(process.execPath, [program, where, JSON.stringify(options)], {
    env: { ...nowhere, ...env },
  })
  return JSON.parse(stdout).answer
}

async function opened(where: string, options: S3Options): Promise<ObjectStore> {
  const store = await s3Store(where, options)
  onTestFinished(() => store.close())
  return store
}
