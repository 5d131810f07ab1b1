/**
 * One chunk as an object: exactly one zstd frame, so that chunks in order, concatenated, are one valid zstd stream.
 *
 * Level 1: on a database of 254 MB with text, indexes and random parts it takes 1.5 to 1.8 s of processor time and
 * leaves 36.3 %; level 3 takes 2.0 to 2.7 s and leaves 35.5 %. A deploy waits for it, so the faster one.
 * The frame carries zstd's own checksum: plain tools see damage too.
 */

import { hash } from 'node:crypto'
import { constants, createZstdCompress, type ZstdOptions, zstdDecompress } from 'node:zlib'
import { messageOf } from '../errors.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { release } from '../storage/release.ts'
import { largest, parseChunkKey } from './format.ts'
import { readObject, twice } from './objects.ts'
import { invalid } from './untrusted.ts'

const compressionLevel = 1

/** By how much a frame may be larger than what is in it: zstd's own bound, with headers and checksum. */
const overheadOf = (bytes: number) => (bytes >>> 8) + 128

/** Node takes no less. */
const leastOutput = 64

/** Powers of two: a frame may ask for a window of 2 MiB, or of one chunk where that is larger, and for no more memory. */
const leastWindow = 21

/** The frame of one chunk, which nothing else holds. Runs on Node's thread pool. */
export function compress(plain: Uint8Array): Promise<Buffer<ArrayBuffer>> {
  const options: ZstdOptions = {
    // All of it in one go; what is not written to costs no memory.
    chunkSize: plain.byteLength + overheadOf(plain.byteLength),
    pledgedSrcSize: plain.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: compressionLevel, [constants.ZSTD_c_checksumFlag]: 1 },
  }
  return new Promise((resolve, reject) => {
    const parts: Buffer<ArrayBuffer>[] = []
    createZstdCompress(options)
      .on('data', part => parts.push(part))
      .on('error', reject)
      .on('end', () => resolve(joined(parts)))
      .end(plain)
  })
}

/** What was written in one buffer piece by piece is whole in there; `zstdCompress` makes a copy. */
function joined(parts: readonly Buffer<ArrayBuffer>[]): Buffer<ArrayBuffer> {
  const [first] = parts
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0)
  if (first === undefined || parts.some(({ buffer }) => buffer !== first.buffer)) return Buffer.concat(parts)
  return Buffer.from(first.buffer, first.byteOffset, bytes)
}

/** The plain bytes of the chunk under a key, as `openChunk` says; undefined when there is none. */
export function readChunk(store: ObjectStore, key: string, most: number): Promise<Buffer<ArrayBuffer> | undefined> {
  return twice(async () => {
    const object = await readObject(store, key, largest.chunk(most))
    if (object === undefined) return undefined
    const plain = await openChunk(key, object, most)
    release(object)
    return plain
  })
}

/**
 * The plain bytes of a chunk that came from a repository. Rejects with `invalid`, naming it, unless it is exactly one
 * frame of at most `most` plain bytes that have the hash in the key; never inflates more than that.
 */
export async function openChunk(key: string, object: Uint8Array, most: number): Promise<Buffer<ArrayBuffer>> {
  const sha256 = parseChunkKey(key)?.sha256
  if (sha256 === undefined) throw invalid(key, 'is not the name of a chunk')
  const plain = await decompress(key, object, most)
  const found = hash('sha256', plain)
  if (found !== sha256) throw invalid(key, `holds other bytes than its name says: their SHA-256 is ${found}`)
  return plain
}

function decompress(key: string, object: Uint8Array, most: number): Promise<Buffer<ArrayBuffer>> {
  const options: ZstdOptions = {
    info: true,
    // All of it in one go, and one byte more, so that a frame that holds more is found out.
    chunkSize: Math.max(leastOutput, most + 1),
    maxOutputLength: most,
    params: { [constants.ZSTD_d_windowLogMax]: Math.max(leastWindow, Math.ceil(Math.log2(most))) },
  }
  return new Promise((resolve, reject) => {
    zstdDecompress(object, options, (error, result) => {
      if (error !== null) {
        const tooLarge = 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
        const complaint = tooLarge ? `holds more than ${most} bytes` : `is not a zstd frame: ${messageOf(error)}`
        return reject(invalid(key, complaint, error))
      }
      // With `info` it is called with the engine too, which knows where the frame ended; the types do not have it.
      const { buffer, engine } = result as unknown as { buffer: Buffer<ArrayBuffer>; engine: { bytesWritten: number } }
      // Node passes over what follows the first frame; `zstd -d` would not.
      if (engine.bytesWritten === object.byteLength) return resolve(buffer)
      reject(invalid(key, `has ${object.byteLength - engine.bytesWritten} bytes after the end of its zstd frame`))
    })
  })
}
