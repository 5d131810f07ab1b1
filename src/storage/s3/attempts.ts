/** Tries a request again while its failure may pass: with growing waits, spread by chance, within one time limit. */

import { setTimeout as sleep } from 'node:timers/promises'
import { LockkeeperError, systemCode } from '../../errors.ts'

/** Milliseconds before the second attempt; doubled for each further one. */
const firstWait = 250
const longestWait = 10_000

export interface Limits {
  readonly attempts: number
  /** Milliseconds for one attempt at a request without content. */
  readonly request: number
  /** Milliseconds for all attempts and the waits between them. */
  readonly operation: number
}

/** What `attempt` is given to know about its own situation. */
export interface Attempt {
  readonly signal: AbortSignal
  /** Whether an attempt before this one failed in a way that leaves open whether the server did what it was asked. */
  readonly unsure: boolean
}

/** The time for an operation is over; `cause` is the last failure, if there was one. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime'
}

/** The credentials for a request could not be had, which says nothing about the object store; `cause` is why. */
export class NoCredentials extends Error {
  override readonly name = 'NoCredentials'

  constructor(cause: unknown) {
    super('no credentials', { cause })
  }
}

/** Rejects with the last failure, as it was thrown, or with `OutOfTime`. */
export async function withAttempts<T>(limits: Limits, attempt: (situation: Attempt) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  // Cleared afterwards: what an attempt opened may be read for longer.
  const timer = setTimeout(() => controller.abort(), limits.operation)
  try {
    let failure: unknown
    for (let number = 1; ; number++) {
      try {
        return await inTime(limits, controller.signal, signal => attempt({ signal, unsure: failure !== undefined }))
      } catch (error) {
        if (controller.signal.aborted) throw outOfTime(limits, failure)
        if (number >= limits.attempts || !mayPass(error)) throw error
        failure = error
        await pause(number, error, controller.signal).catch(() => {
          throw outOfTime(limits, failure)
        })
      }
    }
  } finally {
    clearTimeout(timer)
  }
}

/** One attempt; a server that answers a byte now and then is given up on and asked again. */
async function inTime<T>(
  { request }: Limits,
  whole: AbortSignal,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), request)
  const signal = AbortSignal.any([whole, late.signal])
  try {
    // What comes before the request, such as getting credentials, does not hear the signal.
    return await abortable(attempt(signal), signal)
  } catch (error) {
    if (!late.signal.aborted || whole.aborted) throw error
    throw Object.assign(new Error(`no whole answer within ${request / 1000} s`), { name: 'TimeoutError' })
  } finally {
    clearTimeout(timer)
  }
}

/** The promise, or the reason of the signal as soon as it is aborted. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

const passingSystemErrors = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_PROXY_TUNNEL',
])

const passingAnswers = new Set([
  'BadDigest',
  'ConditionalRequestConflict',
  'IncompleteBody',
  'InternalError',
  // What MinIO says to a list of objects to delete that arrived changed.
  'MalformedXML',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'TemporaryRedirect',
  'Throttling',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequests',
  'XAmzContentSHA256Mismatch',
])

/** Whether the same request may succeed a little later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof NoCredentials) return mayPass(error.cause)
  if (error instanceof LockkeeperError || !(error instanceof Error)) return false
  if (passingAnswers.has(error.name) || passingSystemErrors.has(systemCode(error) ?? '')) return true
  // The SDK has learnt the server's time from the answer.
  if (metadataOf(error).clockSkewCorrected) return true
  const status = statusOf(error)
  return status === 408 || status === 429 || (status !== undefined && status >= 500 && status !== 501)
}

/** The HTTP status of the answer that an error of the SDK is about. */
export function statusOf(error: unknown): number | undefined {
  return metadataOf(error).httpStatusCode
}

interface Metadata {
  readonly httpStatusCode?: number
  readonly requestId?: string
  readonly clockSkewCorrected?: boolean
}

export function metadataOf(error: unknown): Metadata {
  return (error as { $metadata?: Metadata } | undefined)?.$metadata ?? {}
}

async function pause(number: number, error: unknown, signal: AbortSignal): Promise<void> {
  const wait = Math.min(firstWait * 2 ** (number - 1), longestWait)
  // Half of it by chance, so that many clients that failed together do not come back together.
  const asked = Number(headersOf(error)['retry-after']) * 1000
  const spread = wait / 2 + (Math.random() * wait) / 2
  await sleep(Number.isFinite(asked) ? Math.min(Math.max(asked, spread), longestWait) : spread, undefined, { signal })
}

function outOfTime({ operation }: Limits, failure: unknown): OutOfTime {
  return new OutOfTime(`no success within ${operation / 1000} s`, { cause: failure })
}

/** The headers of the answer that an error of the SDK is about. */
export function headersOf(error: unknown): Readonly<Record<string, string>> {
  const { $response } = (error ?? {}) as { $response?: { headers?: Record<string, string> } }
  return $response?.headers ?? {}
}
