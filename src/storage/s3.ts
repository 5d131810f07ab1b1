/** An object store in a bucket: AWS S3 and servers that speak its protocol and know conditional writes. */

import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { checkKey, checkPrefix, isPart } from './keys.ts'
import type { Batch, ObjectInfo, ObjectStore } from './object-store.ts'
import { asError, bare, extrasOf, gone, isAbsence, isRefusal, noRanges, notInOrder } from './s3/answers.ts'
import { type Attempt, mayPass, statusOf } from './s3/attempts.ts'
import { type Part, resumable } from './s3/body.ts'
import { connect } from './s3/client.ts'
import { type Condition, Conditions, type Put, probeName } from './s3/conditions.ts'
import { notS3 } from './s3/explain-answer.ts'
import type { S3Options } from './s3/options.ts'
import { type Purpose, Requests } from './s3/requests.ts'
import { parseS3Url } from './s3/url.ts'

/** Objects in one request to delete; more are refused. */
const deletedAtOnce = 1000

/** Metadata of an object that names the write which made it, so that a write whose answer was lost can be told from somebody else's. */
const writeName = 'lockkeeper-write'

/**
 * The store in `s3://bucket/prefix`. The bucket has to be there. Reads the SDK's configuration and talks to nobody yet;
 * rejects with `config` when a setting is missing or wrong.
 */
export async function s3Store(url: string, options: S3Options = {}): Promise<ObjectStore> {
  const { bucket, prefix, url: clean } = parseS3Url(url)
  return new S3Store(new Requests(await connect(options), bucket, clean, options), prefix, options)
}

class S3Store implements ObjectStore {
  readonly url: string
  readonly #requests: Requests
  readonly #prefix: string
  readonly #extras: Partial<PutObjectCommandInput>
  readonly #conditions: Conditions
  /** Whether an answer has shown that the bucket exists. */
  #bucketSeen = false

  constructor(requests: Requests, prefix: string, options: S3Options) {
    this.url = requests.url
    this.#requests = requests
    this.#prefix = prefix
    this.#extras = extrasOf(options)
    const probe: Put = (purpose, body, condition) => this.#put(purpose, probeName, body, condition)
    this.#conditions = new Conditions(probe, requests.place)
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<'stored' | 'exists'> {
    checkKey(key)
    const purpose: Purpose = [`store ${key}`, 's3:PutObject']
    await this.#conditions.absent(purpose)
    const answer = await this.#put(purpose, key, body, { IfNoneMatch: '*' })
    return answer === 'stored' ? 'stored' : 'exists'
  }

  async putIfUnchanged(key: string, body: Uint8Array, etag: string): Promise<'stored' | 'changed'> {
    checkKey(key)
    const purpose: Purpose = [`replace ${key}`, 's3:PutObject']
    await this.#conditions.unchanged(purpose)
    const answer = await this.#put(purpose, key, body, { IfMatch: `"${etag}"` })
    return answer === 'stored' ? 'stored' : 'changed'
  }

  batch(): Batch {
    // Each object is durable by itself here; a flush only waits for what is on its way. What is given is left to the garbage
    // collector: a server may answer before it has read everything, and then a socket still reads from it.
    const running = new Set<Promise<unknown>>()
    return {
      put: (key, body) => {
        const put = this.putIfAbsent(key, body)
        running.add(put)
        const done = () => void running.delete(put)
        put.then(done, done)
        return put
      },
      flush: async () => void (await Promise.allSettled(running)),
    }
  }

  async get(key: string): Promise<ReadableStream<Uint8Array> | undefined> {
    checkKey(key)
    const purpose: Purpose = [`read ${key}`, 's3:GetObject']
    const first = await this.#requests.run(purpose, ({ signal }) => this.#open(key, signal))
    return (
      first &&
      resumable(
        first,
        async (offset, signal) =>
          (await this.#open(key, signal, { offset, etag: first.etag })) ?? Promise.reject(gone(key)),
        this.#requests.limits,
        error => this.#requests.explained(error, purpose),
      )
    )
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix)
    let token: string | undefined
    let last = ''
    do {
      const { Contents, IsTruncated, NextContinuationToken } = await this.#page(this.#prefix + prefix, 1000, token)
      for (const { Key = '', Size = 0, ETag = '', LastModified } of Contents ?? []) {
        if (Key <= last) throw notInOrder(this.#requests.place, last, Key)
        last = Key
        const key = Key.slice(this.#prefix.length)
        // Others' objects: what shows a folder in a console, and our own probe.
        if (!key.split('/').every(isPart)) continue
        yield { key, size: Size, etag: bare(ETag), modified: LastModified ?? new Date(0) }
      }
      token = IsTruncated ? NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key)
    return this.#requests.run([`look at ${key}`, 's3:GetObject'], async ({ signal }) => {
      const found = await this.#head(key, signal)
      return found && { key, size: found.size, etag: found.etag, modified: found.modified }
    })
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key)
    for (let from = 0; from < keys.length; from += deletedAtOnce)
      await this.#delete(keys.slice(from, from + deletedAtOnce))
  }

  async freeBytes(): Promise<undefined> {}

  async close(): Promise<void> {
    this.#requests.close()
  }

  #put(purpose: Purpose, key: string, body: Uint8Array, condition: Condition): Promise<'stored' | 'refused'> {
    const write = randomUUID()
    const attempt = async ({ signal, unsure }: Attempt) => {
      const command = new PutObjectCommand({
        Bucket: this.#requests.bucket,
        Key: this.#prefix + key,
        Body: body,
        ContentLength: body.byteLength,
        Metadata: { [writeName]: write },
        ...condition,
        ...this.#extras,
      })
      try {
        await this.#requests.client.send(command, { abortSignal: signal })
        return 'stored'
      } catch (error) {
        if (!isRefusal(error, condition)) throw error
        // An attempt before this one may have been the write that now stands in the way.
        return unsure && (await this.#head(key, signal))?.write === write ? 'stored' : 'refused'
      }
    }
    return this.#requests.run(purpose, attempt, true)
  }

  async #open(
    key: string,
    signal: AbortSignal,
    from?: { readonly offset: number; readonly etag: string },
  ): Promise<(Part & { readonly etag: string }) | undefined> {
    const range = from && { Range: `bytes=${from.offset}-`, IfMatch: `"${from.etag}"` }
    const command = new GetObjectCommand({ Bucket: this.#requests.bucket, Key: this.#prefix + key, ...range })
    try {
      const answer = await this.#requests.client.send(command, { abortSignal: signal })
      const body = answer.Body as Readable
      const offset = Number(/^bytes (\d+)-/.exec(answer.ContentRange ?? '')?.[1] ?? 0)
      const page = answer.ETag === undefined || answer.ContentType?.startsWith('text/html')
      if (page || offset !== (from?.offset ?? 0)) {
        body.destroy()
        throw page ? notS3(this.#requests.place) : noRanges(this.#requests.place)
      }
      this.#bucketSeen = true
      return {
        chunks: body[Symbol.asyncIterator](),
        size: answer.ContentLength === undefined ? undefined : offset + answer.ContentLength,
        etag: bare(answer.ETag),
      }
    } catch (error) {
      if (isAbsence(error)) return undefined
      if (from !== undefined && statusOf(error) === 412) throw gone(key)
      throw error
    }
  }

  async #head(
    key: string,
    signal: AbortSignal,
  ): Promise<(Omit<ObjectInfo, 'key'> & { readonly write: string | undefined }) | undefined> {
    const command = new HeadObjectCommand({ Bucket: this.#requests.bucket, Key: this.#prefix + key })
    try {
      const answer = await this.#requests.client.send(command, { abortSignal: signal })
      if (answer.ETag === undefined) throw notS3(this.#requests.place)
      this.#bucketSeen = true
      return {
        size: answer.ContentLength ?? 0,
        etag: bare(answer.ETag),
        modified: answer.LastModified ?? new Date(0),
        write: answer.Metadata?.[writeName],
      }
    } catch (error) {
      const status = statusOf(error)
      if (status === undefined || mayPass(error)) throw error
      if (status !== 404 || !this.#bucketSeen) await this.#whyNot(key, signal, error)
      return undefined
    }
  }

  /** The answer to a HEAD has no body that would say why: whether the bucket, the keys or the object are wrong. */
  async #whyNot(key: string, signal: AbortSignal, error: unknown): Promise<void> {
    const Prefix = this.#prefix + key
    try {
      const command = new ListObjectsV2Command({ Bucket: this.#requests.bucket, Prefix, MaxKeys: 1 })
      await this.#requests.client.send(command, { abortSignal: signal })
      this.#bucketSeen = true
    } catch (reason) {
      // That it may not list is not the reason why it may not read.
      if (!(reason instanceof Error) || reason.name !== 'AccessDenied') throw reason
    }
    if (statusOf(error) !== 404) throw error
  }

  #page(Prefix: string, MaxKeys: number, ContinuationToken: string | undefined) {
    const { client, bucket: Bucket } = this.#requests
    return this.#requests.run(['list objects', 's3:ListBucket'], async ({ signal }) => {
      const command = new ListObjectsV2Command({ Bucket, Prefix, MaxKeys, ContinuationToken })
      const page = await client.send(command, { abortSignal: signal })
      // A web page with 200, such as that of a console on another port, is an empty listing to the SDK.
      if (page.IsTruncated === undefined) throw notS3(this.#requests.place)
      this.#bucketSeen = true
      return page
    })
  }

  #delete(keys: readonly string[]): Promise<void> {
    let left = keys
    return this.#requests.run(['delete objects', 's3:DeleteObject'], async ({ signal }) => {
      const Objects = left.map(key => ({ Key: this.#prefix + key }))
      const command = new DeleteObjectsCommand({ Bucket: this.#requests.bucket, Delete: { Objects, Quiet: true } })
      const { Errors = [] } = await this.#requests.client.send(command, { abortSignal: signal })
      const failures = Errors.filter(({ Code }) => Code !== 'NoSuchKey').map(asError)
      left = failures.map(({ key }) => key.slice(this.#prefix.length))
      // One that will not pass is told rather than one that may.
      const failure = failures.find(one => !mayPass(one)) ?? failures[0]
      if (failure !== undefined) throw failure
    })
  }
}
