/** What goes into requests to S3 and what their answers mean. */

import type { _Error, PutObjectCommandInput } from '@aws-sdk/client-s3'
import { LockkeeperError } from '../../errors.ts'
import { statusOf } from './attempts.ts'
import type { Condition } from './conditions.ts'
import type { S3Options } from './options.ts'

/** What every new object is given besides its content. */
export function extrasOf({ encryption, storageClass, tags }: S3Options): Partial<PutObjectCommandInput> {
  const kms = typeof encryption === 'object' ? { SSEKMSKeyId: encryption.kmsKey } : {}
  return {
    ...(encryption === undefined
      ? {}
      : { ServerSideEncryption: encryption === 'AES256' ? 'AES256' : 'aws:kms', ...kms }),
    ...(storageClass === undefined
      ? {}
      : { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
    ...(tags === undefined ? {} : { Tagging: new URLSearchParams(tags).toString() }),
  }
}

/** The condition did not hold; that the object is not there at all is one way not to match. */
export function isRefusal(error: unknown, condition: Condition): boolean {
  return statusOf(error) === 412 || ('IfMatch' in condition && isAbsence(error))
}

/** By its name, as 404 is also the answer to a wrong bucket and, on some servers, to an unknown access key. */
export function isAbsence(error: unknown): boolean {
  return error instanceof Error && error.name === 'NoSuchKey'
}

/** One of the failures that an answer to a request to delete lists. */
export function asError({ Code = 'UnknownError', Message = '', Key = '' }: _Error): Error & { readonly key: string } {
  const error = new Error(`${Key}: ${Message || Code}`)
  error.name = Code
  const status = Code === 'AccessDenied' ? { $metadata: { httpStatusCode: 403 } } : {}
  return Object.assign(error, { key: Key }, status)
}

/** The etag as both an answer and a listing have it. */
export function bare(etag = ''): string {
  return etag.replace(/^W\//, '').replaceAll('"', '')
}

export function gone(key: string): LockkeeperError {
  return new LockkeeperError('storage', `${key} was replaced or deleted while it was read`, {
    hint: 'Run the same command again.',
  })
}

export function noRanges(place: string): LockkeeperError {
  return new LockkeeperError('storage', `${place} broke off an object and cannot send the rest of it alone`, {
    hint: 'Run the same command again; if it happens often, look at the proxies on the way.',
  })
}

export function notInOrder(place: string, last: string, key: string): LockkeeperError {
  return new LockkeeperError('config', `${place} does not list objects in order: ${key} came after ${last}`, {
    hint: 'Directory buckets (S3 Express One Zone) and some servers do so: use a general purpose bucket.',
  })
}
