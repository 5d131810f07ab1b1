/** Stopped by a signal, by the deadline, or killed, in the middle of a migration. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, type Ran } from '../support/cli.ts'
import { hold } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, newPlace, type Workplace } from '../support/workplace.ts'

/** A statement that takes many minutes, after one that writes. */
const endless = `-- migrate:up
  CREATE TABLE carts (n);
  UPDATE customers SET name = upper(name);
  INSERT INTO carts WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000000000) SELECT count(*) FROM c;`
const mended = '-- migrate:up\nCREATE TABLE carts (n);'

async function placeWith(mode: 'delete' | 'wal'): Promise<Workplace> {
  const place = await shop({ mode })
  place.env['LOCKKEEPER_TERMINATION_LOG'] = join(place.folder, 'termination.log')
  place.migration('v002_first', '-- migrate:up\nCREATE TABLE first (n);')
  place.migration('v003_endless', endless)
  return place
}

function lastWord(place: Workplace): { sentence: string; facts: Record<string, unknown> } {
  const [sentence = '', json = ''] = readFileSync(join(place.folder, 'termination.log'), 'utf8').split('\n')
  return { sentence, facts: JSON.parse(json) }
}

/** The database is nobody's any more: another process can take it for itself. */
async function expectLetGo(place: Workplace): Promise<void> {
  const holder = await hold(place.database, 'PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE')
  await holder.release('ROLLBACK')
}

async function expectNextRunFinishes(place: Workplace): Promise<void> {
  place.migration('v003_endless', mended)
  expectOk(await place.run(['run']))
  expect(Object.keys(applicationOf(place.database).rows)).toEqual(['carts', 'customers', 'first', 'orders'])
}

const signals = [
  ['SIGTERM', 143, 'terminated'],
  ['SIGINT', 130, 'interrupted'],
] as const

describe.each(signals)('%s in the middle of a long statement', (signal, exit, code) => {
  test.each(['delete', 'wal'] as const)(
    'ends it within a second with the database as it was, in %s mode',
    async mode => {
      const place = await placeWith(mode)
      const before = applicationOf(place.database)
      const run = place.start(['run', '--json'])
      await run.shows('"v002_first"')
      const sent = performance.now()
      run.process.kill(signal)
      const ran: Ran = await run.done
      expect(performance.now() - sent).toBeLessThan(1500)
      expectRefused(ran, exit, signal)
      expect(JSON.parse(ran.stdout).error).toMatchObject({ code, exit })
      expect(lastWord(place)).toMatchObject({ sentence: `stopped by ${signal}`, facts: { code, exit } })
      await expectLetGo(place)
      expect(applicationOf(place.database)).toEqual(before)
      await expectNextRunFinishes(place)
    },
  )
})

test('Ctrl-C, which reaches the child process as well, is told as what it is', async () => {
  const place = await placeWith('wal')
  const before = applicationOf(place.database)
  const run = place.start(['run'], { ownGroup: true })
  await run.shows('"v002_first"')
  process.kill(-run.process.pid!, 'SIGINT')
  expectRefused(await run.done, 130, 'stopped by SIGINT')
  expect(applicationOf(place.database)).toEqual(before)
})

test('SIGTERM in the middle of a long replay in memory ends it at once as well', async () => {
  const place = await placeWith('wal')
  // Ten rows where there are customers, and no end in the empty database of a replay.
  place.migration(
    'v003_endless',
    `-- migrate:up
     CREATE TABLE numbers (n);
     INSERT INTO numbers WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c
       WHERE n < (SELECT CASE count(*) WHEN 0 THEN 3000000000 ELSE 10 END FROM customers)) SELECT max(n) FROM c;`,
  )
  const before = applicationOf(place.database)
  const run = place.start(['run'])
  await run.shows('"v003_endless"')
  await busyFor(run.process.pid!, 0.5)
  const sent = performance.now()
  run.process.kill('SIGTERM')
  expectRefused(await run.done, 143, 'SIGTERM')
  expect(performance.now() - sent).toBeLessThan(1500)
  expect(applicationOf(place.database)).toEqual(before)
})

/** Waits until a process and its children have computed for so many seconds more. */
async function busyFor(pid: number, seconds: number): Promise<void> {
  const ticks = () => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
    const used = [String(pid), ...children].map(id => {
      const fields = readFileSync(`/proc/${id}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      return Number(fields[11]) + Number(fields[12])
    })
    return used.reduce((sum, part) => sum + part, 0)
  }
  const before = ticks()
  const deadline = performance.now() + 30_000
  while (ticks() - before < seconds * 100) {
    if (performance.now() > deadline) throw new Error('it does not compute anything')
    await new Promise(setImmediate)
  }
}

test('SIGTERM while it waits for the lock ends it at once', async () => {
  const place = await placeWith('delete')
  const holder = await hold(place.database, 'BEGIN IMMEDIATE')
  const run = place.start(['run'])
  await run.shows('waiting')
  const sent = performance.now()
  run.process.kill('SIGTERM')
  expectRefused(await run.done, 143, 'SIGTERM')
  expect(performance.now() - sent).toBeLessThan(1500)
  await holder.release()
})

test.each(['delete', 'wal'] as const)(
  'SIGKILL: the child ends as well, and the next run finishes, in %s mode',
  async mode => {
    const place = await placeWith(mode)
    const before = applicationOf(place.database)
    const run = place.start(['run'])
    await run.shows('"v002_first"')
    run.process.kill('SIGKILL')
    expect(await run.done).toMatchObject({ exit: null, signal: 'SIGKILL' })
    await expectLetGo(place)
    expect(applicationOf(place.database)).toEqual(before)
    await expectNextRunFinishes(place)
  },
)

/** What the log says once each step is done, and whether the new level is committed by then. */
const steps: readonly [string, string, boolean][] = [
  ['reading the migrations', '"step":"read"', false],
  ['looking', '"step":"look"', false],
  ['taking the lock', '"step":"lock"', false],
  ['the backup', '"step":"backup"', false],
  ['the first migration', '"v002_first"', false],
  ['the checks', '"step":"validate"', false],
  ['the commit', '"step":"commit"', true],
]

test.each(steps)(
  'killed right after %s: it is the old level or the new one, and the next run finishes',
  async (_, line, committed) => {
    const place = await placeWith('wal')
    place.migration('v003_endless', mended)
    const before = applicationOf(place.database)
    const run = place.start(['run'])
    await run.shows(line)
    run.process.kill('SIGKILL')
    await run.done
    await expectLetGo(place)
    const after = applicationOf(place.database)
    if (committed || 'carts' in after.rows)
      expect(Object.keys(after.rows)).toEqual(['carts', 'customers', 'first', 'orders'])
    else expect(after).toEqual(before)
    await expectNextRunFinishes(place)
    expect(place.backups()).toHaveLength(1)
  },
)

test('SIGKILL during a first install: the next run finishes it', async () => {
  const place = newPlace()
  place.migration('v001_endless', endless.replace(/UPDATE.*\n/, ''))
  const run = place.start(['run'])
  await run.shows('a first install')
  run.process.kill('SIGKILL')
  await run.done
  await expectLetGo(place)
  place.migration('v001_endless', mended)
  expectOk(await place.run(['run']))
  expect(applicationOf(place.database).rows).toEqual({ carts: [] })
})

test('a command that takes longer than --timeout is stopped, with the database as it was', async () => {
  const place = await placeWith('wal')
  const before = applicationOf(place.database)
  expectRefused(await place.run(['run', '--timeout', '4s']), 75, '4 s', 'LOCKKEEPER_TIMEOUT')
  await expectLetGo(place)
  expect(applicationOf(place.database)).toEqual(before)
})

test('a time-out of more than 24 days is no time-out at once', async () => {
  const place = await shop()
  place.migration('v002_carts', mended)
  expectOk(await place.run(['run', '--timeout', '48d']))
})

test('whoever reads the output may go away without stopping the job', async () => {
  const place = await shop()
  for (let n = 2; n < 40; n++)
    place.migration(`v${String(n).padStart(3, '0')}_table`, `-- migrate:up\nCREATE TABLE t${n} (n);`)
  const run = place.start(['run'])
  await run.shows('v002_table')
  run.process.stdout?.destroy()
  run.process.stderr?.destroy()
  await new Promise(resolve => run.process.once('exit', resolve))
  expect(run.process.exitCode).toBe(0)
  expect((await place.run(['status', '--json'])).stdout).toContain('v039_table')
})
