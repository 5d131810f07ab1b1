import type { ObjectStore } from './object-store.ts'
import type { S3Options } from './s3/options.ts'

export async function s3Store(_url: string, _options: S3Options = {}): Promise<ObjectStore> {
  throw new Error('being written')
}
