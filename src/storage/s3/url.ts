/** `s3://bucket/prefix`, taken apart. */

import { LockkeeperError } from '../../errors.ts'
import { isPart } from '../keys.ts'

/** Bytes of the prefix; with a key of 512 that fits into the 1,024 that S3 allows. */
const longestPrefix = 500

/** The prefix ends with a slash unless it is empty. Throws `config`; no message repeats the URL, as people write keys into it. */
export function parseS3Url(url: string): { readonly bucket: string; readonly prefix: string; readonly url: string } {
  const refused = (why: string) =>
    new LockkeeperError('config', `the URL of the repository ${why}`, { hint: 'Write s3://bucket/prefix.' })
  const rest = /^s3:\/\/(.*)$/is.exec(url)?.[1]
  if (rest === undefined) throw refused('does not begin with s3://')
  if (rest.includes('@')) throw refused('contains an @: credentials have settings of their own')
  if (/[?#]/.test(rest)) throw refused('may not contain ? or #: endpoint, region and others have settings of their own')
  const [bucket = '', ...parts] = rest.replace(/\/+$/, '').split('/')
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw refused('names no bucket: 3 to 63 of a-z 0-9 . - come after s3://')
  }
  const prefix = parts.map(part => `${part}/`).join('')
  if (!parts.every(isPart) || prefix.length > longestPrefix) {
    throw refused('has a prefix with other characters than A-Z a-z 0-9 . _ + - / or with an empty part')
  }
  return { bucket, prefix, url: `s3://${[bucket, ...parts].join('/')}` }
}
