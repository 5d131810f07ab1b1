/** What a disk does to an object of a repository over the years. */
import { randomInt } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'

/** Of a frame of zstd there are a few bits that nobody reads, about one of 7,000: this flips one that matters. */
export function withOneBitFlipped(object: Buffer, key: string): Buffer {
  const flipped = Buffer.from(object)
  const at = randomInt(object.length)
  flipped[at] = (object[at] ?? 0) ^ (1 << randomInt(8))
  return key.endsWith('.zst') && sameInside(flipped, object) ? withOneBitFlipped(object, key) : flipped
}

function sameInside(frame: Buffer, other: Buffer): boolean {
  try {
    return zstdDecompressSync(frame).equals(zstdDecompressSync(other))
  } catch {
    return false
  }
}
