import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chunkKey, listKey } from '../../src/backup/format.ts'
import { mark, markedObjects, readMarks } from '../../src/backup/marks.ts'
import { by, freshRepository, objectsOf, observed, refusal, sealed } from './support.ts'

const chunk = chunkKey('ab'.repeat(32))
const other = chunkKey('cd'.repeat(32), 1)
const list = listKey('ef'.repeat(32), 2)

describe('marks', () => {
  it('say what is marked, since when and why', async () => {
    const { repository, root } = await freshRepository()
    const [key] = await mark(repository, 'unused', [chunk, list], by)
    await mark(repository, 'damaged', [other], by)
    const found = await Array.fromAsync(readMarks(repository))
    expect(found.map(({ reason, objects }) => [reason, objects])).toEqual(
      expect.arrayContaining([
        ['unused', [chunk, list]],
        ['damaged', [other]],
      ]),
    )
    expect(found.find(marks => marks.key === key)?.at).toMatch(/^\d{4}-.*Z$/)
    expect([...objectsOf(root).keys()].filter(name => name.startsWith('marks/')).length).toBe(2)
  })

  it('are found by what they concern', async () => {
    const { repository } = await freshRepository()
    await mark(repository, 'unused', [chunk, list], by)
    await mark(repository, 'damaged', [other, chunk], by)
    expect(await markedObjects(repository, key => key !== list)).toEqual(new Set([chunk, other]))
  })

  it('of nothing are not written', async () => {
    const { repository, asked } = await freshRepository()
    expect(await mark(repository, 'damaged', [], by)).toEqual([])
    expect(asked.puts).toEqual([])
  })

  it('that a prune takes back while they are read are none', async () => {
    const { repository } = await freshRepository()
    const [key = ''] = await mark(repository, 'unused', [chunk], by)
    const { store } = observed(repository.store, async call => {
      if (call === 'gets') await repository.store.deleteMany([key])
    })
    expect(await markedObjects({ ...repository, store }, () => true)).toEqual(new Set())
  })

  it('of very many objects are several', async () => {
    const { repository } = await freshRepository()
    const objects = Array.from({ length: 20_001 }, (_, i) => chunkKey(i.toString(16).padStart(64, '0')))
    expect((await mark(repository, 'unused', objects, by)).length).toBe(3)
    expect((await markedObjects(repository, () => true)).size).toBe(20_001)
  })

  const good = (repository: { id: string }) => ({
    format: 1,
    repository: repository.id,
    at: '2026-11-23T11:40:00.000Z',
    reason: 'unused',
    objects: [chunk],
    by,
  })
  it.each<[string, Record<string, unknown> | string, string]>([
    ['are not JSON', 'oops', 'invalid'],
    ['have a newer format', { format: 2 }, 'config'],
    ['are of another repository', { repository: 'x' }, 'invalid'],
    ['do not carry their hash', JSON.stringify({ format: 1, reason: 'unused', objects: [] }), 'invalid'],
    ['name what is no chunk', { objects: ['backups/x.json'] }, 'invalid'],
    ['lead out of the repository', { objects: ['../chunks/x'] }, 'invalid'],
    ['have an unknown reason', { reason: 'because' }, 'invalid'],
  ])('that %s stop everything, by name', async (_what, change, code) => {
    const { repository, root } = await freshRepository()
    const [key = ''] = await mark(repository, 'unused', [chunk], by)
    await writeFile(join(root, key), typeof change === 'string' ? change : sealed({ ...good(repository), ...change }))
    const error = await refusal(markedObjects(repository, () => true))
    expect(error.code).toBe(code)
    expect(error.message).toContain(key)
  })

  it('under a name that is none stop everything, too', async () => {
    const { repository } = await freshRepository()
    await repository.store.putIfAbsent('marks/mine.json', Buffer.from(sealed(good(repository))))
    expect((await refusal(markedObjects(repository, () => true))).message).toContain('marks/mine.json')
  })
})
