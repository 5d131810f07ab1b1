/**
 * Whether the server keeps the conditions of a write. There are servers that do not know `If-None-Match` and `If-Match`
 * on PUT and overwrite without a word; then two jobs would destroy each other's backups. So each store, before its first
 * write of a kind, writes one object of its own under a condition that does not hold: always the same content, so that
 * it does no harm where the condition is ignored. Afterwards it is there, and one refused request proves it.
 */

import { LockkeeperError } from '../../errors.ts'
import type { Purpose } from './requests.ts'

/** The leading dot keeps it out of listings, as no key begins with one. */
export const probeName = '.conditional-writes'

const probeBody = new TextEncoder().encode(
  'Lockkeeper tries to write this object again to see that the object store refuses it, as conditional writes require.\n',
)

/** One conditional PUT of the probe on behalf of a write; `refused` when the condition did not hold. */
export type Put = (purpose: Purpose, body: Uint8Array, condition: Condition) => Promise<'stored' | 'refused'>
export type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string }

export class Conditions {
  readonly #put: Put
  readonly #place: string
  #absent: Promise<void> | undefined
  #unchanged: Promise<void> | undefined

  constructor(put: Put, place: string) {
    this.#put = put
    this.#place = place
  }

  /** Resolves when `If-None-Match: *` is known to be kept. Rejects with `config` when it is not. */
  absent(purpose: Purpose): Promise<void> {
    this.#absent ??= this.#tryAbsent(purpose).catch(error => {
      this.#absent = undefined
      throw error
    })
    return this.#absent
  }

  /** The same for `If-Match`. */
  unchanged(purpose: Purpose): Promise<void> {
    this.#unchanged ??= this.#tryUnchanged(purpose).catch(error => {
      this.#unchanged = undefined
      throw error
    })
    return this.#unchanged
  }

  async #tryAbsent(purpose: Purpose): Promise<void> {
    if ((await this.#put(purpose, probeBody, { IfNoneMatch: '*' })) === 'refused') return
    if ((await this.#put(purpose, probeBody, { IfNoneMatch: '*' })) === 'refused') return
    throw this.#ignored('If-None-Match: *')
  }

  async #tryUnchanged(purpose: Purpose): Promise<void> {
    await this.absent(purpose)
    // The MD5 of something else, and of the length that servers expect.
    if ((await this.#put(purpose, probeBody, { IfMatch: '"00000000000000000000000000000000"' })) === 'refused') return
    throw this.#ignored('If-Match')
  }

  #ignored(header: string): LockkeeperError {
    return new LockkeeperError(
      'config',
      `${this.#place} ignores "${header}": it overwrites objects that it should keep`,
      {
        hint: "Lockkeeper needs an object store with conditional writes, as otherwise two jobs could destroy each other's backups: AWS, MinIO, R2, versitygw and Ceph have them in their current versions. Update this one, or a proxy before it that drops the header.",
      },
    )
  }
}
