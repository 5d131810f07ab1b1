/** What went wrong with a bucket, as a sentence for a person. */

import { LockkeeperError, systemCode } from '../../errors.ts'
import { metadataOf, NoCredentials, OutOfTime, statusOf } from './attempts.ts'
import { explainAnswer } from './explain-answer.ts'
import { explainConnection } from './explain-connection.ts'
import { explainCredentials } from './explain-credentials.ts'
import { type Circumstances, type Explanation, redact, safe, slowHint, statusDetails, summary } from './summary.ts'

/**
 * A `LockkeeperError` passes through, and so does what can only be a bug; everything else becomes one:
 * `denied`, `config` or `storage`.
 */
export function explainS3Error(error: unknown, at: Circumstances): unknown {
  const root = error instanceof NoCredentials ? error.cause : error
  if (root instanceof LockkeeperError || isBug(root)) return root
  const { code, what, hint } = error instanceof OutOfTime ? outOfTime(error, at) : explain(error, at)
  const cause = safe(error instanceof OutOfTime || error instanceof NoCredentials ? error.cause : error, at)
  const details = { url: at.url, permission: at.permission, ...statusDetails(error) }
  const message = redact(`cannot ${at.doing} in ${at.url}: ${what}`, at)
  return new LockkeeperError(code, message, { hint: redact(hint, at), cause, details })
}

function explain(error: unknown, at: Circumstances): Explanation {
  if (error instanceof NoCredentials) return explainCredentials(error.cause, at)
  return (
    explainAnswer(error, at) ??
    explainConnection(error, at) ?? {
      code: 'storage',
      what: summary(error, at),
      hint: `${at.place} answered something that Lockkeeper does not know. Look at its own log${requestHint(error)}, then run the same command again.`,
    }
  )
}

function outOfTime(error: OutOfTime, at: Circumstances): Explanation {
  if (error.cause instanceof NoCredentials) return explainCredentials(error.cause.cause, at)
  const last = error.cause === undefined ? '' : `; the last failure: ${summary(error.cause, at)}`
  return { code: 'storage', what: `${error.message}${last}`, hint: slowHint }
}

/** What JavaScript itself throws, unless it is about an answer that could not be read or a setting. */
function isBug(error: unknown): boolean {
  const own = [TypeError, RangeError, ReferenceError].some(kind => error instanceof kind)
  return own && statusOf(error) === undefined && systemCode(error) === undefined
}

function requestHint(error: unknown): string {
  const { requestId } = metadataOf(error)
  return requestId === undefined ? '' : ` (request id ${requestId})`
}
