/**
 * What is kept of an error of the SDK. It carries the request with its signature, headers and credentials, so nothing of
 * it goes on but name, message, status and request id, and of those nothing that is known to be secret.
 */

import { type ErrorCode, systemCode } from '../../errors.ts'
import { metadataOf, statusOf } from './attempts.ts'

/** What was being done, and where. */
export interface Circumstances {
  /** `store backups/1.json`. */
  readonly doing: string
  /** The permission that it needs: `s3:PutObject`. */
  readonly permission: string
  readonly url: string
  readonly bucket: string
  readonly place: string
  readonly region: string
  readonly pathStyle: boolean
  /** What may not appear in any message. */
  readonly secrets: readonly string[]
}

/** The next step when it is not known what is wrong over there. */
export const slowHint =
  'The object store is slow or out of reach: look at its state and at the network between (NetworkPolicy, proxy), then run the same command again: what was already stored is not stored again.'

/** What it means and what to do. */
export interface Explanation {
  readonly code: ErrorCode
  readonly what: string
  readonly hint: string
}

/** Name and message of an error in one line, without secrets. */
export function summary(error: unknown, at: Circumstances): string {
  if (!(error instanceof Error)) return redact(String(error), at)
  const inner = error instanceof AggregateError ? error.errors.map(one => summary(one, at)).join('; ') : ''
  const text = error.message
    // The rest of what OpenSSL says is a line of its source.
    .replace(/^.*:SSL routines:[^:]*:([^:]+):.*$/s, '$1')
    // Advice of the SDK for its developers.
    .replace(/\s*Deserialization error: to see the raw response.*$/s, '')
  const message = (text || inner || systemCode(error) || 'no message').replace(/\s+/g, ' ').trim()
  // The command line of a credential process, which may contain anything.
  const short = message.replace(/Command failed:.*/i, 'Command failed')
  const status = statusOf(error)
  const label = status === undefined ? '' : `${error.name}${error.name === String(status) ? '' : `, HTTP ${status}`}: `
  // Cut afterwards, as half a secret would not be found.
  return redact(`${label}${short}`, at).slice(0, 400)
}

/** What is kept of an error for the chain of causes. */
export function safe(error: unknown, at: Circumstances): Error | undefined {
  if (!(error instanceof Error)) return undefined
  const kept = new Error(summary(error, at))
  kept.name = redact(error.name, at)
  kept.stack = `${kept.name}: ${kept.message}`
  const code = systemCode(error)
  return Object.assign(kept, code === undefined ? {} : { code }, statusDetails(error))
}

/** For the details of an error. */
export function statusDetails(error: unknown): { status?: number; requestId?: string } {
  const { httpStatusCode, requestId } = metadataOf(error)
  return {
    ...(httpStatusCode === undefined ? {} : { status: httpStatusCode }),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

/** Without secrets, and without what looks like one. */
export function redact(text: string, { secrets }: Circumstances): string {
  let clean = text
  for (const secret of secrets) if (secret.length > 3) clean = clean.replaceAll(secret, '[redacted]')
  return clean
    .replace(/(Signature=|X-Amz-Security-Token=|Credential=)[^\s&,"]+/gi, '$1[redacted]')
    .replace(/\/\/[^/\s@]+@/g, '//[redacted]@')
}
