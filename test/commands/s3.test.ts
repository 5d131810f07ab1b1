/** The deploy job with its repository on a real S3 server, and what it does when the way there is broken. */
import { spawnSync } from 'node:child_process'
import { chmod, copyFile, cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { patience } from '../environment/ask.ts'
import { type FaultyProxy, faultyProxy } from '../storage/faulty-proxy.ts'
import { freshFolder } from '../storage/machine.ts'
import { credentials, type S3Server, startS3Server } from '../storage/s3-servers.ts'
import { certificates, connectProxy, listening } from '../storage/surroundings.ts'
import { definedOnly, expectOk, expectRefused, program } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, traceOf, type Workplace } from '../support/workplace.ts'

let server: S3Server
let bucket: string

beforeAll(async () => {
  server = await startS3Server('versitygw')
  bucket = await server.bucket()
}, patience)

afterAll(async () => {
  await server?.stop()
})

let shops = 0

/** A shop with 12 MiB of rows and a pending migration, whose repository is in the bucket, by way of a port of this machine. */
async function shopOnS3(port: number): Promise<Workplace> {
  const place = await shop()
  pythonSql(
    place.database,
    `WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1600)
     INSERT INTO orders SELECT i, 1, hex(randomblob(4000)) FROM n`,
  )
  place.migration('v002_notes', '-- migrate:up\nALTER TABLE orders ADD COLUMN note TEXT;\n-- migrate:down\n')
  Object.assign(place.env, {
    LOCKKEEPER_REPOSITORY: `s3://${bucket}/shop-${++shops}`,
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  })
  return place
}

const puts = ({ requests }: FaultyProxy) => requests.filter(head => /^PUT .*\/chunks\//.test(head)).length

test('a deploy keeps its backup in the bucket, and it comes back from there', async () => {
  const place = await shopOnS3(server.port)
  const before = applicationOf(place.database)
  expectOk(await place.run(['run']))
  expectOk(await place.run(['restore', '--latest']))
  expect(applicationOf(place.database)).toEqual(before)
})

/** How a server that is out of reach is given up on soon. */
const soon = { LOCKKEEPER_S3_TIMEOUT: '2s' }

describe('the deploy stops with a named code, the database is untouched, and the next run sends everything', () => {
  const wrongs: readonly [string, number, string, Record<string, string>][] = [
    ['the bucket does not exist', 78, 'bucket', { LOCKKEEPER_REPOSITORY: 's3://no-such-bucket/x' }],
    ['the access key is unknown', 77, 'key', { AWS_ACCESS_KEY_ID: 'somebody-else' }],
    ['the secret is wrong', 77, 'secret', { AWS_SECRET_ACCESS_KEY: 'another-secret-altogether' }],
    ['the region is another', 78, 'region', { AWS_REGION: 'eu-central-1' }],
    // Port 1 is tcpmux's, which nobody runs.
    ['nobody listens', 69, 'refused', { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1', ...soon }],
    ['its name is not known', 69, 'nowhere.invalid', { AWS_ENDPOINT_URL_S3: 'http://nowhere.invalid', ...soon }],
  ]
  test.each(wrongs)('%s: %i', async (_, exit, named, wrong) => {
    const proxy = await faultyProxy(server.port)
    const place = await shopOnS3(proxy.port)
    const right = { ...place.env, LOCKKEEPER_S3_TIMEOUT: undefined }
    Object.assign(place.env, wrong)
    const before = traceOf(place.volume)
    const ran = await place.run(['run'])
    expectRefused(ran, exit, new RegExp(named, 'i'))
    expect(traceOf(place.volume)).toEqual(before)
    expect(ran.output).not.toContain(String(place.env['AWS_SECRET_ACCESS_KEY']))
    Object.assign(place.env, right)
    expectOk(await place.run(['run']))
    expect(puts(proxy)).toBe(await chunksOf(place))
  })

  test('it answers nothing any more, in the middle of the upload: 69 when its time is over', async () => {
    const proxy = await faultyProxy(server.port)
    const place = await shopOnS3(proxy.port)
    const before = applicationOf(place.database)
    let chunks = 0
    const isLate = { test: (line: string) => /^PUT .*\/chunks\//.test(line) && ++chunks > 3 }
    proxy.fault(isLate, { stall: true }, Number.POSITIVE_INFINITY)
    expectRefused(await place.run(['run'], soon), 69, /no success within 2 s/)
    expect(applicationOf(place.database)).toEqual(before)

    const mended = await faultyProxy(server.port)
    place.env['AWS_ENDPOINT_URL_S3'] = `http://127.0.0.1:${mended.port}`
    expectOk(await place.run(['run']))
    expect(puts(mended)).toBe((await chunksOf(place)) - 3)
  })
})

test('the store goes away in the middle of the upload: 69, and the next run sends only what was missing', async () => {
  const proxy = await faultyProxy(server.port)
  const place = await shopOnS3(proxy.port)
  const before = applicationOf(place.database)
  // After three chunks nothing gets through any more.
  let chunks = 0
  const isLate = { test: (line: string) => /^PUT .*\/chunks\//.test(line) && ++chunks > 3 }
  proxy.fault(isLate, { reset: true }, Number.POSITIVE_INFINITY)
  expectRefused(await place.run(['run'], soon), 69)
  expect(applicationOf(place.database)).toEqual(before)

  const mended = await faultyProxy(server.port)
  place.env['AWS_ENDPOINT_URL_S3'] = `http://127.0.0.1:${mended.port}`
  expectOk(await place.run(['run']))
  expect(puts(mended)).toBe((await chunksOf(place)) - 3)
}, 120_000)

describe('settings reach the requests of the command', () => {
  test('encryption, storage class and tags', async () => {
    const proxy = await faultyProxy(server.port)
    const place = await shopOnS3(proxy.port)
    await place.run(['backup'], {
      LOCKKEEPER_S3_SSE: 'aws:kms:the-key-of-the-team',
      LOCKKEEPER_S3_STORAGE_CLASS: 'STANDARD_IA',
      LOCKKEEPER_S3_TAGS: 'team=payments,app=shop',
    })
    const [head = ''] = proxy.requests.filter(head => head.startsWith('PUT '))
    expect(head).toMatch(/^x-amz-server-side-encryption: aws:kms\r?$/im)
    expect(head).toMatch(/^x-amz-server-side-encryption-aws-kms-key-id: the-key-of-the-team\r?$/im)
    expect(head).toMatch(/^x-amz-storage-class: STANDARD_IA\r?$/im)
    expect(head).toMatch(/^x-amz-tagging: team=payments&app=shop\r?$/im)
  })

  test('a private authority, as the SDK or as Node names it, and a proxy', async () => {
    const files = await certificates(await freshFolder())
    const secure = await startS3Server('versitygw', { tls: files })
    onTestFinished(() => secure.stop())
    const place = await shopOnS3(secure.port)
    const { port, asked } = await connectProxy('user:hunter2')
    Object.assign(place.env, {
      LOCKKEEPER_REPOSITORY: `s3://${await secure.bucket()}/x`,
      AWS_ENDPOINT_URL_S3: secure.endpoint,
    })
    expectRefused(await place.run(['backup']), 78, 'AWS_CA_BUNDLE')
    expectOk(await place.run(['backup'], { AWS_CA_BUNDLE: files.ca }))
    expectOk(await place.run(['backup'], { NODE_EXTRA_CA_CERTS: files.ca }))
    expect(asked).toEqual([])
    const proxied = { AWS_CA_BUNDLE: files.ca, HTTPS_PROXY: `http://user:hunter2@127.0.0.1:${port}` }
    expectOk(await place.run(['backups'], proxied))
    expect(new Set(asked)).toEqual(new Set([`127.0.0.1:${secure.port}`]))
    const before = asked.length
    expectOk(await place.run(['backups'], { ...proxied, NO_PROXY: '127.0.0.1' }))
    expect(asked).toHaveLength(before)
  })

  test('the credentials of the container (Pod Identity)', async () => {
    const asked: (string | undefined)[] = []
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = credentials
    const Expiration = new Date(Date.now() + 3_600_000).toISOString()
    const agent = await listening((request, response) => {
      asked.push(request.headers.authorization)
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ AccessKeyId, SecretAccessKey, Token: '', Expiration }))
    })
    const place = await shopOnS3(server.port)
    Object.assign(place.env, {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${agent}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'the-token-of-the-pod',
    })
    expectOk(await place.run(['backup']))
    expect(asked).toEqual(['the-token-of-the-pod'])
  })

  test('a user whom the system does not know, and who has no home, has a repository all the same', async context => {
    if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to be somebody else')
    const place = await shopOnS3(server.port)
    const { AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, LOCKKEEPER_REPOSITORY } =
      place.env
    expectOk(await place.run(['backup']))
    // Where everybody may read it.
    const folder = await freshFolder()
    await chmod(folder, 0o755)
    await cp(dirname(program), join(folder, 'dist'), { recursive: true })
    await copyFile(process.execPath, join(folder, 'node'))
    await copyFile(fileURLToPath(new URL('../../package.json', import.meta.url)), join(folder, 'package.json'))
    const seen = spawnSync(join(folder, 'node'), [join(folder, 'dist/cli.js'), 'backups'], {
      cwd: '/',
      encoding: 'utf8',
      uid: 12345,
      gid: 12345,
      env: definedOnly({
        AWS_ENDPOINT_URL_S3,
        AWS_REGION,
        AWS_ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY,
        LOCKKEEPER_REPOSITORY,
        DATABASE_URL: '/app.db',
      }),
    })
    expect(seen.stdout).toMatch(/1 backup in s3:/)
  })
})

test('the secret is in no output, whatever Node is told to print of what it does', async () => {
  const place = await shopOnS3(server.port)
  const { output } = await place.run(['backup'], { NODE_DEBUG: 'http,https,net,tls,fetch,undici' })
  expect(output).toMatch(/HTTP \d+:/)
  expect(output).not.toContain(credentials.secretAccessKey)
})

/** How many chunks its only backup has. */
async function chunksOf(place: Workplace): Promise<number> {
  const { backups } = JSON.parse((await place.run(['backups', '--json'])).stdout)
  expect(backups).toHaveLength(1)
  return backups[0].manifest.chunks.count
}
