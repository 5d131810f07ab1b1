/** What an object store means by its answer, by the code in its error document and the HTTP status. */

import { LockkeeperError } from '../../errors.ts'
import { headersOf, statusOf } from './attempts.ts'
import { type Circumstances, type Explanation, slowHint, summary } from './summary.ts'

/** Undefined when there was no answer, or one that says nothing that is known. */
export function explainAnswer(error: unknown, at: Circumstances): Explanation | undefined {
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
