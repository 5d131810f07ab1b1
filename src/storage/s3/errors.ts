/**
 * What went wrong with a bucket, as a sentence for a person. Errors of the SDK carry the request with its signature,
 * headers and credentials, and nothing of them is kept but name, message, status and request id.
 */

import { type ErrorCode, LockkeeperError, systemCode } from '../../errors.ts'
import { headersOf, metadataOf, OutOfTime, statusOf } from './attempts.ts'

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

interface Explanation {
  readonly code: ErrorCode
  readonly what: string
  readonly hint: string
}

/** A `LockkeeperError` passes through; everything else becomes one: `denied`, `config` or `storage`. */
export function explainS3Error(error: unknown, at: Circumstances): LockkeeperError {
  if (error instanceof LockkeeperError) return error
  if (error instanceof OutOfTime) {
    const last = error.cause === undefined ? '' : `; the last failure: ${summary(error.cause, at)}`
    return new LockkeeperError('storage', `cannot ${at.doing} in ${at.url}: ${error.message}${last}`, {
      hint: slowHint,
      cause: safe(error.cause, at),
    })
  }
  const { code, what, hint } = explain(error, at)
  const details = { url: at.url, permission: at.permission, ...statusDetails(error) }
  const message = redact(`cannot ${at.doing} in ${at.url}: ${what}`, at)
  return new LockkeeperError(code, message, { hint: redact(hint, at), cause: safe(error, at), details })
}

const slowHint =
  'The object store is slow or out of reach: look at its state and at the network between (NetworkPolicy, proxy), then run the same command again: what was already stored is not stored again.'

function explain(error: unknown, at: Circumstances): Explanation {
  return (
    explainAnswer(error, at) ??
    explainTls(error, at) ??
    explainNetwork(error, at) ??
    explainSettings(error, at) ?? {
      code: 'storage',
      what: summary(error, at),
      hint: `${at.place} answered something that Lockkeeper does not know. Look at its own log${requestHint(error)}, then run the same command again.`,
    }
  )
}

/** What the server said. */
function explainAnswer(error: unknown, at: Circumstances): Explanation | undefined {
  const name = error instanceof Error ? error.name : ''
  const status = statusOf(error)
  const said = summary(error, at)
  const otherRegion = regionIn(error)
  switch (name) {
    case 'NoSuchBucket':
      return {
        code: 'config',
        what: `there is no bucket "${at.bucket}" at ${at.place}`,
        hint: 'Check the name in LOCKKEEPER_REPOSITORY, the endpoint and the account of the credentials; Lockkeeper does not make buckets.',
      }
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return wrongRegion(at, otherRegion, said)
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
    case 'XAdminUserNotFound':
      return {
        code: 'denied',
        what: 'the object store does not know the access key',
        hint: 'Check AWS_ACCESS_KEY_ID (or the profile, or the role of the service account), and that it belongs to this endpoint.',
      }
    case 'SignatureDoesNotMatch':
      return {
        code: 'denied',
        what: 'the secret key does not belong to the access key',
        hint: 'Check AWS_SECRET_ACCESS_KEY: a line end or a space at its end is the usual reason. A proxy that changes headers is another.',
      }
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
    case 'InvalidToken':
    case 'InvalidTokenId':
      return {
        code: 'denied',
        what: `the session token of the credentials is no longer valid (${name})`,
        hint: 'Get new credentials; in Kubernetes let the pod use a role (web identity) instead of a copied token.',
      }
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
      return {
        code: 'storage',
        what: `the clock of this machine differs from that of the object store${skew(error)}`,
        hint: 'Set the clock of the node (chrony, systemd-timesyncd) and run the same command again.',
      }
    case 'InvalidObjectState':
      return {
        code: 'storage',
        what: 'the object is in an archive and has to be restored there first',
        hint: 'Restore it in the object store, and let no lifecycle rule move the objects of a repository to an archive class.',
      }
    case 'QuotaExceeded':
    case 'XMinioStorageFull':
    case 'XMinioAdminBucketQuotaExceeded':
      return {
        code: 'storage',
        what: `the object store is full: ${said}`,
        hint: 'Make room there, or raise the quota. `lockkeeper prune` removes backups that the retention policy no longer keeps.',
      }
    case 'InvalidBucketName':
      return { code: 'config', what: said, hint: 'Check the name of the bucket in LOCKKEEPER_REPOSITORY.' }
    case 'InvalidStorageClass':
    case 'InvalidTag':
    case 'InvalidArgument':
    case 'InvalidRequest':
    case 'InvalidEncryptionAlgorithmError':
      return {
        code: 'config',
        what: said,
        hint: 'The server refuses a setting: look at the storage class, the tags, the encryption and the path style.',
      }
  }
  if (name.startsWith('KMS.')) {
    return { code: 'config', what: said, hint: 'Check the KMS key of the repository, its state and its policy.' }
  }
  if (status === 301) return wrongRegion(at, otherRegion, said)
  if (status === 401 || status === 403) {
    return {
      code: 'denied',
      what: `${at.permission} is not allowed: ${said}`,
      hint: `Let the credentials have ${at.permission} on ${at.url}; docs/storage.md has the whole policy. With a KMS key, kms:GenerateDataKey and kms:Decrypt as well.`,
    }
  }
  if (status === 501 && /encrypt|KMS/i.test(said)) {
    return {
      code: 'config',
      what: said,
      hint: 'This server cannot encrypt that way: set it up there, or leave the encryption of the repository unset.',
    }
  }
  if (status === 501) {
    return {
      code: 'config',
      what: `${at.place} cannot do what is needed: ${said}`,
      hint: 'Use an object store that knows conditional writes (If-None-Match and If-Match on PUT): AWS, MinIO, R2, versitygw, Ceph.',
    }
  }
  if (status !== undefined && (notXml(error) || status === 405)) {
    const { message, hint = '' } = notS3(at.place)
    return { code: status >= 500 ? 'storage' : 'config', what: `${message} (HTTP ${status})`, hint }
  }
  if (status === 503 || status === 429 || name === 'SlowDown') {
    return {
      code: 'storage',
      what: `the object store is overloaded: ${said}`,
      hint: `Run the same command again later, or with less at once. ${slowHint}`,
    }
  }
  if (status !== undefined && status >= 500) {
    return { code: 'storage', what: said, hint: `The object store has a problem of its own. ${slowHint}` }
  }
  return undefined
}

/** Something else than an object store is at the endpoint. */
export function notS3(place: string): LockkeeperError {
  return new LockkeeperError('config', `what answers at ${place} does not speak S3`, {
    hint: 'Check the endpoint: its port (a web console often has another one), http: or https:, and a proxy or ingress before it.',
  })
}

function wrongRegion(at: Circumstances, other: string | undefined, said: string): Explanation {
  return {
    code: 'config',
    what:
      other === undefined
        ? `the region ${at.region} is wrong: ${said}`
        : `the bucket is in region ${other}, not in ${at.region}`,
    hint: other === undefined ? 'Set AWS_REGION to the region of the bucket.' : `Set AWS_REGION to ${other}.`,
  }
}

const tlsCodes =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_|HOSTNAME_MISMATCH$|ERR_TLS_|ERR_SSL_|EPROTO$|INVALID_CA$)/

function explainTls(error: unknown, at: Circumstances): Explanation | undefined {
  const code = systemCode(error) ?? ''
  if (!tlsCodes.test(code)) return undefined
  const what = `no trusted TLS connection to ${at.place}: ${summary(error, at)}`
  if (/wrong.version|packet.length|http.request/i.test(`${code} ${what}`)) {
    return {
      code: 'config',
      what,
      hint: 'Something else than TLS answers there: check the port, and http: or https: of the endpoint.',
    }
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return {
      code: 'config',
      what,
      hint: 'Use the name for which the certificate was made; where it is not made for bucket.host, set LOCKKEEPER_S3_PATH_STYLE=on.',
    }
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return {
      code: 'config',
      what,
      hint: 'Renew the certificate of the object store, or set the clock of this machine.',
    }
  }
  return {
    code: 'config',
    what,
    hint: 'For a private certificate authority set AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS to its certificate in PEM format.',
  }
}

function explainNetwork(error: unknown, at: Circumstances): Explanation | undefined {
  const code = systemCode(error) ?? ''
  const name = error instanceof Error ? error.name : ''
  const storage = (what: string, hint: string): Explanation => ({ code: 'storage', what, hint })
  const style = at.pathStyle ? '' : ' Where the server knows no bucket.host names, set LOCKKEEPER_S3_PATH_STYLE=on.'
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return storage(
        `the name of the object store cannot be resolved: ${summary(error, at)}`,
        `Check the host in the endpoint, and the DNS of the pod.${style}`,
      )
    case 'ECONNREFUSED':
      return storage(
        `nothing listens there: ${summary(error, at)}`,
        'Check host and port of the endpoint, and that the object store runs.',
      )
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return storage(`no way to the object store: ${summary(error, at)}`, 'Check the network and its policies.')
    case 'ERR_PROXY_TUNNEL':
    case 'ERR_PROXY_INVALID_CONFIG':
      return storage(
        `the proxy did not connect to ${at.place}: ${summary(error, at)}`,
        'Check HTTPS_PROXY and its user and password, or let NO_PROXY name the object store.',
      )
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return storage(`the connection to ${at.place} was broken off: ${summary(error, at)}`, slowHint)
  }
  if (name === 'TimeoutError' || code === 'ETIMEDOUT') {
    return storage(`${at.place} did not answer in time: ${summary(error, at)}`, slowHint)
  }
  return undefined
}

/** What failed before anything was sent. */
function explainSettings(error: unknown, at: Circumstances): Explanation | undefined {
  const name = error instanceof Error ? error.name : ''
  if (name !== 'CredentialsProviderError' && name !== 'TokenProviderError' && !/credential/i.test(name))
    return undefined
  return {
    code: 'config',
    what: `there are no credentials for the object store: ${summary(error, at)}`,
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the service account of the pod a role (IRSA, Pod Identity).',
  }
}

/** Name and message of an error in one line, without secrets. */
function summary(error: unknown, at: Circumstances): string {
  if (!(error instanceof Error)) return redact(String(error), at)
  const inner = error instanceof AggregateError ? error.errors.map(one => summary(one, at)).join('; ') : ''
  const text = error.message
    // The rest of what OpenSSL says is a line of its source.
    .replace(/^.*:SSL routines:[^:]*:([^:]+):.*$/s, '$1')
    // Advice of the SDK for its developers.
    .replace(/\s*Deserialization error: to see the raw response.*$/s, '')
  const message = (text || inner || systemCode(error) || 'no message').replace(/\s+/g, ' ').trim()
  // The command line of a credential process, which may contain anything.
  const short = message.replace(/Command failed:.*/i, 'Command failed').slice(0, 400)
  const status = statusOf(error)
  const label = status === undefined ? '' : `${error.name}${error.name === String(status) ? '' : `, HTTP ${status}`}: `
  return redact(`${label}${short}`, at)
}

/** What is kept of an error for the chain of causes. */
function safe(error: unknown, at: Circumstances): Error | undefined {
  if (!(error instanceof Error)) return undefined
  const kept = new Error(summary(error, at))
  kept.name = error.name
  kept.stack = `${kept.name}: ${kept.message}`
  const code = systemCode(error)
  return Object.assign(kept, code === undefined ? {} : { code }, statusDetails(error))
}

function statusDetails(error: unknown): { status?: number; requestId?: string } {
  const { httpStatusCode, requestId } = metadataOf(error)
  return {
    ...(httpStatusCode === undefined ? {} : { status: httpStatusCode }),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

function requestHint(error: unknown): string {
  const { requestId } = metadataOf(error)
  return requestId === undefined ? '' : ` (request id ${requestId})`
}

function redact(text: string, { secrets }: Circumstances): string {
  let clean = text
  for (const secret of secrets) if (secret.length > 3) clean = clean.replaceAll(secret, '[redacted]')
  return clean
    .replace(/(Signature=|X-Amz-Security-Token=|Credential=)[^\s&,"]+/gi, '$1[redacted]')
    .replace(/\/\/[^/\s@]+@/g, '//[redacted]@')
}

/** The region that the server names instead. */
function regionIn(error: unknown): string | undefined {
  const { Region } = (error ?? {}) as { Region?: unknown }
  if (typeof Region === 'string' && Region !== '') return Region
  return headersOf(error)['x-amz-bucket-region'] ?? /expecting '([a-z0-9-]+)'/.exec((error as Error).message)?.[1]
}

function skew(error: unknown): string {
  const theirs = Date.parse(headersOf(error)['date'] ?? '')
  if (Number.isNaN(theirs)) return ''
  const seconds = Math.round((Date.now() - theirs) / 1000)
  return seconds === 0 ? '' : `: it is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`
}

/** Whether the SDK failed to read the answer. */
function notXml(error: unknown): boolean {
  if (error instanceof SyntaxError) return true
  const type = headersOf(error)['content-type'] ?? ''
  return /^text\/(html|plain)/i.test(type)
}
