import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listBackups, newestManifest } from '../../src/backup/catalog.ts'
import { type Check, listChecks, readCheck, recordCheck } from '../../src/backup/checks.ts'
import { manifestKey } from '../../src/backup/format.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { backup, by, catalogOf, forget, freshRepository, makeDatabase, observed, refusal } from './support.ts'

async function withBackups(count: number) {
  const test = await freshRepository()
  const database = test.path('app.db')
  makeDatabase(database, { rows: 20 })
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push((await backup(test, database)).id)
  const put = (key: string, body: string | Uint8Array) => test.repository.store.putIfAbsent(key, Buffer.from(body))
  return { ...test, database, ids, put }
}

function checkOf(backup: string, changes: Partial<Check> = {}): Check {
  return {
    backup,
    at: '2026-11-23T11:40:00.000Z',
    kind: 'verification',
    result: 'good',
    how: 'integrity_check',
    problems: [],
    notes: [],
    by,
    milliseconds: 5,
    ...changes,
  }
}

describe('the catalog', () => {
  it('of a new repository is empty', async () => {
    expect(await catalogOf(await freshRepository())).toEqual({ backups: [], problems: [] })
  })

  it('has the newest backup last', async () => {
    const test = await withBackups(12)
    const { backups, problems } = await catalogOf(test)
    expect(backups.map(({ id }) => id)).toEqual(test.ids)
    expect(problems).toEqual([])
    expect(backups.every(({ checked }) => checked === 'unchecked')).toBe(true)
  })

  it('orders by sequence, also where the number has more digits', async () => {
    const test = await withBackups(1)
    await test.put('backups/99999998-20261123T114000Z-manual-none.json', 'x')
    for (const sequence of [99_999_999, 100_000_000, 100_000_001]) {
      expect((await backup(test, test.database)).manifest.sequence).toBe(sequence)
    }
    expect((await catalogOf(test)).backups.map(({ manifest }) => manifest.sequence)).toEqual([1, 1e8 - 1, 1e8, 1e8 + 1])
  })

  it('reports what is no manifest, and has the others', async () => {
    const test = await withBackups(3)
    const [first = '', second = '', third = ''] = test.ids
    await writeFile(
      join(test.root, manifestKey(second)),
      (await readFile(join(test.root, manifestKey(second)))).subarray(0, 200),
    )
    await test.put('backups/README.md', 'hello')
    await test.put('backups/old/00000001-20261123T114000Z-manual-none.json', 'x')
    await test.put(
      'backups/00000009-20261123T114000Z-manual-none.json',
      await readFile(join(test.root, manifestKey(first))),
    )
    const { backups, problems } = await catalogOf(test)
    expect(backups.map(({ id }) => id)).toEqual([first, third])
    expect(problems.map(({ key }) => key).sort()).toEqual(
      [
        manifestKey(second),
        'backups/README.md',
        'backups/old/00000001-20261123T114000Z-manual-none.json',
        'backups/00000009-20261123T114000Z-manual-none.json',
      ].sort(),
    )
    for (const { key, message } of problems) expect(message).toContain(key)
  })

  it('reports a manifest of another repository, of a newer format, and one of 100 MB', async () => {
    const test = await withBackups(1)
    const other = await withBackups(0)
    const { manifest } = await backup(other, other.database, { at: new Date('2026-11-22T00:00:00Z') })
    const copied = manifestKey(manifest.id)
    const newer = 'backups/00000005-20261123T114000Z-manual-none.json'
    const huge = 'backups/00000006-20261123T114000Z-manual-none.json'
    await test.put(copied, await readFile(join(other.root, copied)))
    await test.put(newer, '{"format":2}')
    await test.put(huge, Buffer.alloc(100_000_000, ' '))
    const before = process.memoryUsage.rss()
    const { backups, problems } = await catalogOf(test)
    expect(process.memoryUsage.rss() - before).toBeLessThan(60_000_000)
    expect(backups.map(({ id }) => id)).toEqual(test.ids)
    const said = (key: string) => problems.find(problem => problem.key === key)?.message
    expect(said(copied)).toContain('belongs to another repository')
    expect(said(newer)).toContain('has format 2')
    expect(said(huge)).toContain('is larger than the 8388608 bytes')
  })

  it('passes over a manifest that is deleted while it is read', async () => {
    const test = await withBackups(3)
    const { store } = observed(test.repository.store, async (call, key) => {
      if (call === 'gets' && key === manifestKey(test.ids[1] ?? '')) await test.repository.store.deleteMany([key])
    })
    const { backups, problems } = await listBackups({ ...test.repository, store })
    expect(backups.map(({ id }) => id)).toEqual([test.ids[0], test.ids[2]])
    expect(problems).toEqual([])
  })

  it('fails when the store does, rather than looking empty', async () => {
    const test = await withBackups(2)
    for (const at of ['gets', 'lists'] as const) {
      const { store } = observed(test.repository.store, call => {
        if (call === at) throw new LockkeeperError('storage', 'gone')
      })
      expect((await refusal(listBackups({ ...test.repository, store }))).message).toBe('gone')
    }
    const { store } = observed(test.repository.store, call => {
      if (call === 'gets') throw new LockkeeperError('config', 'no such bucket')
    })
    expect((await refusal(listBackups({ ...test.repository, store }))).message).toBe('no such bucket')
  })
})

describe('checks in the catalog', () => {
  it('say what the newest one found, without one of them being read', async () => {
    const test = await withBackups(3)
    const [a = '', b = ''] = test.ids
    await recordCheck(test.repository, checkOf(a))
    await recordCheck(test.repository, checkOf(b, { result: 'bad', kind: 'drill' }))
    await recordCheck(test.repository, checkOf(b, { result: 'good', at: '2026-11-23T11:40:01.000Z' }))
    await recordCheck(test.repository, checkOf(b, { result: 'bad', at: '2026-11-23T11:40:02.500Z', problems: ['x'] }))
    forget(test.asked)
    const { backups } = await catalogOf(test)
    expect(backups.map(({ checked }) => checked)).toEqual(['good', 'bad', 'unchecked'])
    expect(backups[0]?.check).toMatchObject({ kind: 'verification', result: 'good', backup: a })
    expect(backups[1]?.check?.time.toISOString()).toBe('2026-11-23T11:40:02.000Z')
    expect(backups[2] && 'check' in backups[2]).toBe(false)
    expect(test.asked.gets.filter(key => key.startsWith('checks/'))).toEqual([])
    expect(await readCheck(test.repository, backups[1]!.check!)).toMatchObject({ problems: ['x'], result: 'bad' })
  })

  it('in the same second have names of their own, and one that found something bad counts', async () => {
    const test = await withBackups(1)
    const [id = ''] = test.ids
    const keys: string[] = []
    for (let i = 1; i <= 11; i++) keys.push(await recordCheck(test.repository, checkOf(id)))
    keys.push(await recordCheck(test.repository, checkOf(id, { result: 'bad' })))
    keys.push(await recordCheck(test.repository, checkOf(id, { kind: 'drill' })))
    expect(keys[0]).toBe(`checks/${id}/20261123T114000Z-verification-good.json`)
    expect(keys[10]).toBe(`checks/${id}/20261123T114000Z-verification-good-11.json`)
    expect(keys[11]).toBe(`checks/${id}/20261123T114000Z-verification-bad.json`)
    expect(keys[12]).toBe(`checks/${id}/20261123T114000Z-drill-good.json`)
    expect((await catalogOf(test)).backups[0]?.checked).toBe('bad')
  })

  it('keep a bounded number of problems and notes', async () => {
    const test = await withBackups(1)
    const [id = ''] = test.ids
    const problems = Array.from({ length: 5000 }, (_, i) => `${i} ${'x'.repeat(3000)}`)
    await recordCheck(test.repository, checkOf(id, { result: 'bad', problems, notes: problems }))
    const check = await readCheck(test.repository, (await catalogOf(test)).backups[0]!.check!)
    expect(check?.problems.length).toBe(1000)
    expect(check?.notes.length).toBe(1000)
  })

  it.each<[string, Partial<Check> | string]>([
    ['are damaged', 'rubbish'],
    ['say something else than their name', { result: 'bad' }],
    ['are of another time than their name', { at: '2026-11-23T11:41:00.000Z' }],
    ['are of another backup', { backup: '00000044-20261123T114000Z-manual-none' }],
  ])('that %s are refused when they are read', async (_what, changes) => {
    const test = await withBackups(1)
    const [id = ''] = test.ids
    const key = await recordCheck(test.repository, checkOf(id))
    const other = await recordCheck(
      test.repository,
      checkOf(id, typeof changes === 'string' ? { kind: 'drill' } : changes),
    )
    await writeFile(
      join(test.root, key),
      typeof changes === 'string' ? changes : await readFile(join(test.root, other)),
    )
    const { checks } = await listChecks(test.repository.store)
    const name = checks.get(id)!.find(listed => listed.key === key)!
    expect(await refusal(readCheck(test.repository, name))).toMatchObject({ code: 'invalid', details: { object: key } })
  })

  it('of backups that are gone are nobody’s, and what is no check is reported', async () => {
    const test = await withBackups(1)
    const [id = ''] = test.ids
    await recordCheck(test.repository, checkOf('00000044-20261123T114000Z-manual-none'))
    const odd = ['checks/stray', `checks/${id}/note.json`, `checks/${id}/20261123T114000Z-verification-fine.json`]
    for (const key of odd) await test.put(key, '{}')
    const { backups, problems } = await catalogOf(test)
    expect(backups).toMatchObject([{ checked: 'unchecked' }])
    expect(problems.map(({ key }) => key).sort()).toEqual(odd.sort())
  })
})

describe('the newest manifest', () => {
  it('is the newest that can be read', async () => {
    const test = await withBackups(3)
    await writeFile(join(test.root, manifestKey(test.ids[2] ?? '')), 'rubbish')
    const unknown = '00000009-20261123T114000Z-manual-none'
    expect((await newestManifest(test.repository, [...test.ids, unknown]))?.id).toBe(test.ids[1])
    expect(await newestManifest(test.repository, [])).toBeUndefined()
  })
})
