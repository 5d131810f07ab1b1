/** The schedule with a clock that a test sets: what is done when, what is done again, and what it says of itself. */
import { describe, expect, test } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import type { Health } from '../../src/schedule/health.ts'
import { keepSchedule, type Work } from '../../src/schedule/keep.ts'
import { type Done, type Task, tasks } from '../../src/schedule/task.ts'
import { Timetable } from '../../src/schedule/timetable.ts'
import { Zone } from '../../src/schedule/zone.ts'
import { FakeClock } from './fake-clock.ts'

type Times = Partial<Record<Task, string>>

/** A repository as far as the schedule sees it, and everything that was told. */
class World {
  readonly done: Record<Task, Date[]> = { daily: [], weekly: [], monthly: [], prune: [], verify: [], drill: [] }
  readonly log: string[] = []
  readonly messages: string[] = []
  health: Health | undefined
  /** What the next attempts end with. */
  readonly failures: Error[] = []
  /** What the next ones find. */
  readonly findings: Work[] = []
  lookFails: Error | undefined
  takes = 1000

  /** Keeps the schedule until the clock's end. */
  async keep(clock: FakeClock, times: Times, zone = 'UTC'): Promise<void> {
    const timetables = new Map(
      Object.entries(times).map(([task, time]) => [task as Task, new Timetable(time, new Zone(zone))]),
    )
    const kept = keepSchedule({
      timetables,
      clock,
      done: async () => {
        if (this.lookFails !== undefined) throw this.lookFails
        return structuredClone(this.done) as Done
      },
      work: async due => {
        const at = clock.now()
        clock.pass(this.takes)
        const failure = this.failures.shift()
        this.log.push(`${at.toISOString().slice(5, 16)} ${due.join('+')}${failure === undefined ? '' : ' failed'}`)
        if (failure !== undefined) throw failure
        for (const task of due) if (task !== 'prune') this.done[task].push(at)
        return this.findings.shift() ?? { sentence: `${due.join('+')} made.` }
      },
      report: async health => {
        this.health = health
      },
      timeout: 60_000,
      listener: event => {
        if ('message' in event) this.messages.push(event.message)
      },
      redact: text => text.replaceAll('hunter2', '[redacted]'),
      signal: clock.signal,
    })
    await expect(kept).rejects.toThrow('the end of the simulation')
  }
}

const unreachable = new LockkeeperError('storage', 's3://b cannot be reached', { hint: 'Is it up?' })

describe('what is due', () => {
  test('is done at its time, one thing after the other, and several tiers are one backup', async () => {
    const world = new World()
    for (const task of tasks) world.done[task].push(new Date('2026-11-27T12:00Z'))
    const times = {
      daily: '15 4 * * *',
      weekly: '15 4 * * 0',
      monthly: '15 4 1 * *',
      prune: '15 4 * * *',
      verify: '0 5 * * *',
      drill: '0 5 1 * *',
    }
    await world.keep(new FakeClock('2026-11-28T03:00Z', '2026-12-01T06:00Z'), times)
    expect(world.log).toEqual([
      '11-28T04:15 daily',
      '11-28T04:15 prune',
      '11-28T05:00 verify',
      '11-29T04:15 daily+weekly',
      '11-29T04:15 prune',
      '11-29T05:00 verify',
      '11-30T04:15 daily',
      '11-30T04:15 prune',
      '11-30T05:00 verify',
      '12-01T04:15 daily+monthly',
      '12-01T04:15 prune',
      '12-01T05:00 verify',
      '12-01T05:00 drill',
    ])
  })

  test('is at once what was never done', async () => {
    const world = new World()
    await world.keep(new FakeClock('2026-11-28T03:00Z', '2026-11-28T06:00Z'), {
      daily: '15 4 * * *',
      weekly: '0 7 * * 0',
    })
    expect(world.log).toEqual(['11-28T03:00 daily+weekly', '11-28T04:15 daily'])
  })

  test('is done once after a downtime, however much was missed', async () => {
    const world = new World()
    world.done.daily.push(new Date('2026-11-20T04:15:02Z'))
    await world.keep(new FakeClock('2026-11-28T03:00Z', '2026-11-28T06:00Z'), { daily: '15 4 * * *' })
    expect(world.log).toEqual(['11-28T03:00 daily', '11-28T04:15 daily'])
  })

  test('is done once after the machine slept over it', async () => {
    const world = new World()
    world.done.daily.push(new Date('2026-11-28T04:15:02Z'))
    let slept = false
    const clock = new FakeClock('2026-11-28T05:00Z', '2026-12-02T06:00Z', clock => {
      if (!slept) clock.set('2026-12-01T11:00Z')
      slept = true
    })
    await world.keep(clock, { daily: '15 4 * * *' })
    expect(world.log).toEqual(['12-01T11:00 daily', '12-02T04:15 daily'])
  })

  test('is done once when it was due several times while something else ran', async () => {
    const world = new World()
    world.takes = 3 * 3_600_000
    await world.keep(new FakeClock('2026-11-28T03:00Z', '2026-11-28T09:30Z'), { daily: '0 * * * *' })
    expect(world.log).toEqual(['11-28T03:00 daily', '11-28T06:00 daily', '11-28T09:00 daily'])
  })

  test('is left alone when somebody else has done it by then', async () => {
    const world = new World()
    world.done.daily.push(new Date('2026-11-27T04:15:02Z'))
    const clock = new FakeClock('2026-11-28T03:00Z', '2026-11-28T06:00Z', clock => {
      if (clock.now() >= new Date('2026-11-28T04:14:30Z') && world.done.daily.length === 1)
        world.done.daily.push(new Date('2026-11-28T04:15:00Z'))
    })
    await world.keep(clock, { daily: '15 4 * * *' })
    expect(world.log).toEqual([])
    expect(world.messages.at(-1)).toBe('daily: next at 2026-11-29 04:15 UTC, in 24 h')
  })

  test.each([
    ['forward', '2026-03-28T12:00Z', '2026-03-30T12:00Z', ['03-29T01:15 daily+weekly', '03-30T00:15 daily']],
    ['back', '2026-10-24T12:00Z', '2026-10-26T12:00Z', ['10-25T00:15 daily+weekly', '10-26T01:15 daily']],
  ])('is done once on the day on which clocks are set %s', async (_, from, until, expected) => {
    const world = new World()
    for (const task of tasks) world.done[task].push(new Date(from))
    await world.keep(new FakeClock(from, until), { daily: '15 2 * * *', weekly: '15 2 * * 0' }, 'Europe/Berlin')
    expect(world.log).toEqual(expected)
  })
})

describe('a clock that was wrong', () => {
  test('and is set back by a year does not stop the backups for a year', async () => {
    const world = new World()
    let corrected = false
    const clock = new FakeClock('2027-11-28T04:00Z', '2027-11-29T00:00Z', clock => {
      if (!corrected && clock.now() > new Date('2027-11-28T05:00Z')) {
        corrected = true
        clock.set('2026-11-28T03:00Z')
      }
      if (clock.now() > new Date('2026-11-29T06:00Z') && corrected) clock.set('2028-01-01T00:00Z')
    })
    await world.keep(clock, { daily: '15 4 * * *' })
    expect(world.log.slice(0, 5)).toEqual([
      '11-28T04:00 daily',
      '11-28T04:15 daily',
      '11-28T03:00 daily',
      '11-28T04:15 daily',
      '11-29T04:15 daily',
    ])
  })

  test('and is set back by a second right after a backup makes no second one', async () => {
    const world = new World()
    world.done.daily.push(new Date('2026-11-27T04:15:00Z'))
    let corrected = false
    const clock = new FakeClock('2026-11-28T04:14Z', '2026-11-28T06:00Z', clock => {
      if (!corrected && world.log.length === 1) clock.pass(-2000)
      corrected = world.log.length === 1
    })
    await world.keep(clock, { daily: '15 4 * * *' })
    expect(world.log).toEqual(['11-28T04:15 daily'])
  })
})

describe('a task that fails', () => {
  test('is tried again after a minute, two, four, up to an hour; the others go on', async () => {
    const world = new World()
    world.done.prune.push(new Date('2026-11-28T03:00Z'))
    world.failures.push(...Array.from({ length: 9 }, () => unreachable))
    world.takes = 0
    await world.keep(new FakeClock('2026-11-28T03:00Z', '2026-11-28T09:00Z'), {
      daily: '0 3 * * *',
      prune: '30 7 * * *',
    })
    expect(world.log.map(line => line.slice(6))).toEqual([
      '03:00 daily failed',
      '03:01 daily failed',
      '03:03 daily failed',
      '03:07 daily failed',
      '03:15 daily failed',
      '03:31 daily failed',
      '04:03 daily failed',
      '05:03 daily failed',
      '06:03 daily failed',
      '07:03 daily',
      '07:30 prune',
    ])
  })

  test('shows in the log and in the health, until it is done', async () => {
    const world = new World()
    world.failures.push(new LockkeeperError('storage', 's3://b?hunter2 refuses', { hint: 'Is it up?' }))
    const seen: [string, number, string | undefined][] = []
    const clock = new FakeClock('2026-11-28T03:00Z', '2026-11-28T03:05Z', () => {
      const { last, failures = 0 } = world.health?.tasks.daily ?? {}
      seen.push([world.health?.status ?? '', failures, last?.code])
    })
    await world.keep(clock, { daily: '0 3 * * *' })
    expect(seen[0]).toEqual(['failing', 1, 'storage'])
    expect(seen.at(-1)).toEqual(['ok', 0, 'ok'])
    expect(world.messages).toContain('daily: failed (storage): s3://b?[redacted] refuses. Is it up?')
    expect(world.health?.tasks.daily?.last?.message).toBe('daily made.')
  })

  test('is no longer failing when somebody else has done it', async () => {
    const world = new World()
    world.failures.push(unreachable)
    const clock = new FakeClock('2026-11-28T03:00Z', '2026-11-28T03:05Z', () => {
      if (world.done.daily.length === 0) world.done.daily.push(clock.now())
    })
    await world.keep(clock, { daily: '0 3 * * *' })
    expect(world.log).toEqual(['11-28T03:00 daily failed'])
    expect(world.health?.status).toBe('ok')
  })

  test('is not one that was done and found something bad: that shows until its next time', async () => {
    const world = new World()
    world.findings.push({ sentence: 'The newest backup is bad.', code: 'invalid' })
    const seen = new Set<string>()
    const clock = new FakeClock('2026-11-28T03:00Z', '2026-11-28T06:00Z', () => {
      const { last, failures } = world.health?.tasks.verify ?? {}
      seen.add(`${world.health?.status} ${last?.code} ${failures}`)
    })
    await world.keep(clock, { verify: '0 5 * * *' })
    expect(world.log).toEqual(['11-28T03:00 verify', '11-28T05:00 verify'])
    expect([...seen]).toEqual(['failing invalid 0', 'ok ok 0'])
  })

  test('by a bug of ours is told as that, and does not end the schedule either', async () => {
    const world = new World()
    world.failures.push(new TypeError('x is undefined'))
    await world.keep(new FakeClock('2026-11-28T03:00Z', '2026-11-28T03:05Z'), { daily: '0 3 * * *' })
    expect(world.messages).toContain('daily: failed (internal): a bug in Lockkeeper: x is undefined.')
    expect(world.log).toHaveLength(2)
  })
})

describe('a repository that cannot be asked', () => {
  test('at the start is asked again, and what was done before is not done again', async () => {
    const world = new World()
    world.done.daily.push(new Date('2026-11-28T04:15:02Z'))
    world.lookFails = unreachable
    const clock = new FakeClock('2026-11-28T05:00Z', '2026-11-28T06:00Z', clock => {
      if (clock.now() > new Date('2026-11-28T05:10Z')) world.lookFails = undefined
    })
    await world.keep(clock, { daily: '15 4 * * *' })
    expect(world.log).toEqual([])
    expect(world.messages.filter(message => message.includes('storage'))).toHaveLength(4)
    expect(world.health?.status).toBe('ok')
  })

  test('because a setting is wrong ends the schedule at the start', async () => {
    const world = new World()
    world.lookFails = new LockkeeperError('config', 'another database')
    const clock = new FakeClock('2026-11-28T05:00Z', '2026-11-28T06:00Z')
    await expect(world.keep(clock, { daily: '15 4 * * *' })).rejects.toThrow('another database')
  })
})

test('next runs are told at the start and after each one', async () => {
  const world = new World()
  world.done.daily.push(new Date('2026-11-28T02:15Z'))
  world.done.weekly.push(new Date('2026-11-22T02:15Z'))
  world.takes = 0
  const clock = new FakeClock('2026-11-28T03:00Z', '2026-11-29T03:00Z')
  await world.keep(clock, { daily: '15 3 * * *', weekly: '15 3 * * 0' }, 'Europe/Berlin')
  expect(world.messages).toEqual([
    'daily: next at 2026-11-29 03:15 Europe/Berlin, in 23 h 15 min',
    'weekly: next at 2026-11-29 03:15 Europe/Berlin, in 23 h 15 min',
    'daily+weekly made.',
    'daily: next at 2026-11-30 03:15 Europe/Berlin, in 24 h',
    'weekly: next at 2026-12-06 03:15 Europe/Berlin, in 7 d',
  ])
})

test('the health says until when it is to be believed', async () => {
  const world = new World()
  const reports: Health[] = []
  const clock = new FakeClock('2026-11-28T03:00Z', '2026-11-28T03:01Z', () => {
    if (world.health !== undefined) reports.push(world.health)
  })
  await world.keep(clock, { daily: '0 3 * * *' })
  expect(reports[0]).toMatchObject({
    at: '2026-11-28T03:00:01.000Z',
    validUntil: '2026-11-28T03:02:31.000Z',
    running: [],
  })
})
