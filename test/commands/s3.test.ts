/** The deploy job with its repository on a real S3 server, and what it does when the way there is broken. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patience } from '../environment/ask.ts'
import { type FaultyProxy, faultyProxy } from '../storage/faulty-proxy.ts'
import { type S3Server, startS3Server } from '../storage/s3-servers.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
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
    AWS_ACCESS_KEY_ID: 'lockkeeper-test',
    AWS_SECRET_ACCESS_KEY: 'the-secret-of-the-tests',
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

describe('the deploy stops with a named code, and the database is untouched', () => {
  const wrongs: readonly [string, number, string, Record<string, string>][] = [
    ['the bucket does not exist', 78, 'bucket', { LOCKKEEPER_REPOSITORY: 's3://no-such-bucket/x' }],
    ['the access key is unknown', 77, 'key', { AWS_ACCESS_KEY_ID: 'somebody-else' }],
    ['the secret is wrong', 77, 'secret', { AWS_SECRET_ACCESS_KEY: 'another-secret-altogether' }],
    ['the region is another', 78, 'region', { AWS_REGION: 'eu-central-1' }],
    // Port 1 is tcpmux's, which nobody runs.
    ['nobody listens', 69, 'refused', { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' }],
  ]
  test.each(wrongs)('%s: %i', async (_, exit, named, wrong) => {
    const place = await shopOnS3(server.port)
    Object.assign(place.env, wrong)
    const before = traceOf(place.volume)
    const ran = await place.run(['run'])
    expectRefused(ran, exit, new RegExp(named, 'i'))
    expect(traceOf(place.volume)).toEqual(before)
    expect(ran.output).not.toContain(String(place.env['AWS_SECRET_ACCESS_KEY']))
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
  expectRefused(await place.run(['run']), 69)
  expect(applicationOf(place.database)).toEqual(before)

  const mended = await faultyProxy(server.port)
  place.env['AWS_ENDPOINT_URL_S3'] = `http://127.0.0.1:${mended.port}`
  const ran = await place.run(['run', '--json'])
  expectOk(ran)
  const { backup } = JSON.parse(ran.stdout) as { backup: string }
  const listed = JSON.parse((await place.run(['backups', '--json'])).stdout) as {
    backups: { id: string; manifest: { chunks: { count: number }; stored: { chunks: number } } }[]
  }
  const { manifest } = listed.backups.find(({ id }) => id === backup)!
  expect(manifest.stored.chunks).toBe(manifest.chunks.count - 3)
  expect(puts(mended)).toBe(manifest.chunks.count - 3)
}, 120_000)
