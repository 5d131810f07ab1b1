/** What an object store and the network before it do on a bad day. */

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ObjectStore } from '../../src/storage/object-store.ts'
import type { S3Options } from '../../src/storage/s3/options.ts'
import { s3Store } from '../../src/storage/s3.ts'
import { bytes, keys, read, text } from './contents.ts'
import { type Fault, faultyProxy, s3Error } from './faulty-proxy.ts'
import { freePort, type S3Server, startS3Server } from './s3-servers.ts'

const servers: Partial<Record<Which, { server: S3Server; bucket: string }>> = {}
let number = 0

beforeAll(async () => {
  for (const which of ['versitygw', 'minio'] as const) {
    const server = await startS3Server(which)
    servers[which] = { server, bucket: await server.bucket() }
  }
})
afterAll(async () => {
  for (const { server } of Object.values(servers)) await server.stop()
})

type Which = 'versitygw' | 'minio'

/** A store that reaches the server through a proxy, and one that reaches it directly; both have written before. */
async function stores(which: Which, options: S3Options = {}) {
  const { server, bucket } = servers[which]!
  const proxy = await faultyProxy(server.port)
  const prefix = `t${++number}`
  const url = `s3://${bucket}/${prefix}`
  const store = await opened(url, { ...server.options, endpoint: `http://127.0.0.1:${proxy.port}`, ...options })
  const direct = await opened(url, server.options)
  await store.putIfAbsent('before', bytes('before'))
  await store.putIfUnchanged('before', bytes('before'), (await store.head('before'))!.etag)
  return { store, direct, proxy, prefix }
}

describe.each(['versitygw', 'minio'] as const)('with %s behind a bad network', which => {
  it('a request that is cut off half-way leaves nothing, and is made again', async () => {
    const { store, direct, proxy } = await stores(which)
    const body = randomBytes(3_000_000)
    proxy.fault(/^PUT/, { cutRequest: 1_000_000 }, 2)
    expect(await store.putIfAbsent('a', body)).toBe('stored')
    expect(Buffer.compare((await read(direct, 'a'))!, body)).toBe(0)
  })

  it('a lost answer to a first write: it is ours, so it is stored', async () => {
    const { store, direct, proxy } = await stores(which)
    proxy.fault(/^PUT/, { loseAnswer: true }, 2)
    expect(await store.putIfAbsent('a', bytes('mine'))).toBe('stored')
    expect(await text(direct, 'a')).toBe('mine')
    expect(proxy.requests.filter(head => head.startsWith('PUT')).length).toBeGreaterThanOrEqual(3)
  })

  it('a lost answer to a write that came second: it is not ours, also with the same content', async () => {
    const { store, direct, proxy } = await stores(which)
    await direct.putIfAbsent('a', bytes('same'))
    proxy.fault(/^PUT/, { loseAnswer: true })
    expect(await store.putIfAbsent('a', bytes('same'))).toBe('exists')
  })

  it('a lost answer to a replacement: it is ours, so it is stored', async () => {
    const { store, direct, proxy } = await stores(which)
    await store.putIfAbsent('a', bytes('one'))
    proxy.fault(/^PUT/, { loseAnswer: true })
    expect(await store.putIfUnchanged('a', bytes('two'), (await store.head('a'))!.etag)).toBe('stored')
    expect(await text(direct, 'a')).toBe('two')
  })

  it('a lost answer to a replacement that came second: it is not ours', async () => {
    const { store, direct, proxy } = await stores(which)
    await store.putIfAbsent('a', bytes('one'))
    const { etag } = (await store.head('a'))!
    await direct.putIfUnchanged('a', bytes('theirs'), etag)
    proxy.fault(/^PUT/, { loseAnswer: true })
    expect(await store.putIfUnchanged('a', bytes('mine'), etag)).toBe('changed')
    expect(await text(direct, 'a')).toBe('theirs')
  })

  it('a content that arrives changed is refused by the server, and sent again', async () => {
    const { store, direct, proxy } = await stores(which)
    proxy.fault(/^PUT/, { corrupt: true })
    expect(await store.putIfAbsent('a', bytes('untouched'))).toBe('stored')
    expect(await text(direct, 'a')).toBe('untouched')
  })

  it('a list of objects to delete that arrives changed is refused by the server, and sent again', async () => {
    const { store, direct, proxy } = await stores(which)
    await store.putIfAbsent('a', bytes('a'))
    proxy.fault(/^POST/, { corrupt: true })
    await store.deleteMany(['a'])
    expect(await keys(direct, '')).toEqual(['before'])
  })

  it('a content that breaks off half-way is read on from there', async () => {
    const { store, proxy } = await stores(which)
    const body = randomBytes(4_000_000)
    await store.putIfAbsent('a', body)
    proxy.fault(/^GET/, { cutAnswer: 1_500_000 }, 2)
    expect(Buffer.compare((await read(store, 'a'))!, body)).toBe(0)
    const ranges = proxy.requests.map(head => /^range: *(.*)$/im.exec(head)?.[1]).filter(range => range !== undefined)
    expect(ranges.length).toBe(2)
    expect(ranges.every(range => /^bytes=1[34]\d{5}-$|^bytes=2[789]\d{5}-$/.test(range))).toBe(true)
  })

  it('a content that breaks off and is another one then is an error, not a mixture', async () => {
    const { store, direct, proxy } = await stores(which)
    await store.putIfAbsent('a', randomBytes(2_000_000))
    proxy.fault(/^GET/, { cutAnswer: 500_000 })
    const reader = (await store.get('a'))!.getReader()
    await reader.read()
    await direct.putIfUnchanged('a', randomBytes(2_000_000), (await direct.head('a'))!.etag)
    const rest = async () => {
      while (!(await reader.read()).done);
    }
    await expect(rest()).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('was replaced or deleted'),
    })
  })

  it('a listing that breaks off is asked for again', async () => {
    const { store, proxy } = await stores(which)
    const names = Array.from({ length: 50 }, (_, i) => `x/${i}`)
    await Promise.all(names.map(key => store.putIfAbsent(key, bytes(key))))
    proxy.fault(/^GET.*list-type/, { cutAnswer: 2_000 }, 2)
    expect(await keys(store, 'x/')).toEqual(names.toSorted())
  })

  it('objects that could not be deleted are deleted with the next attempt, and one that may not be is named', async () => {
    const { store, proxy, direct, prefix } = await stores(which)
    await store.putIfAbsent('a', bytes('a'))
    const entry = (code: string) => `<Error><Key>${prefix}/a</Key><Code>${code}</Code><Message>No.</Message></Error>`
    const partly = (code: string) => `<?xml version="1.0"?><DeleteResult>${entry(code)}</DeleteResult>`
    proxy.fault(/^POST/, { answer: [200, { 'Content-Type': 'application/xml' }, partly('InternalError')] }, 2)
    await store.deleteMany(['a', 'before'])
    expect(await keys(direct, '')).toEqual(['before'])
    proxy.fault(/^POST/, { answer: [200, { 'Content-Type': 'application/xml' }, partly('AccessDenied')] })
    await expect(store.deleteMany(['a'])).rejects.toMatchObject({
      code: 'denied',
      message: expect.stringMatching(/s3:DeleteObject is not allowed: .*t\d+\/a: No\./),
    })
  })
})

describe('with any server behind a bad network', () => {
  it('a reset before the request is gone through by another attempt', async () => {
    const { store, direct, proxy } = await stores('versitygw')
    proxy.fault(/./, { reset: true }, 3)
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    proxy.fault(/./, { reset: true })
    expect(await text(store, 'a')).toBe('a')
    proxy.fault(/./, { reset: true })
    expect(await keys(store, '')).toEqual(['a', 'before'])
    proxy.fault(/./, { reset: true })
    await store.deleteMany(['a'])
    expect(await direct.head('a')).toBeUndefined()
  })

  it('a content that breaks off again and again is an error that says so', async () => {
    const { store, proxy } = await stores('versitygw', { attempts: 3 })
    await store.putIfAbsent('a', randomBytes(2_000_000))
    proxy.fault(/^GET/, { cutAnswer: 500_000 })
    proxy.fault(/^GET/, { reset: true }, 10)
    await expect(read(store, 'a')).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringMatching(/cannot read a in s3:.*broken off/),
      hint: expect.stringContaining('run the same command again'),
    })
  })

  it('a server that says nothing is given up after the idle time, and asked again', async () => {
    const { store, proxy } = await stores('versitygw', { timeouts: { idle: 300 } })
    proxy.fault(/^PUT/, { stall: true })
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    proxy.fault(/^GET/, { stall: true })
    expect(await text(store, 'a')).toBe('a')
  })

  it('a server that never says anything is an error of the storage', async () => {
    const { store, proxy } = await stores('versitygw', { timeouts: { idle: 200 }, attempts: 2 })
    proxy.fault(/./, { stall: true }, 100)
    const slow = {
      code: 'storage',
      message: expect.stringContaining('did not answer in time'),
      hint: expect.any(String),
    }
    await expect(store.putIfAbsent('a', bytes('a'))).rejects.toMatchObject(slow)
    await expect(store.get('before')).rejects.toMatchObject(slow)
    await expect(store.head('before')).rejects.toMatchObject(slow)
    await expect(keys(store, '')).rejects.toMatchObject(slow)
    await expect(store.deleteMany(['before'])).rejects.toMatchObject(slow)
  })

  it('a server that sends a byte now and then is given up when the time for the whole is over', async () => {
    const { store, proxy } = await stores('versitygw', { timeouts: { operation: 1_500 } })
    await store.putIfAbsent('a', randomBytes(1_000_000))
    proxy.fault(/^(GET|HEAD)/, { trickle: 10 }, 100)
    const late = { code: 'storage', message: expect.stringMatching(/no success within [\d.]+ s/) }
    await expect(read(store, 'a')).rejects.toMatchObject(late)
    await expect(keys(store, '')).rejects.toMatchObject(late)
  })

  it('an answer that comes too slowly is not waited for to its end, but asked for again', async () => {
    const { store, proxy } = await stores('versitygw', { timeouts: { request: 500 } })
    proxy.fault(/^HEAD/, { trickle: 1 }, 2)
    expect((await store.head('before'))?.size).toBe(6)
    expect(proxy.requests.filter(head => head.startsWith('HEAD')).length).toBeGreaterThanOrEqual(3)
  })

  it('what is sent on a slow line takes as long as it takes', async () => {
    const { store, direct, proxy } = await stores('versitygw', { timeouts: { request: 500 } })
    // The answer alone takes longer than a request without content may.
    proxy.fault(/^PUT/, { trickle: 10 }, 1)
    const puts = () => proxy.requests.filter(head => head.startsWith('PUT')).length
    const before = puts()
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    expect(await text(direct, 'a')).toBe('a')
    expect(puts() - before).toBe(1)
  })

  it('a reader that takes its time does not lose the connection for good', async () => {
    const { store, direct } = await stores('versitygw', { timeouts: { idle: 300 } })
    const body = randomBytes(8_000_000)
    await direct.putIfAbsent('a', body)
    const parts: Uint8Array[] = []
    let waited = false
    for await (const part of (await store.get('a'))!) {
      parts.push(part)
      if (!waited) await new Promise(resolve => setTimeout(resolve, 900))
      waited = true
    }
    expect(Buffer.compare(Buffer.concat(parts), body)).toBe(0)
  })

  it('an overloaded server is asked again later', async () => {
    const { store, proxy } = await stores('versitygw')
    const slowDown = s3Error('SlowDown', 'Please reduce your request rate.')
    proxy.fault(/^PUT/, { answer: [503, { 'Content-Type': 'application/xml', 'Retry-After': '1' }, slowDown] }, 1)
    const began = performance.now()
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    expect(performance.now() - began).toBeGreaterThan(950)
    proxy.fault(/^PUT/, { answer: [500, {}, s3Error('InternalError', 'We encountered an internal error.')] }, 2)
    expect(await store.putIfAbsent('b', bytes('b'))).toBe('stored')
  })

  it('a conflict between two conditional writes is tried again', async () => {
    const { store, proxy } = await stores('versitygw')
    const conflict = s3Error(
      'ConditionalRequestConflict',
      'A conflicting conditional operation is currently in progress.',
    )
    proxy.fault(/^PUT/, { answer: [409, { 'Content-Type': 'application/xml' }, conflict] }, 2)
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('stored')
    proxy.fault(/^PUT/, { answer: [409, { 'Content-Type': 'application/xml' }, conflict] }, 1)
    expect(await store.putIfAbsent('a', bytes('a'))).toBe('exists')
  })

  it('does no more at once than it may, and uses its connections again', async () => {
    const { store, proxy } = await stores('versitygw', { concurrency: 3 })
    const before = proxy.connections
    await Promise.all(Array.from({ length: 60 }, (_, i) => store.putIfAbsent(`${i}`, bytes('x'))))
    expect(proxy.connections - before).toBeLessThanOrEqual(3)
    await Promise.all(Array.from({ length: 30 }, (_, i) => text(store, `${i}`)))
    expect(proxy.requests.length).toBeGreaterThan(90)
    expect(proxy.connections - before).toBeLessThanOrEqual(10)
  })
})

describe('a server', () => {
  it('that is not there is an error of the storage that says where nothing listens', async () => {
    const port = await freePort()
    const store = await opened('s3://bucket/x', { endpoint: `http://127.0.0.1:${port}`, attempts: 2, ...anyone })
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringMatching(`nothing listens there: connect ECONNREFUSED 127.0.0.1:${port}`),
    })
  })

  it('that cannot be found is an error of the storage', async () => {
    const store = await opened('s3://bucket/x', { endpoint: 'http://nowhere.invalid', attempts: 2, ...anyone })
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('nowhere.invalid'),
    })
  })

  it('that overwrites in spite of a condition is refused by name before anything is stored', async () => {
    const proxy = await faultyProxy(await freePort())
    const endpoint = `http://127.0.0.1:${proxy.port}`
    const store = await opened('s3://bucket/x', { endpoint, ...anyone })
    proxy.fault(/^PUT/, { answer: [200, { ETag: '"d41d8cd98f00b204e9800998ecf8427e"' }, ''] }, 100)
    await expect(store.putIfAbsent('a', bytes('a'))).rejects.toMatchObject({
      code: 'config',
      message: `${endpoint} ignores "If-None-Match: *": it overwrites objects that it should keep`,
      hint: expect.stringContaining('conditional writes'),
    })
    await expect(store.batch().put('a', bytes('a'))).rejects.toMatchObject({ code: 'config' })
    expect(proxy.requests.every(head => head.startsWith('PUT /bucket/x/.conditional-writes'))).toBe(true)
  })

  it('that knows only the one condition is refused where the other one is needed', async () => {
    const proxy = await faultyProxy(await freePort())
    const store = await opened('s3://bucket/x', { endpoint: `http://127.0.0.1:${proxy.port}`, ...anyone })
    proxy.fault(/^PUT/, { answer: [412, {}, s3Error('PreconditionFailed', 'It is there.')] }, 1)
    proxy.fault(/^PUT/, { answer: [200, { ETag: '"d41d8cd98f00b204e9800998ecf8427e"' }, ''] }, 100)
    await expect(store.putIfUnchanged('a', bytes('a'), 'x')).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('ignores "If-Match"'),
    })
  })

  it('that sends the rest of an object in several parts is asked for each', async () => {
    const { store, proxy } = await answered(
      [200, { ETag: '"e"', 'Content-Length': '10' }, '0123'],
      [206, { ETag: '"e"', 'Content-Range': 'bytes 4-5/10' }, '45'],
      [206, { ETag: '"e"', 'Content-Range': 'bytes 6-9/10' }, '6789'],
    )
    expect(await text(store, 'a')).toBe('0123456789')
    expect(proxy.requests.map(head => /^range: *(.*)$/im.exec(head)?.[1])).toEqual([undefined, 'bytes=4-', 'bytes=6-'])
  })

  it('that does not say how long an object is, is believed', async () => {
    const { store } = await answered([200, { ETag: '"e"', 'Transfer-Encoding': 'chunked' }, '3\r\nabc\r\n0\r\n\r\n'])
    expect(await text(store, 'a')).toBe('abc')
  })

  it('that knows no ranges cannot send the rest', async () => {
    const { store } = await answered(
      [200, { ETag: '"e"', 'Content-Length': '10' }, '0123'],
      [200, { ETag: '"e"' }, '0123456789'],
    )
    await expect(text(store, 'a')).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('cannot send the rest of it alone'),
    })
  })

  it('that lists in another order is refused', async () => {
    const proxy = await faultyProxy(await freePort())
    const store = await opened('s3://bucket', { endpoint: `http://127.0.0.1:${proxy.port}`, ...anyone })
    const object = (key: string) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`
    const page = `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${object('b')}${object('a')}</ListBucketResult>`
    proxy.fault(/^GET/, { answer: [200, { 'Content-Type': 'application/xml' }, page] })
    await expect(keys(store, '')).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('a came after b'),
    })
  })
})

const anyone = { credentials: { accessKeyId: 'anyone', secretAccessKey: 'the-secret-of-anyone' } }

/** A store on something that gives these answers, one after the other. */
async function answered(...answers: Extract<Fault, { answer: unknown }>['answer'][]) {
  const proxy = await faultyProxy(await freePort())
  for (const answer of answers) proxy.fault(/./, { answer })
  return { proxy, store: await opened('s3://bucket', { endpoint: `http://127.0.0.1:${proxy.port}`, ...anyone }) }
}

async function opened(url: string, options: S3Options): Promise<ObjectStore> {
  const store = await s3Store(url, options)
  onTestFinished(() => store.close())
  return store
}
