import { hash, randomBytes } from 'node:crypto'
import { appendFile, mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ChunkedFile } from '../../src/backup/chunks.ts'
import { freshFolder, refusal } from './support.ts'

const size = 4096

async function fileOf(bytes: Uint8Array) {
  const path = join(await freshFolder(), 'app.db')
  await writeFile(path, bytes)
  return { path, file: await ChunkedFile.open(path, size) }
}

describe('a file in chunks', () => {
  it.each([0, 1, size - 1, size, size + 1, 40 * size + 7])(
    'is hashed piece by piece and as a whole: %i bytes',
    async bytes => {
      const content = randomBytes(bytes)
      const { file } = await fileOf(content)
      const heard: number[] = []
      const chunks = await file.hash((done, total) => {
        expect(total).toBe(bytes)
        heard.push(done)
      })
      const pieces = Array.from({ length: Math.ceil(bytes / size) }, (_, i) =>
        content.subarray(i * size, (i + 1) * size),
      )
      expect(chunks).toMatchObject({ bytes, count: pieces.length, sha256: hash('sha256', content) })
      expect(pieces.map((_, position) => chunks.at(position))).toEqual(pieces.map(piece => hash('sha256', piece)))
      expect(heard).toEqual(pieces.map((_, i) => Math.min(bytes, (i + 1) * size)))
      await file.close()
    },
  )

  it('knows each different chunk once, where it first occurs', async () => {
    const [a, b] = [randomBytes(size), randomBytes(size)]
    const { file } = await fileOf(
      Buffer.concat([a, b, a, Buffer.alloc(size), b, Buffer.alloc(size), a.subarray(0, 100)]),
    )
    const chunks = await file.hash(() => {})
    expect(chunks.count).toBe(7)
    expect([...chunks.distinct.values()]).toEqual([0, 1, 3, 6])
    expect(file.lengthAt(5)).toBe(size)
    expect(file.lengthAt(6)).toBe(100)
    await file.close()
  })

  it('hands over each wanted chunk as a zstd frame', async () => {
    const content = randomBytes(20 * size + 5)
    const { file } = await fileOf(content)
    const { distinct } = await file.hash(() => {})
    const wanted = [...distinct].filter(([, position]) => position % 3 === 2)
    const found = new Map<string, Buffer>()
    await file.store(wanted, async (sha256, frame, plain) => {
      const bytes = zstdDecompressSync(frame)
      expect(bytes.byteLength).toBe(plain)
      found.set(sha256, bytes)
    })
    expect(found.size).toBe(wanted.length)
    for (const [sha256, position] of wanted) {
      expect(found.get(sha256)?.equals(content.subarray(position * size, (position + 1) * size))).toBe(true)
    }
    await file.close()
  })

  it.each<[string, (path: string) => Promise<void>]>([
    ['gets other bytes', path => writeFile(path, randomBytes(10 * size))],
    ['grows', path => appendFile(path, 'x')],
    ['shrinks', path => truncate(path, 9 * size)],
  ])('that %s between the two readings is busy', async (_what, change) => {
    const { path, file } = await fileOf(randomBytes(10 * size))
    const { distinct } = await file.hash(() => {})
    await change(path)
    const error = await refusal(file.store(distinct, async () => {}))
    expect(error.code).toBe('busy')
    expect(error.message).toContain(`${path} changed while it was read`)
    await file.close()
  })

  it('that shrinks while it is hashed is busy', async () => {
    const { path, file } = await fileOf(randomBytes(100 * size))
    let shrunk: Promise<void> | undefined
    const error = await refusal(
      file.hash(() => {
        shrunk ??= truncate(path, size)
      }),
    )
    await shrunk
    expect(error.code).toBe('busy')
    await file.close()
  })

  it('stops when it is told to, with the reason', async () => {
    const { file } = await fileOf(randomBytes(100 * size))
    const controller = new AbortController()
    const reason = new Error('enough')
    const hashed = file.hash(done => {
      if (done === 10 * size) controller.abort(reason)
      expect(done).toBeLessThanOrEqual(10 * size)
    }, controller.signal)
    await expect(hashed).rejects.toBe(reason)
    await file.close()
  })

  it('that is not there is missing', async () => {
    const path = join(await freshFolder(), 'none.db')
    expect(await refusal(ChunkedFile.open(path, size))).toMatchObject({ code: 'missing' })
  })

  it('is refused when it is a folder', async () => {
    const path = join(await freshFolder(), 'folder')
    await mkdir(path)
    const file = await ChunkedFile.open(path, size)
    await expect(file.hash(() => {})).rejects.toThrow()
    await file.close()
  })
})
