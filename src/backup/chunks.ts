/**
 * The file of a database as a row of chunks. It is read twice: first to hash each chunk and the whole, which tells what
 * is new and lets the backup be announced before it relies on anything; then only where chunks are missing, to compress
 * and store them. The second reading checks the first, so a file that changes in between is found out.
 *
 * Memory: a bounded number of chunks in flight (`concurrency.ts`), and about 200 bytes for each chunk of the database,
 * 0.2 MB by the GB. Hashing takes turns with reading: on two cores SHA-256 (1.5 GB/s) is faster than the disk.
 */

import { createHash, hash } from 'node:crypto'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { explainSystemError, LockkeeperError } from '../errors.ts'
import { compress } from './chunk-object.ts'
import { chunksInFlight, forEach, inOrder } from './concurrency.ts'

export interface FileChunks {
  /** Size of the file in bytes. */
  readonly bytes: number
  /** SHA-256 of the whole, in hex. */
  readonly sha256: string
  /** Number of chunks, repeated ones included. */
  readonly count: number
  /** SHA-256 of the chunk at a position, in hex. */
  at(position: number): string
  /** Each different chunk by its hash, with the position at which it first occurs. */
  readonly distinct: ReadonlyMap<string, number>
}

const digestBytes = 32

/**
 * What a file is read through. Inside an application the file of its database must not be opened in its process, for
 * closing it would take away the application's own locks; then this is another process that reads it.
 */
export interface ByteSource {
  /** Fills the buffer from a position in the file. @returns how many bytes came, perhaps fewer; 0 at the end of the file */
  read(buffer: Buffer, position: number): Promise<number>
}

/** A file that does not change as long as this is open. Close it. */
export class ChunkedFile {
  readonly path: string
  readonly #source: ByteSource | FileHandle
  readonly #chunkSize: number
  readonly #bytes: number
  readonly #state: string

  private constructor(path: string, source: ByteSource | FileHandle, chunkSize: number, { size, state }: FileState) {
    this.path = path
    this.#source = source
    this.#chunkSize = chunkSize
    this.#bytes = size
    this.#state = state
  }

  /**
   * Rejects with `missing`, `denied` or `io` when the file cannot be opened.
   * @param through default: this process
   */
  static async open(path: string, chunkSize: number, through?: ByteSource): Promise<ChunkedFile> {
    try {
      return new ChunkedFile(path, through ?? (await open(path, 'r')), chunkSize, await stateOf(path))
    } catch (error) {
      throw explainSystemError(error, `cannot read ${path} for a backup`)
    }
  }

  async close(): Promise<void> {
    if ('fd' in this.#source) await this.#source.close()
  }

  /** Bytes of the chunk at a position. */
  lengthAt(position: number): number {
    return Math.min(this.#chunkSize, this.#bytes - position * this.#chunkSize)
  }

  /** Hashes each chunk and the whole. `onBytes` gets the bytes read so far, and the size. */
  async hash(onBytes: (done: number, total: number) => void, signal?: AbortSignal): Promise<FileChunks> {
    const count = Math.ceil(this.#bytes / this.#chunkSize)
    const atOnce = chunksInFlight(this.#chunkSize)
    const buffers = Array.from({ length: Math.min(count, atOnce) }, () => Buffer.allocUnsafeSlow(this.#chunkSize))
    // The order in which `inOrder` works lets a buffer be used again: its chunk has been consumed by then.
    const plain = inOrder(range(count), atOnce, index => this.#read(index, buffers[index % atOnce] as Buffer))
    const whole = createHash('sha256')
    const digests = Buffer.alloc(count * digestBytes)
    const distinct = new Map<string, number>()
    let position = 0
    let done = 0
    for await (const chunk of plain) {
      signal?.throwIfAborted()
      whole.update(chunk)
      const sha256 = hash('sha256', chunk)
      digests.write(sha256, position * digestBytes, 'hex')
      if (!distinct.has(sha256)) distinct.set(sha256, position)
      position++
      done += chunk.byteLength
      onBytes(done, this.#bytes)
    }
    await this.#unchanged()
    const at = (index: number) => digests.toString('hex', index * digestBytes, (index + 1) * digestBytes)
    return { bytes: this.#bytes, sha256: whole.digest('hex'), count, at, distinct }
  }

  /**
   * Reads these chunks again, compresses them and gives each one away to `store`, several at once. Rejects with `busy`
   * when one is not what it was, and then nothing of this may be relied on.
   */
  async store(
    chunks: Iterable<readonly [sha256: string, position: number]>,
    store: (sha256: string, frame: Buffer, plainBytes: number) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const free: Buffer[] = []
    await forEach(chunks, chunksInFlight(this.#chunkSize), async ([sha256, position]) => {
      signal?.throwIfAborted()
      const buffer = free.pop() ?? Buffer.allocUnsafeSlow(this.#chunkSize)
      const plain = await this.#read(position, buffer)
      if (hash('sha256', plain) !== sha256) throw this.#changed()
      const frame = await compress(plain)
      free.push(buffer)
      await store(sha256, frame, plain.byteLength)
    })
    await this.#unchanged()
  }

  /** How many bytes of these chunks are left when they are compressed. */
  async compressedBytes(positions: readonly number[]): Promise<number> {
    let bytes = 0
    for (const position of positions) {
      const buffer = Buffer.allocUnsafeSlow(this.#chunkSize)
      bytes += (await compress(await this.#read(position, buffer))).byteLength
    }
    return bytes
  }

  async #read(position: number, buffer: Buffer): Promise<Buffer> {
    const length = this.lengthAt(position)
    const start = position * this.#chunkSize
    try {
      for (let read = 0; read < length; ) {
        const bytes = await this.#readAt(buffer.subarray(read, length), start + read)
        if (bytes === 0) throw this.#changed()
        read += bytes
      }
    } catch (error) {
      throw explainSystemError(error, `cannot read ${this.path} for a backup`)
    }
    return buffer.subarray(0, length)
  }

  async #readAt(buffer: Buffer, position: number): Promise<number> {
    if (!('fd' in this.#source)) return this.#source.read(buffer, position)
    return (await this.#source.read(buffer, 0, buffer.byteLength, position)).bytesRead
  }

  async #unchanged(): Promise<void> {
    const { state } = await stateOf(this.path).catch((error: unknown) => {
      throw explainSystemError(error, `cannot read ${this.path} for a backup`)
    })
    if (state !== this.#state) throw this.#changed()
  }

  #changed(): LockkeeperError {
    return new LockkeeperError('busy', `${this.path} changed while it was read for a backup`, {
      hint: 'Something writes to it without taking part in the locks of SQLite. No backup was made: find out what it is, then run the same command again.',
      details: { path: this.path },
    })
  }
}

interface FileState {
  readonly size: number
  /** Changes when the file is written or another one takes its place. */
  readonly state: string
}

/** By path, which leaves the locks of a process alone. */
async function stateOf(path: string): Promise<FileState> {
  const { dev, ino, mtimeNs, size } = await stat(path, { bigint: true })
  return { size: Number(size), state: [dev, ino, size, mtimeNs].join(' ') }
}

function* range(count: number): Iterable<number> {
  for (let number = 0; number < count; number++) yield number
}
