/** The content of an object as a stream that survives a broken connection: it goes on where it broke off. */

import { LockkeeperError } from '../../errors.ts'
import { abortable, type Limits, withAttempts } from './attempts.ts'

/** A part of an object from some byte on, as a server sends it. */
export interface Part {
  readonly chunks: AsyncIterator<Uint8Array>
  /** Bytes of the whole object; unknown when a proxy on the way leaves the length out. */
  readonly size: number | undefined
}

/**
 * A stream of `first`, and, should it break off, of what `open(offset)` gives from there on. `explain` makes the error
 * that the stream ends with when that does not help either. Nothing is read before it is asked for.
 */
export function resumable(
  first: Part,
  open: (offset: number, signal: AbortSignal) => Promise<Part>,
  limits: Limits,
  explain: (error: unknown) => Promise<unknown>,
): ReadableStream<Uint8Array> {
  const size = first.size ?? 0
  let part: Part | undefined = first
  let offset = 0
  // For all of the waiting together, however often it goes on: a server that sends a byte now and then gets no further.
  let left = limits.operation

  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const began = performance.now()
    try {
      return await withAttempts({ ...limits, operation: Math.max(1, Math.ceil(left)) }, async ({ signal }) => {
        part ??= await open(offset, signal)
        try {
          const result = await abortable(part.chunks.next(), signal)
          // A server may send less than the rest that it was asked for.
          if (result.done && offset < size) throw brokenOff(offset, size)
          return result
        } catch (error) {
          part.chunks.return?.().catch(() => {})
          part = undefined
          throw error
        }
      })
    } finally {
      left -= performance.now() - began
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await next()
          if (done) return controller.close()
          offset += value.byteLength
          if (first.size !== undefined && offset > size) throw tooMuch(offset, size)
          controller.enqueue(value)
          // Closed with its last byte, so that the connection is free although nobody asks again.
          if (offset === first.size) {
            await part?.chunks.next().catch(() => {})
            controller.close()
          }
        } catch (error) {
          controller.error(await explain(error))
        }
      },
      async cancel() {
        await part?.chunks.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

function brokenOff(offset: number, size: number): Error {
  return Object.assign(new Error(`it ended after ${offset} of ${size} bytes`), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

function tooMuch(offset: number, size: number): LockkeeperError {
  return new LockkeeperError('storage', `the object store sent ${offset} bytes of an object of ${size}`, {
    hint: 'It was changed while it was read, or the object store does not know ranges: run the same command again.',
  })
}
