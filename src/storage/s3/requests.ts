/** What every request to the bucket has in common: its turn, its attempts, and errors that say what was being done. */

import type { S3Client } from '@aws-sdk/client-s3'
import { limit } from '../limit.ts'
import { type Attempt, type Limits, NoCredentials, OutOfTime, statusOf, withAttempts } from './attempts.ts'
import type { Connection } from './client.ts'
import { explainS3Error } from './errors.ts'
import type { S3Options } from './options.ts'

/** What is being done, for errors: `store backups/1.json` and the permission for it. */
export type Purpose = readonly [doing: string, permission: string]

export class Requests {
  readonly client: S3Client
  readonly bucket: string
  readonly url: string
  readonly place: string
  readonly limits: Limits
  readonly #connection: Connection
  readonly #options: S3Options
  readonly #turn: ReturnType<typeof limit>

  constructor(connection: Connection, bucket: string, url: string, options: S3Options) {
    this.client = connection.client
    this.place = connection.place
    this.bucket = bucket
    this.url = url
    const { operation = 600_000, request = 120_000 } = options.timeouts ?? {}
    this.limits = { attempts: options.attempts ?? 8, request, operation }
    this.#connection = connection
    this.#options = options
    this.#turn = limit(options.concurrency ?? 8)
  }

  /**
   * Waits its turn, tries until it succeeds or cannot, and rejects with a `LockkeeperError`.
   * @param sends it has content: on a slow line an attempt takes as long as it takes, as long as something moves
   */
  run<T>(purpose: Purpose, attempt: (situation: Attempt) => Promise<T>, sends = false): Promise<T> {
    const limits = sends ? { ...this.limits, request: this.limits.operation } : this.limits
    return this.#turn(async () => {
      try {
        return await withAttempts(limits, attempt)
      } catch (error) {
        throw await this.explained(this.#connection.waitsForCredentials() ? slowCredentials(error) : error, purpose)
      }
    })
  }

  async explained(error: unknown, [doing, permission]: Purpose): Promise<unknown> {
    const { bucket, url, place } = this
    const { region, pathStyle } = this.#connection
    const secrets = await this.#secrets(!(error instanceof NoCredentials) && statusOf(error) !== undefined)
    return explainS3Error(error, { doing, permission, bucket, url, place, region, pathStyle, secrets })
  }

  close(): void {
    this.#connection.close()
  }

  /** Whatever must not be repeated when a server or a library says it. `known`: a request was signed, so the SDK has them. */
  async #secrets(known: boolean): Promise<string[]> {
    const secrets: (string | undefined)[] = []
    const { proxy, credentials } = this.#options
    for (const address of [proxy?.https, proxy?.http]) {
      const password = URL.parse(address ?? '')?.password ?? ''
      // It can be decoded, or `connect` would have refused it.
      secrets.push(password, decodeURIComponent(password))
    }
    try {
      const identity = known
        ? await this.client.config.credentials()
        : typeof credentials === 'object'
          ? credentials
          : undefined
      secrets.push(identity?.secretAccessKey, identity?.sessionToken, identity?.accessKeyId)
    } catch {
      // The error that is being explained is the one that matters.
    }
    return secrets.filter(secret => secret !== undefined && secret !== '') as string[]
  }
}

/** Time was over before there were credentials: the object store was not even asked. */
function slowCredentials(error: unknown): unknown {
  return error instanceof OutOfTime ? new NoCredentials(error) : error
}
