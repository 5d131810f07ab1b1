/** A JSON object of a repository as Lockkeeper writes it, with its hash in it, whatever it holds. */
import { type Json, sealOf } from '../../src/backup/canonical.ts'

export function sealed(fields: object): string {
  return JSON.stringify({ ...fields, sha256: sealOf(fields as Json) })
}
