/** `schedule`, as the process that stays up: its first backup, its end, its health, and what it refuses. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectOk, expectRefused, type Running } from '../support/cli.ts'
import { hold } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { newPlace, type Workplace } from '../support/workplace.ts'

/** A schedule that is ended with the test. */
function schedule(place: Workplace, ...args: string[]): Running {
  const running = place.start(['schedule', ...args])
  onTestFinished(() => void running.process.kill('SIGKILL'))
  return running
}

async function placeWithHealth(): Promise<Workplace> {
  const place = await shop({ mode: 'wal' })
  place.env['LOCKKEEPER_HEALTH_FILE'] = join(place.folder, 'health.json')
  return place
}

describe('schedule', () => {
  test('makes the backups that there never were, as one, says when the next ones are, and is well', async () => {
    const place = await placeWithHealth()
    const running = schedule(place, '--time-zone', 'Europe/Berlin')
    await running.shows('daily: next at')
    await running.shows('monthly: next at')
    const [id, ...others] = place.backups()
    expect(id).toMatch(/^00000001-\d{8}T\d{6}Z-daily\+weekly\+monthly-v001_shop$/)
    expect(others).toEqual([])
    const check = await place.run(['schedule', '--check', '--json'])
    expectOk(check)
    expect(JSON.parse(check.stdout)).toMatchObject({
      status: 'ok',
      tasks: {
        daily: {
          cron: '15 4 * * *',
          timeZone: 'Europe/Berlin',
          failures: 0,
          last: { code: 'ok', message: expect.stringContaining(`${id}`) },
        },
      },
    })
    running.process.kill('SIGTERM')
    await running.done
    expect((await running.done).stderr).toMatch(/daily: next at \d{4}-\d\d-\d\d 04:15 Europe\/Berlin, in/)
  })

  test('prunes, verifies and holds drills, and does neither of these two again at the next start', async () => {
    const place = await placeWithHealth()
    for (let start = 0; start < 2; start++) {
      const running = schedule(place, '--drill-at', '@monthly')
      await running.shows('prune: next at')
      await running.shows('drill: next at')
      running.process.kill('SIGTERM')
      const { stderr } = await running.done
      expect(stderr).toMatch(/verify: next at/)
    }
    const [id] = place.backups()
    const checks = readdirSync(join(place.repository, 'checks', `${id}`))
    expect(checks.map(name => name.replace(/^[^-]+-/, '')).sort()).toEqual([
      'drill-good.json',
      'verification-good.json',
    ])
    expect(JSON.parse(readFileSync(join(place.folder, 'health.json'), 'utf8'))).toMatchObject({ status: 'ok' })
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('is ended by %s while it waits, and makes nothing twice when it starts again', async (signal, exit) => {
    const place = await placeWithHealth()
    for (let start = 0; start < 2; start++) {
      const running = schedule(place)
      // What is due is done in this order, and pruning at each start.
      await running.shows('prune: next at')
      running.process.kill(signal)
      expectRefused(await running.done, exit, signal)
    }
    expect(place.backups()).toHaveLength(1)
  })

  test('is ended by SIGTERM in the middle of a backup, leaves nothing behind, and makes it at the next start', async () => {
    const place = await shop()
    const tmpdir = join(place.volume, '..', 'migrations')
    place.env['LOCKKEEPER_TMPDIR'] = tmpdir
    const before = readdirSync(tmpdir)
    const writer = await hold(place.database, 'BEGIN EXCLUSIVE')
    const running = schedule(place)
    await running.shows('monthly: now')
    await expect.poll(() => readdirSync(tmpdir).length, { timeout: 20_000 }).toBeGreaterThan(before.length)
    running.process.kill('SIGTERM')
    expectRefused(await running.done, 143, 'SIGTERM')
    expect(readdirSync(tmpdir)).toEqual(before)
    expect(place.backups()).toEqual([])
    await writer.release('ROLLBACK')
    const again = schedule(place)
    await again.shows('monthly: next at')
    expect(place.backups()).toHaveLength(1)
  })

  test('goes on where a backup fails, and says so in its log and its health', async () => {
    const place = await placeWithHealth()
    rmSync(place.database)
    const running = schedule(place)
    await running.shows('daily, weekly, monthly: failed (missing): there is nothing to back up')
    await running.shows('monthly: next at')
    expectRefusedByHealth(await place.run(['schedule', '--check']), 66, /daily failed: there is nothing to back up/)
    expect(running.process.exitCode).toBe(null)
  })

  test('goes on where a task takes longer than --timeout', async () => {
    const place = await shop()
    const writer = await hold(place.database, 'BEGIN EXCLUSIVE')
    const running = schedule(place, '--timeout', '1500ms')
    await running.shows('failed (busy): not done within the time allowed (1.5 s)')
    await running.shows('monthly: next at')
    expect(running.process.exitCode).toBe(null)
    await writer.release('ROLLBACK')
  })

  test.each([
    [['--daily-at', '15 4 * *'], 'LOCKKEEPER_DAILY_AT', '15 4 \\* \\*'],
    [['--weekly-at', '0 0 31 2 *'], 'LOCKKEEPER_WEEKLY_AT', 'no day fits it'],
    [
      ['--daily-at', 'off', '--weekly-at', 'off', '--monthly-at', 'off', '--prune-at', 'off', '--verify-at', 'off'],
      'everything is off',
      '--daily-at',
    ],
    [['--time-zone', 'Mars/Olympus'], 'LOCKKEEPER_TIME_ZONE', 'Mars/Olympus'],
    [['--drill-at', '@monthly', '--migrations', '/nowhere'], 'a drill runs the migrations', '/nowhere'],
    [['--health-file', '/nowhere/health.json'], '/nowhere/health.json', 'health file'],
  ])('refuses %j before anything is done', async (args, ...culprits) => {
    const place = await shop()
    const exit = args[0] === '--health-file' ? 66 : 78
    expectRefused(await place.run(['schedule', ...args]), exit, ...culprits.map(culprit => new RegExp(culprit)))
    expect(place.backups()).toEqual([])
  })

  test('refuses the repository of another database at the start', async () => {
    const place = await shop()
    expectOk(await place.run(['backup']))
    const other = newPlace()
    other.env['LOCKKEEPER_REPOSITORY'] = place.env['LOCKKEEPER_REPOSITORY']
    other.env['DATABASE_URL'] = join(other.volume, 'other.db')
    expectRefused(await other.run(['schedule']), 78, 'app.db', 'other.db')
  })
})

describe('schedule --check', () => {
  test('is refused where there is no health file to look at', async () => {
    const place = newPlace()
    expectRefused(await place.run(['schedule', '--check']), 78, 'LOCKKEEPER_HEALTH_FILE')
    const file = join(place.folder, 'health.json')
    expectRefused(await place.run(['schedule', '--check', '--health-file', file]), 66, file, 'running')
    writeFileSync(file, '{')
    expectRefused(await place.run(['schedule', '--check', '--health-file', file]), 65, file)
  })

  test('is not well once the schedule has not been heard of for a while', async () => {
    const place = await placeWithHealth()
    const file = join(place.folder, 'health.json')
    const running = schedule(place)
    await running.shows('monthly: next at')
    running.process.kill('SIGKILL')
    await running.done
    const health = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(
      file,
      JSON.stringify({ ...health, at: '2026-11-27T04:15:00.000Z', validUntil: '2026-11-27T04:17:00Z' }),
    )
    expectRefusedByHealth(await place.run(['schedule', '--check']), 66, /not been heard of since 2026-11-27T04:15/)
  })
})

function expectRefusedByHealth(ran: { exit: number | null; stdout: string }, exit: number, sentence: RegExp): void {
  expect(ran).toMatchObject({ exit, stdout: expect.stringMatching(sentence) })
}
