/**
 * Prunes that die while they remove backups, beside somebody who pins one of these or finds the newest one bad: whoever was
 * told that a pin holds keeps that backup, the last good one is there in the end, and nothing is left lying about.
 *
 * A prune dies before each of its requests in turn: it is held up there for good, which to the store is the same.
 */

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordCheck } from '../../src/backup/checks.ts'
import { announce } from '../../src/backup/intents.ts'
import { pin } from '../../src/backup/pins.ts'
import { pausing } from './pausing.ts'
import { age, contentOf, days, expectWhole, keysIn, pruneNow } from './pruning.ts'
import { copyOf, type Race, threeBackups } from './race.ts'
import { by, freshFolder, scratch } from './support.ts'

/** Of pairs of requests; all of them with `LOCKKEEPER_SWEEP=all`. */
const step = process.env['LOCKKEEPER_SWEEP'] === 'all' ? 1 : 5

const nothingSaid = { how: null, problems: [], notes: [], milliseconds: 1 }

/** Prunes until a request, by number or the first that fits, and dies there. Resolves to it, or to undefined when it ended before. */
async function dying(race: Race, request: number | ((request: string) => boolean)): Promise<string | undefined> {
  const slow = pausing(race.repository.store)
  const work = pruneNow({ repository: { ...race.repository, store: slow.store } })
  if ((await slow.reached(request, work)) === 'ended') {
    await work
    return undefined
  }
  slow.die()
  await expect(work).rejects.toThrow('nobody is there any more')
  return slow.requests.at(-1)
}

async function pinFirst({ ids, repository }: Race): Promise<boolean> {
  return pin(repository, ids[0] as string, { by }).then(
    () => true,
    () => false,
  )
}

async function newestIsBad({ ids, repository }: Race): Promise<void> {
  const at = new Date().toISOString()
  await recordCheck(repository, { ...nothingSaid, at, backup: ids[2] as string, kind: 'drill', result: 'bad', by })
}

const there = (race: Race, which: number) =>
  keysIn(race.root, 'backups/')
    .join()
    .includes(race.ids[which] as string)

/** The next prunes put everything in order, at once and after the intents of the dead are gone. */
async function expectSettled(race: Race, staying: readonly number[]): Promise<void> {
  await pruneNow(race)
  for (const which of staying) expect(there(race, which)).toBe(true)
  await expectWhole(race)
  age(race, keysIn(race.root, 'intents/'), 4 * days)
  for (let round = 0; round < 3; round++) await pruneNow(race)
  expect(keysIn(race.root, 'removed/', 'intents/')).toEqual([])
  expect([0, 1, 2].filter(which => there(race, which))).toEqual(staying)
  expect((await expectWhole(race)).length).toBe(staying.length)
  // Two chunks of its own and a list, and what all of them share.
  expect(contentOf(race).length).toBe(staying.length * 3 + 4)
}

/** What one of the backups names and no other one does. */
async function contentOfOnly(full: Race, which: number): Promise<string[]> {
  const race = await copyOf(full, await freshFolder())
  await race.repository.store.deleteMany([`backups/${race.ids[which]}.json`])
  for (let round = 0; round < 2; round++) await pruneNow(race, { policy: { keepLast: 9 } })
  return contentOf(full).filter(key => !contentOf(race).includes(key))
}

/** Does it for each request until there is no such one any more; returns how many there were. */
async function forEachRequest(what: (request: number) => Promise<string | undefined>): Promise<number> {
  for (let request = 0; ; request++) {
    let at: string | undefined
    try {
      at = await what(request)
    } catch (error) {
      throw new Error(`with request ${request}`, { cause: error })
    }
    if (at === undefined) return request
  }
}

describe('a prune that dies before any of its requests', { timeout: 300_000 }, () => {
  let full: Race
  /** One died right after it had deleted the manifests; the first one was pinned just before. */
  let halfway: Race
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(scratch, 'lockkeeper-settle-'))
    full = await threeBackups(folder)
    halfway = await copyOf(full, join(folder, 'halfway'))
    let deleted = false
    await dying(halfway, request => {
      if (deleted) return true
      deleted = request.startsWith('delete backups/')
      return false
    })
    expect(keysIn(halfway.root, 'backups/')).toEqual([`backups/${full.ids[2]}.json`])
    await halfway.repository.store.putIfAbsent(`pins/${full.ids[0]}.json`, Buffer.from('{}'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('loses nothing that was pinned right then', async () => {
    const pinned: boolean[] = []
    const requests = await forEachRequest(async request => {
      const race = await copyOf(full, await freshFolder())
      const at = await dying(race, request)
      pinned.push(await pinFirst(race))
      await expectSettled(race, pinned.at(-1) ? [0, 2] : [2])
      return at
    })
    expect(requests).toBeGreaterThan(20)
    expect(new Set(pinned)).toEqual(new Set([true, false]))
  })

  it.each([0, 1])('loses nothing that somebody was just about to pin, before request %i', async of => {
    await forEachRequest(async request => {
      const race = await copyOf(full, await freshFolder())
      const slow = pausing(race.repository.store)
      const pinning = pinFirst({ ...race, repository: { ...race.repository, store: slow.store } })
      await slow.reached(of, pinning)
      const at = await dying(race, request)
      slow.resume()
      await expectSettled(race, (await pinning) ? [0, 2] : [2])
      return at
    })
  })

  it('leaves a good one, though the newest is found bad right then', async () => {
    await forEachRequest(async request => {
      const race = await copyOf(full, await freshFolder())
      const at = await dying(race, request)
      const judgedAlready = !there(race, 1) && keysIn(race.root, 'removed/').length === 0
      await newestIsBad(race)
      await expectSettled(race, judgedAlready ? [2] : [1, 2])
      return at
    })
  })

  it('and then another one that finds what it left, leaves what is pinned', async () => {
    for (const days of [0, 4])
      await forEachRequest(async request => {
        const race = await copyOf(halfway, await freshFolder())
        age(race, keysIn(race.root, 'intents/'), days * 24 * 60 * 60 * 1000)
        const at = await dying(race, request)
        await expectSettled(race, [0, 2])
        return at
      })
  })

  it.each([0, 2])(
    'after a pause in which somebody pinned, and %i others pruned, loses nothing that is pinned',
    async others => {
      let pairs = 0
      await forEachRequest(async paused => {
        const measured = await copyOf(full, await freshFolder())
        const at = await dying(measured, paused)
        for (let dies = paused + 1; at !== undefined; dies += step) {
          const race = await copyOf(full, await freshFolder())
          const inner = pausing(race.repository.store)
          const outer = pausing(inner.store)
          const work = pruneNow({ repository: { ...race.repository, store: outer.store } })
          const death = inner.reached(dies, work)
          await outer.reached(paused, work)
          const pinned = await pinFirst(race)
          for (let round = 0; round < others; round++) await pruneNow(race)
          outer.resume()
          const end = await death
          inner.die()
          await work.catch(() => {})
          await expectSettled(race, pinned ? [0, 2] : [2])
          pairs++
          if (end === 'ended') break
        }
        return at
      })
      expect(pairs).toBeGreaterThan(50)
    },
  )

  it('once it has deleted what somebody pinned at the last moment, loses nothing', async () => {
    const deaths = await forEachRequest(async after => {
      const race = await copyOf(full, await freshFolder())
      const inner = pausing(race.repository.store)
      const outer = pausing(inner.store)
      const work = pruneNow({ repository: { ...race.repository, store: outer.store } })
      await outer.reached(request => request.startsWith('delete backups/'), work)
      const death = inner.reached(inner.requests.length + 1 + after, work)
      expect(await pinFirst(race)).toBe(true)
      outer.resume()
      const end = await death
      inner.die()
      await work.catch(() => {})
      await expectSettled(race, [0, 2])
      return end === 'ended' ? undefined : end
    })
    expect(deaths).toBeGreaterThan(10)
  })

  it('leaves all that its copies name where it is, until somebody has judged and it is surely dead', async () => {
    const race = await copyOf(full, await freshFolder())
    const before = contentOf(race)
    // It names nothing itself.
    const intent = await announce(race.repository, new Set(), by)
    const copy = `removed/${intent.id}/${race.ids[0]}.json`
    await race.repository.store.putIfAbsent(copy, readFileSync(join(race.root, 'backups', `${race.ids[0]}.json`)))
    await race.repository.store.deleteMany([`backups/${race.ids[0]}.json`])
    for (let round = 0; round < 3; round++) await pruneNow(race)
    expect(keysIn(race.root, 'removed/')).toEqual([copy])
    const own = (await contentOfOnly(full, 1)).filter(key => key.startsWith('chunks/'))
    expect(contentOf(race)).toEqual(before.filter(key => !own.includes(key)))
    await intent.withdraw()
    await expectSettled(race, [2])
  })

  it('is seen also by a prune that is about to delete what only its copies name', async () => {
    const race = await copyOf(full, await freshFolder())
    await pruneNow(race)
    const slow = pausing(race.repository.store)
    const work = pruneNow({ repository: { ...race.repository, store: slow.store } })
    const marked = () => slow.requests.some(request => request.startsWith('put marks/'))
    expect(await slow.reached(request => request === 'list removed/' && marked(), work)).toBe('reached')
    const copy = `removed/20261128T070000Z-0f0f0f0f-0000-4000-8000-000000000000/${race.ids[0]}.json`
    await race.repository.store.putIfAbsent(copy, readFileSync(join(full.root, 'backups', `${race.ids[0]}.json`)))
    slow.resume()
    expect((await work).deleted.objects).toBe(3)
    const own = await contentOfOnly(full, 0)
    expect(contentOf(race)).toEqual(expect.arrayContaining(own))
    await expectSettled(race, [2])
  })

  it('is finished with by several at once', async () => {
    const race = await copyOf(halfway, await freshFolder())
    await Promise.all(Array.from({ length: 4 }, () => pruneNow(race)))
    await expectSettled(race, [0, 2])
  })
})
