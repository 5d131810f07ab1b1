/** What a container does that is told to end, as process 1 of its own. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { docker } from '../environment/docker.ts'
import { errorOf, expectOk, expectRefused, type Ran } from '../support/cli.ts'
import { Peer } from '../support/peer.ts'
import { type RunningContainer, runContainer, type Setting, startContainer } from './container.ts'
import { Gate } from './gate.ts'
import { Place } from './place.ts'

const people = `-- migrate:up
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
-- migrate:down
DROP TABLE people;
`

/** `docker stop` waits ten seconds before it kills: this is not that. */
const atOnce = 5_000

let image: Awaited<ReturnType<typeof lockkeeperImage>>
let place: Place
let setting: Setting
let gate: Gate

beforeAll(async () => {
  image = await lockkeeperImage()
}, patience)

/** A database with a row in it, a migration that stops in the middle of changing that, and a place for the last word. */
beforeEach(async () => {
  place = new Place()
  place.migration('v001_people.sql', people)
  place.file(place.database, '')
  setting = place.seenFrom(image)
  expectOk(await runContainer(setting, ['run']))
  const peer = await Peer.open(place.database)
  await peer.run('PRAGMA journal_mode = WAL', "INSERT INTO people (name) VALUES ('Ada')")
  await peer.close()
  gate = new Gate(place)
  const lastWord = place.file(join(place.folder, 'termination-log'), '', 0o666)
  setting = { ...setting, mounts: { ...setting.mounts, '/dev/termination-log': lastWord } }
})

/** Starts the job and waits until it is in the middle of its migration. */
async function inTheMiddle(): Promise<RunningContainer> {
  const job = startContainer(gate.in(setting), ['run'])
  await gate.reached()
  return job
}

/** Nothing of the migration is there, the file is sound, and the next run does it all. */
async function expectAsBefore(): Promise<void> {
  const peer = await Peer.open(place.database)
  expect(await peer.run('SELECT name FROM people')).toEqual([['Ada']])
  expect(await peer.run('PRAGMA integrity_check')).toEqual([['ok']])
  await peer.close()
  gate.open()
  expectOk(await runContainer(gate.in(setting), ['run']))
}

function lastWord(): { sentence: string; facts: unknown } {
  const [sentence = '', facts = ''] = readFileSync(join(place.folder, 'termination-log'), 'utf8').split('\n')
  return { sentence, facts: JSON.parse(facts) }
}

describe('a job in the middle of a migration', () => {
  test('ends at once with 143 when it is stopped, and the database is as it was', async () => {
    const job = await inTheMiddle()
    expect(await job.stop()).toBeLessThan(atOnce)
    const ran: Ran = await job.done
    expectRefused(ran, 143, 'SIGTERM')
    expect(errorOf(ran).hint).toContain('Run again')
    expect(lastWord()).toEqual({
      sentence: 'stopped by SIGTERM',
      facts: expect.objectContaining({ code: 'terminated', exit: 143 }),
    })
    await expectAsBefore()
  })

  test('ends at once with 130 when it is interrupted', async () => {
    const job = await inTheMiddle()
    await docker(image.engine, ['kill', '--signal', 'INT', job.name])
    expectRefused(await job.done, 130, 'SIGINT')
    await expectAsBefore()
  })

  test('that is killed without a word leaves nothing to clean up', async () => {
    const job = await inTheMiddle()
    await docker(image.engine, ['kill', job.name])
    expect((await job.done).exit).toBe(137)
    await expectAsBefore()
  })
})

test('a job that waits for the lock ends at once when it is stopped', async () => {
  const peer = await Peer.open(place.database)
  await peer.run('BEGIN IMMEDIATE')
  const job = startContainer(setting, ['run', '--lock-timeout', '10m'])
  await job.shows('waiting')
  expect(await job.stop()).toBeLessThan(atOnce)
  expectRefused(await job.done, 143, 'SIGTERM')
  await peer.run('COMMIT')
  await peer.close()
  await expectAsBefore()
})
