import { execFileSync } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compress, openChunk } from '../../src/backup/chunk-object.ts'
import { chunkKey, largest } from '../../src/backup/format.ts'
import { freshFolder, refusal } from './support.ts'

const size = 65536
const plain = Buffer.concat([randomBytes(3000), Buffer.from('page '.repeat(2000)), Buffer.alloc(20_000)])
const keyOf = (bytes: Uint8Array) => chunkKey(hash('sha256', bytes))

describe('a chunk as an object', () => {
  it.each([
    ['mixed', plain],
    ['zeros', Buffer.alloc(size)],
    ['random', randomBytes(size)],
    ['one byte', Buffer.from('x')],
  ])('gives back %s bytes, and never takes more than it may', async (_what, bytes) => {
    const frame = await compress(bytes)
    expect(frame.byteLength).toBeLessThanOrEqual(largest.chunk(bytes.byteLength))
    expect((await openChunk(keyOf(bytes), frame, size)).equals(bytes)).toBe(true)
  })

  it('is opened under any number', async () => {
    const sha256 = hash('sha256', plain)
    expect((await openChunk(chunkKey(sha256, 3), await compress(plain), size)).equals(plain)).toBe(true)
  })

  it('is a frame that the zstd program opens, tests and finds damage in', async () => {
    const frame = await compress(plain)
    expect(execFileSync('zstd', ['-dcq'], { input: frame }).equals(plain)).toBe(true)
    const path = join(await freshFolder(), 'chunk.zst')
    await writeFile(path, frame)
    expect(execFileSync('zstd', ['-l', path], { encoding: 'utf8' })).toContain('XXH64')
    const checksumDamaged = Buffer.from(frame)
    checksumDamaged[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1
    expect(() => execFileSync('zstd', ['-tq'], { input: checksumDamaged, stdio: 'pipe' })).toThrow()
    expect((await refusal(openChunk(keyOf(plain), checksumDamaged, size))).code).toBe('invalid')
  })

  it('may have been made by the zstd program', async () => {
    const frame = execFileSync('zstd', ['-19', '-cq', `--stream-size=${plain.length}`], { input: plain })
    expect((await openChunk(keyOf(plain), frame, size)).equals(plain)).toBe(true)
  })

  it('is refused, or right, whichever bit of it is another', async () => {
    const small = Buffer.concat([randomBytes(200), Buffer.alloc(500)])
    const frame = await compress(small)
    const key = keyOf(small)
    let refused = 0
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const found = await openChunk(key, flipped, size).catch(error => error)
      if (Buffer.isBuffer(found)) expect(found.equals(small), `bit ${bit}`).toBe(true)
      else {
        expect(found, `bit ${bit}`).toMatchObject({ code: 'invalid', details: { object: key } })
        refused++
      }
    }
    // zstd has a few bits that mean nothing; they are the only ones that may be let through.
    expect(refused).toBeGreaterThan(frame.length * 8 - 10)
  })

  it('is refused when it holds other bytes than its name says', async () => {
    const error = await refusal(openChunk(keyOf(plain), await compress(Buffer.from('other')), size))
    expect(error).toMatchObject({ code: 'invalid' })
    expect(error.message).toContain(`${keyOf(plain)}: holds other bytes`)
  })

  it('is refused when its name is not that of a chunk', async () => {
    expect((await refusal(openChunk('chunks/../x', await compress(plain), size))).code).toBe('invalid')
  })

  it('is refused when it would inflate to more than a chunk, and costs no memory', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(200_000_000))
    const before = process.memoryUsage.rss()
    const error = await refusal(openChunk(chunkKey('0'.repeat(64)), bomb, size))
    expect(error.message).toContain(`holds more than ${size} bytes`)
    expect(process.memoryUsage.rss() - before).toBeLessThan(50_000_000)
  })

  it('is refused one byte above the limit, and opened at the limit', async () => {
    const frame = await compress(plain)
    expect((await openChunk(keyOf(plain), frame, plain.length)).equals(plain)).toBe(true)
    expect((await refusal(openChunk(keyOf(plain), frame, plain.length - 1))).message).toContain('holds more than')
  })

  it.each([
    [21, true],
    [22, false],
    [27, false],
  ])('may ask for a window of 2 MiB and no more: 2^%i, %s', async (power, allowed) => {
    // A frame by hand: magic number, no content size, the window, one raw block that is the last.
    const block = Buffer.alloc(3)
    block.writeUIntLE((plain.length << 3) | 1, 0, 3)
    const frame = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (power - 10) << 3]), block, plain])
    const opened = openChunk(keyOf(plain), frame, size)
    if (allowed) expect((await opened).equals(plain)).toBe(true)
    else expect((await refusal(opened)).message).toContain('is not a zstd frame')
  })

  it.each([
    ['a second frame', (frame: Buffer) => Buffer.concat([frame, frame])],
    ['an empty frame', (frame: Buffer) => Buffer.concat([frame, zstdCompressSync(Buffer.alloc(0))])],
    ['rubbish', (frame: Buffer) => Buffer.concat([frame, Buffer.from('x')])],
  ])('is refused with %s behind it, as it would spoil the stream of all chunks', async (_what, spoil) => {
    const error = await refusal(openChunk(keyOf(plain), spoil(await compress(plain)), size))
    expect(error.message).toContain('after the end of its zstd frame')
  })

  it.each([
    ['empty', () => Buffer.alloc(0)],
    ['cut off', (frame: Buffer) => frame.subarray(0, -1)],
    ['not zstd', () => plain],
    ['gzip', () => execFileSync('gzip', ['-c'], { input: plain })],
  ])('is refused when it is %s', async (_what, spoil) => {
    const error = await refusal(openChunk(keyOf(plain), spoil(await compress(plain)), size))
    expect(error).toMatchObject({ code: 'invalid', details: { object: keyOf(plain) } })
  })
})
