/**
 * One is held up before each of its requests in turn, others come and do all that they want, and then it goes on: what
 * happens to a prune that is paused and wakes up hours later, and to everybody else beside it.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordCheck } from '../../src/backup/checks.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { pin } from '../../src/backup/pins.ts'
import type { Repository } from '../../src/backup/repository.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { pausing } from './pausing.ts'
import { age, contentOf, days, expectWhole, keysIn, pruneNow } from './pruning.ts'
import { copyOf, type Race, threeBackups } from './race.ts'
import { backup, by, catalogOf, freshFolder, scratch } from './support.ts'

type Actor = (race: Race, repository: Repository) => Promise<unknown>

/** Holds `held` up before each of its requests, lets `others` run meanwhile, and judges by `expected`. */
async function everyPause(
  template: Race,
  held: Actor,
  others: (race: Race) => Promise<unknown>,
  expected: (race: Race, outcome: PromiseSettledResult<unknown>, done: readonly string[]) => Promise<void>,
  counts: (request: string) => boolean = () => true,
): Promise<number> {
  for (let request = 0; ; request++) {
    const race = await copyOf(template, await freshFolder())
    const slow = pausing(race.repository.store)
    const work = held(race, { ...race.repository, store: slow.store })
    if ((await slow.reached(request, work)) === 'ended') {
      await work
      return request
    }
    const done = slow.requests.slice(0, -1)
    const at = slow.requests.at(-1) ?? ''
    if (!counts(at)) {
      slow.resume()
      await work
      continue
    }
    try {
      await others(race)
      slow.resume()
      const [outcome] = await Promise.allSettled([work])
      if (outcome?.status === 'rejected') expect(outcome.reason).toBeInstanceOf(LockkeeperError)
      await expected(race, outcome as PromiseSettledResult<unknown>, done)
    } catch (error) {
      throw new Error(`held up before ${at}`, { cause: error })
    }
  }
}

/** What is there is whole, something good is, and the rest can be swept. */
async function expectSound(race: Race): Promise<void> {
  const ids = await expectWhole(race)
  expect(ids.length).toBeGreaterThan(0)
  const { backups } = await catalogOf(race)
  expect(backups.some(({ checked }) => checked !== 'bad')).toBe(true)
  // Those that were held up are gone by then.
  age(race, keysIn(race.root, 'intents/', 'marks/'), 8 * days)
  for (let round = 0; round < 3; round++) await pruneNow(race)
  expect(await expectWhole(race)).toEqual(ids.filter(id => keysIn(race.root, 'backups/').join().includes(id)))
  const left = (await catalogOf(race)).backups
  expect(contentOf(race).length).toBe(new Set(left.map(({ manifest }) => manifest.database.sha256)).size * 3 + 4)
}

const prune: Actor = (_, repository) => pruneNow({ repository })
const backupOf =
  (version: number): Actor =>
  (race, repository) =>
    backup({ repository }, race.versions[version - 1] as string)

describe('one that is held up before any of its requests', { timeout: 300_000 }, () => {
  /** Three backups of three versions. */
  let full: Race
  /** The third one alone; what the others used is marked, and may be deleted. */
  let pruned: Race
  /** The same, where prunes come once a week: the marks are so old that they go with what they mark. */
  let weekly: Race
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(scratch, 'lockkeeper-races-'))
    full = await threeBackups(folder)
    pruned = await copyOf(full, join(folder, 'pruned'))
    await pruneNow(pruned)
    weekly = await copyOf(pruned, join(folder, 'weekly'))
    age(weekly, keysIn(weekly.root, 'marks/'), 8 * days)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  const templates = [
    ['backups to remove', () => full],
    ['chunks to delete', () => pruned],
  ] as const

  it.each(templates)('a backup of what prunes remove meanwhile is whole (%s)', async (_, template) => {
    const requests = await everyPause(
      template(),
      backupOf(1),
      async race => {
        for (let round = 0; round < 3; round++) await pruneNow(race)
      },
      async (race, { status }) => {
        expect(status).toBe('fulfilled')
        await expectSound(race)
      },
    )
    expect(requests).toBeGreaterThan(15)
  })

  it.each(templates)('a prune takes nothing from backups that come meanwhile (%s)', async (_, template) => {
    const requests = await everyPause(
      template(),
      prune,
      async race => {
        await backupOf(1)(race, race.repository)
        await backupOf(2)(race, race.repository)
      },
      async race => expectSound(race),
    )
    expect(requests).toBeGreaterThan(15)
  })

  it.each([...templates, ['old marks', () => weekly]] as const)(
    'a prune takes nothing that was deleted by others and stored again (%s)',
    async (_, template) => {
      await everyPause(
        template(),
        prune,
        async race => {
          for (let round = 0; round < 3; round++) await pruneNow(race)
          await backupOf(1)(race, race.repository)
          await pruneNow(race)
        },
        async race => expectSound(race),
      )
    },
  )

  it.each(templates)('a prune that wakes up a week later takes nothing any more (%s)', async (_, template) => {
    await everyPause(
      template(),
      prune,
      async race => {
        for (let round = 0; round < 3; round++) await pruneNow(race)
        age(race, keysIn(race.root, 'marks/', 'intents/'), 8 * days)
        await backupOf(2)(race, race.repository)
        await pruneNow(race)
        await backupOf(1)(race, race.repository)
      },
      async race => expectSound(race),
      // Nothing helps against a request to delete that is a week on its way.
      request => !request.startsWith('delete chunks'),
    )
  })

  it('a prune puts back what was pinned meanwhile', async () => {
    await everyPause(
      full,
      prune,
      race => pin(race.repository, race.ids[0] as string, { by }).catch(error => error),
      async race => {
        const pinned = keysIn(race.root, 'pins/').length > 0
        expect(
          keysIn(race.root, 'backups/')
            .join()
            .includes(race.ids[0] as string),
        ).toBe(pinned)
        await expectSound(race)
      },
    )
  })

  it('a pin holds, or is refused', async () => {
    await everyPause(
      full,
      (race, repository) => pin(repository, race.ids[0] as string, { by }),
      async race => {
        for (let round = 0; round < 3; round++) await pruneNow(race)
      },
      async (race, { status }) => {
        const there = keysIn(race.root, 'backups/')
          .join()
          .includes(race.ids[0] as string)
        expect(there).toBe(status === 'fulfilled')
        await expectSound(race)
      },
    )
  })

  it('a prune leaves the last good one, whole, also when newer ones are found bad meanwhile', async () => {
    const bad = { kind: 'drill', result: 'bad', how: null, problems: [], notes: [], milliseconds: 1 } as const
    await everyPause(
      full,
      prune,
      async race => {
        const at = new Date().toISOString()
        await recordCheck(race.repository, { ...bad, at, backup: race.ids[2] as string, by })
        for (let round = 0; round < 3; round++) await pruneNow(race)
      },
      async (race, _, done) => {
        const deleted = done.findIndex(request => request.startsWith('delete backups/'))
        const lookedAgain = deleted >= 0 && done.slice(deleted).includes('list checks/')
        const { backups } = await catalogOf(race)
        // Once it has looked for the last time nothing was known yet.
        if (!lookedAgain) expect(backups.map(({ id }) => id)).toContain(race.ids[1])
        await expectWhole(race)
      },
    )
  })

  it('a restore gets its bytes in the time of grace, and afterwards a sentence', async () => {
    for (const grace of [days, 0]) {
      await everyPause(
        full,
        async (race, repository) => {
          const { backups } = await catalogOf({ repository })
          const found = backups.find(({ id }) => id === race.ids[0])
          if (found === undefined) throw new LockkeeperError('missing', 'it was removed before')
          await fetchBackup(repository, found, race.path('back'))
        },
        async race => {
          for (let round = 0; round < 3; round++) await pruneNow(race, { grace })
        },
        async (race, outcome) => {
          if (outcome.status === 'rejected')
            expect(outcome.reason.message).toMatch(grace === 0 ? /missing|removed/ : /removed/)
          await expectSound(race)
        },
      )
    }
  })
})
