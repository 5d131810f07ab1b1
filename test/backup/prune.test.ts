import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { recordCheck } from '../../src/backup/checks.ts'
import { manifestKey } from '../../src/backup/format.ts'
import { announce } from '../../src/backup/intents.ts'
import { mark, readMarks } from '../../src/backup/marks.ts'
import { listPins, pin, unpin } from '../../src/backup/pins.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { age, contentOf, days, expectWhole, keysIn, pruneNow, versionsOf } from './pruning.ts'
import { backup, by, freshRepository, objectsOf, observed, refusal, type TestRepository } from './support.ts'

/** Three backups, each of a version of its own. */
async function three(): Promise<TestRepository & { ids: string[]; versions: string[] }> {
  const test = await freshRepository()
  const versions = versionsOf(test, 3)
  const ids: string[] = []
  for (const path of versions) ids.push((await backup(test, path)).id)
  return { ...test, ids, versions }
}

const check = (id: string, result: 'good' | 'bad') => ({
  backup: id,
  at: new Date().toISOString(),
  kind: 'verification' as const,
  result,
  how: null,
  problems: [],
  notes: [],
  by,
  milliseconds: 1,
})

describe('a prune', () => {
  it('removes what the policy does not keep, and marks what only that used', async () => {
    const test = await three()
    const before = contentOf(test)
    const report = await pruneNow(test)
    expect(report.removed).toEqual(test.ids.slice(0, 2))
    expect(report.released.objects).toBe(6)
    expect(report).toMatchObject({ blocked: undefined, putBack: [], refused: undefined, deleted: { objects: 0 } })
    expect(await expectWhole(test)).toEqual(test.ids.slice(2))
    expect(contentOf(test)).toEqual(before)
    const [marks] = await Array.fromAsync(readMarks(test.repository))
    expect(marks?.objects.length).toBe(6)
  })

  it('deletes after the time of grace what an earlier one marked, and nothing else', async () => {
    const test = await three()
    const grace = 3 * 60 * 60 * 1000
    await pruneNow(test, { grace })
    const early = await pruneNow(test, { grace })
    expect(early).toMatchObject({ deleted: { objects: 0 }, waiting: { objects: 6 }, released: { objects: 0 } })
    age(test, keysIn(test.root, 'marks/'), grace + 1000)
    const late = await pruneNow(test, { grace })
    expect(late).toMatchObject({ deleted: { objects: 6 }, waiting: { objects: 0 }, removed: [] })
    expect(contentOf(test).length).toBe(7)
    await expectWhole(test)
  })

  it('leaves exactly what the backups that stay name', async () => {
    const test = await three()
    for (let round = 0; round < 2; round++) await pruneNow(test)
    const fresh = await freshRepository()
    await backup(fresh, test.versions[2] ?? '')
    expect(contentOf(test)).toEqual(contentOf(fresh))
  })

  it('that only tries tells the same and changes nothing', async () => {
    const test = await three()
    const before = objectsOf(test.root)
    const tried = await pruneNow(test, { dryRun: true })
    expect(objectsOf(test.root)).toEqual(before)
    const real = await pruneNow(test)
    expect(tried).toEqual(real)
    expect(tried.released.bytes).toBeGreaterThan(4 * 4096)
    const next = await pruneNow(test, { dryRun: true })
    const bytes = (await pruneNow(test)).deleted
    expect(next.deleted).toEqual(bytes)
    expect(bytes).toEqual(real.released)
  })

  it('says of each backup why it stays or goes', async () => {
    const test = await three()
    const { backups } = await pruneNow(test, { dryRun: true })
    expect(backups.map(({ id, keep, reasons }) => [id, keep, ...reasons])).toEqual([
      [test.ids[0], false, 'last: there are 1 newer'],
      [test.ids[1], false, 'last: there are 1 newer'],
      [test.ids[2], true, 'last good', 'newest at v002_add_index', 'last (1 of 1)'],
    ])
  })

  it('deletes what a backup left that was killed', async () => {
    const test = await three()
    const orphan = `chunks/ab/${'ab'.repeat(32)}.zst`
    await test.repository.store.putIfAbsent(orphan, Buffer.from('x'))
    expect((await pruneNow(test, { policy: { keepLast: 9 } })).released).toEqual({ objects: 1, bytes: 1 })
    await pruneNow(test, { policy: { keepLast: 9 } })
    expect(contentOf(test)).not.toContain(orphan)
    expect(await expectWhole(test)).toEqual(test.ids)
  })

  it('deletes what was found damaged once no backup names it, and the marks that said so, in the end', async () => {
    const test = await three()
    const damaged = contentOf(test).find(key => readFileSync(join(test.root, key)).length > 0) ?? ''
    await mark(test.repository, 'damaged', [damaged], by)
    for (let round = 0; round < 2; round++) await pruneNow(test)
    // The backup that stays still names it.
    const named = await Array.fromAsync(readMarks(test.repository))
    expect(named.some(({ reason }) => reason === 'damaged')).toBe(true)
    rmSync(join(test.root, manifestKey(test.ids[2] ?? '')))
    await backup(test, test.versions[0] ?? '')
    for (let round = 0; round < 2; round++) {
      await pruneNow(test)
      age(test, keysIn(test.root, 'marks/'), 8 * days)
    }
    await pruneNow(test)
    expect(contentOf(test)).not.toContain(damaged)
    expect(keysIn(test.root, 'marks/')).toEqual([])
    await expectWhole(test)
  })

  it('keeps marks of what it deleted for a week, by the clock of the store', async () => {
    const test = await three()
    await pruneNow(test)
    await pruneNow(test)
    const marks = keysIn(test.root, 'marks/')
    expect(marks.length).toBe(2)
    await pruneNow(test)
    expect(keysIn(test.root, 'marks/')).toEqual(marks)
    age(test, marks, 7 * days + 1000)
    await pruneNow(test)
    expect(keysIn(test.root, 'marks/')).toEqual([])
  })

  it('spares what a backup announced, and every list while there is one', async () => {
    const test = await three()
    await pruneNow(test)
    const chunks = contentOf(test).filter(key => key.startsWith('chunks/'))
    const intent = await announce(test.repository, new Set([chunks[0]?.split('/')[2]?.slice(0, 64) ?? '']), by)
    const marked = (await Array.fromAsync(readMarks(test.repository))).flatMap(({ objects }) => objects)
    await pruneNow(test)
    const left = contentOf(test)
    expect(left.filter(key => key.startsWith('lists/')).length).toBe(3)
    expect(marked.filter(key => key.startsWith('chunks/')).filter(key => left.includes(key))).toEqual(
      marked.filter(key => key === chunks[0]),
    )
    await intent.withdraw()
    await pruneNow(test)
    expect(contentOf(test).length).toBe(7)
  })

  it('is not held up by an intent that nobody may delete, once its backup is over', async () => {
    const test = await three()
    const { store } = observed(test.repository.store, call => {
      if (call === 'deletes') throw new LockkeeperError('denied', 'no deleting here')
    })
    await backup({ repository: { ...test.repository, store } }, test.versions[0] ?? '')
    expect(keysIn(test.root, 'intents/').length).toBe(2)
    await pruneNow(test)
    await pruneNow(test)
    expect(contentOf(test).length).toBe(7)
    age(test, keysIn(test.root, 'intents/'), 4 * days)
    await pruneNow(test)
    expect(keysIn(test.root, 'intents/')).toEqual([])
  })

  it('removes checks of backups that are gone, and pins of such after days', async () => {
    const test = await three()
    for (const id of test.ids) await recordCheck(test.repository, check(id, 'good'))
    await pruneNow(test)
    expect(keysIn(test.root, 'checks/').map(key => key.split('/')[1])).toEqual(test.ids.slice(2))
    await test.repository.store.putIfAbsent(`pins/${test.ids[0]}.json`, Buffer.from('{}'))
    await pruneNow(test)
    expect(keysIn(test.root, 'pins/').length).toBe(1)
    age(test, keysIn(test.root, 'pins/'), 4 * days)
    await pruneNow(test)
    expect(keysIn(test.root, 'pins/')).toEqual([])
  })
})

describe('nothing is removed or deleted', () => {
  /** Removes nothing, and says why; with the obstacle gone it goes on. */
  async function expectBlocked(test: TestRepository & { ids: string[] }, why: string | RegExp): Promise<void> {
    const before = objectsOf(test.root)
    const { blocked, deleted, removed } = await pruneNow(test)
    expect(blocked).toMatch(why)
    expect({ deleted, removed }).toEqual({ deleted: { objects: 0, bytes: 0 }, removed: [] })
    expect(objectsOf(test.root)).toEqual(before)
  }

  it('while the policy is empty', async () => {
    const test = await three()
    const before = objectsOf(test.root)
    const error = await refusal(pruneNow(test, { policy: {} }))
    expect(error).toMatchObject({ code: 'config', message: expect.stringContaining('no rule') })
    expect(objectsOf(test.root)).toEqual(before)
  })

  it.each<[string, (bytes: Buffer) => string | Buffer]>([
    ['torn', bytes => bytes.subarray(0, 100)],
    ['of a newer format', () => '{"format":2}'],
    ['empty', () => ''],
  ])('while a manifest is %s', async (_, spoil) => {
    const test = await three()
    const key = manifestKey(test.ids[0] ?? '')
    const path = join(test.root, key)
    const bytes = readFileSync(path)
    writeFileSync(path, spoil(bytes))
    await expectBlocked(test, key)
    writeFileSync(path, bytes)
    expect((await pruneNow(test)).removed).toEqual(test.ids.slice(0, 2))
  })

  it('while something else lies among the manifests', async () => {
    const test = await three()
    writeFileSync(join(test.root, 'backups', 'notes.txt'), 'hello')
    await expectBlocked(test, 'backups/notes.txt')
  })

  it.each([
    ['while the copy of a manifest that was being removed is torn', '{"format":1'],
    ['while the copy of a manifest that was being removed is of a newer format', '{"format":2}'],
  ])('%s', async (_, spoilt) => {
    const test = await three()
    const key = `removed/20261128T070000Z-0f0f0f0f-0000-4000-8000-000000000000/${test.ids[0]}.json`
    await test.repository.store.putIfAbsent(key, Buffer.from(spoilt))
    rmSync(join(test.root, manifestKey(test.ids[0] ?? '')))
    await expectBlocked(test, key)
  })

  it('while marks cannot be read', async () => {
    const test = await three()
    await test.repository.store.putIfAbsent('marks/mine.json', Buffer.from('{}'))
    const before = objectsOf(test.root)
    expect((await refusal(pruneNow(test))).message).toContain('marks/mine.json')
    expect(objectsOf(test.root)).toEqual(before)
  })

  it('where no backup is left, however old the marks, until there is one again', async () => {
    const test = await three()
    await pruneNow(test)
    age(test, keysIn(test.root, 'marks/'), 3 * days)
    const manifest = readFileSync(join(test.root, manifestKey(test.ids[2] ?? '')))
    rmSync(join(test.root, manifestKey(test.ids[2] ?? '')))
    const before = objectsOf(test.root)
    for (const dryRun of [false, true]) {
      const { blocked, deleted, released, withoutBackups } = await pruneNow(test, { dryRun })
      expect({ blocked, deleted, released }).toEqual({
        blocked: undefined,
        deleted: { objects: 0, bytes: 0 },
        released: { objects: 0, bytes: 0 },
      })
      expect(withoutBackups?.objects).toBe(13)
    }
    expect(objectsOf(test.root)).toEqual(before)
    writeFileSync(join(test.root, manifestKey(test.ids[2] ?? '')), manifest)
    expect(await pruneNow(test)).toMatchObject({ withoutBackups: undefined, deleted: { objects: 6 } })
    await expectWhole(test)
  })

  it('of the content, while a list of a backup that stays cannot be read', async () => {
    const test = await three()
    const orphan = `chunks/ab/${'ab'.repeat(32)}.zst`
    await test.repository.store.putIfAbsent(orphan, Buffer.from('x'))
    const manifest = JSON.parse(readFileSync(join(test.root, manifestKey(test.ids[1] ?? '')), 'utf8'))
    const list = manifest.chunks.lists[0]
    writeFileSync(join(test.root, list), 'chunks\n')
    await pin(test.repository, test.ids[1] ?? '', { by })
    for (let round = 0; round < 2; round++) {
      const { backups, blocked } = await pruneNow(test)
      expect(blocked).toContain(list)
      expect(backups.find(({ id }) => id === test.ids[1])?.reasons.join()).toContain(list)
    }
    expect(contentOf(test)).toContain(orphan)
    expect(keysIn(test.root, 'marks/')).toEqual([])
    await unpin(test.repository, test.ids[1] ?? '')
    for (let round = 0; round < 2; round++) expect((await pruneNow(test)).blocked).toBeUndefined()
    expect(contentOf(test)).not.toContain(orphan)
    await expectWhole(test)
  })
})

describe('never removed is', () => {
  it('a backup that is pinned, until it is not', async () => {
    const test = await three()
    await pin(test.repository, test.ids[0] ?? '', { by, reason: 'the audit' })
    expect((await pruneNow(test)).removed).toEqual([test.ids[1]])
    await unpin(test.repository, test.ids[0] ?? '')
    expect((await pruneNow(test)).removed).toEqual([test.ids[0]])
    expect((await listPins(test.repository)).size).toBe(0)
  })

  it('the last one that is whole: one that lacks a chunk does not count', async () => {
    const test = await three()
    const before = contentOf(test)
    const own = await freshRepository()
    await backup(own, test.versions[2] ?? '')
    await backup(own, test.versions[1] ?? '')
    const others = new Set(keysIn(own.root, 'chunks/'))
    const fresh = await freshRepository()
    await backup(fresh, test.versions[1] ?? '')
    const ofSecond = new Set(keysIn(fresh.root, 'chunks/'))
    const lost = before.find(key => others.has(key) && !ofSecond.has(key)) ?? ''
    rmSync(join(test.root, lost))
    const { backups, removed } = await pruneNow(test)
    expect(removed).toEqual([test.ids[0]])
    expect(backups[1]?.reasons).toContain('last good')
    expect(backups[2]?.reasons).toContain(`${lost}: is missing`)
  })

  it('the last one that no verification found bad', async () => {
    const test = await three()
    await recordCheck(test.repository, check(test.ids[2] ?? '', 'bad'))
    expect((await pruneNow(test)).removed).toEqual([test.ids[0]])
  })

  it('the last one that does not need what a verification of another found damaged', async () => {
    const test = await freshRepository()
    const [alone = ''] = versionsOf(test, 1)
    const { id: whole } = await backup(test, alone)
    const before = new Set(contentOf(test))
    const [second = '', third = ''] = versionsOf(test, 2)
    const { id: sharing } = await backup(test, second)
    const ofSecond = contentOf(test).filter(key => !before.has(key))
    const { id: newest, manifest } = await backup(test, third)
    const names = readFileSync(join(test.root, manifest.chunks.lists[0] ?? ''), 'utf8')
    const shared = ofSecond.find(key => names.includes(key)) ?? ''
    writeFileSync(join(test.root, shared), 'rotten')
    await mark(test.repository, 'damaged', [shared], by)
    await recordCheck(test.repository, check(newest, 'bad'))
    const { backups } = await pruneNow(test)
    expect(backups.find(({ id }) => id === whole)).toMatchObject({ keep: true })
    expect(backups.find(({ id }) => id === sharing)?.reasons).toContain(`${shared}: was found damaged`)
    expect(await refusal(Promise.resolve().then(() => expectWhole(test)))).toMatchObject({ code: 'invalid' })
    // Put right, and verified since.
    const at = new Date(Date.now() + 1000).toISOString()
    await recordCheck(test.repository, { ...check(newest, 'good'), at })
    expect((await pruneNow(test)).removed).toEqual([whole])
  })
})

describe('a store that does not delete', () => {
  const denied = (test: TestRepository, ofWhat: RegExp) => {
    const { store } = observed(test.repository.store, (call, key) => {
      if (call === 'deletes' && ofWhat.test(key)) throw new LockkeeperError('denied', 's3:DeleteObject is not allowed')
    })
    return { repository: { ...test.repository, store } }
  }

  it('is told of, and nothing else happens', async () => {
    const test = await three()
    const before = keysIn(test.root, 'backups/', 'chunks/', 'lists/')
    const report = await pruneNow(denied(test, /./))
    expect(report.refused?.message).toContain('s3:DeleteObject')
    expect(report.removed).toEqual([])
    expect(keysIn(test.root, 'removed/')).toEqual([])
    expect(keysIn(test.root, 'backups/', 'chunks/', 'lists/')).toEqual(before)
    expect((await pruneNow(test)).removed.length).toBe(2)
    await expectWhole(test)
  })

  it('of chunks alone leaves them for a later prune', async () => {
    const test = await three()
    await pruneNow(test)
    const report = await pruneNow(denied(test, /^chunks/))
    expect(report.refused?.code).toBe('denied')
    await pruneNow(test)
    expect(contentOf(test).length).toBe(7)
    await expectWhole(test)
  })
})
