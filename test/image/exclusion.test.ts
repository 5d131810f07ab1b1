/** One volume, several mount paths: a program of this machine and containers keep each other out. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { Peer } from '../support/peer.ts'
import { runContainer, type Setting, startContainer } from './container.ts'
import { Gate } from './gate.ts'
import { Place } from './place.ts'

const people = `-- migrate:up
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
-- migrate:down
DROP TABLE people;
`
const email = '-- migrate:up\nALTER TABLE people ADD COLUMN email TEXT;\n'
const impatient = ['run', '--lock-timeout', '1s']

let image: Awaited<ReturnType<typeof lockkeeperImage>>
let place: Place

beforeAll(async () => {
  image = await lockkeeperImage()
}, patience)

/** Two containers that see the volume in different places, neither where this machine has it. */
let here: Setting
let there: Setting

beforeEach(() => {
  place = new Place()
  here = place.seenFrom(image, '/data')
  there = place.seenFrom(image, '/mnt/volumes/application')
})

describe.each(['wal', 'delete'])('a database in journal mode %s', mode => {
  /** A connection of this machine to a database at its first level, with a row in it. */
  async function peerOnDatabase(): Promise<Peer> {
    place.migration('v001_people.sql', people)
    place.file(place.database, '')
    expectOk(await runContainer(here, ['run']))
    const peer = await Peer.open(place.database)
    await peer.run(`PRAGMA journal_mode = ${mode}`, "INSERT INTO people (name) VALUES ('Ada')")
    return peer
  }

  test('that this machine is writing to is left alone by the job in the container', async () => {
    const peer = await peerOnDatabase()
    place.migration('v002_email.sql', email)
    await peer.run('BEGIN IMMEDIATE', "INSERT INTO people (name) VALUES ('Grace')")
    expectRefused(await runContainer(there, impatient), 75, '/mnt/volumes/application/app.db')

    await peer.run('COMMIT')
    expect(await peer.run('SELECT name FROM people ORDER BY id')).toEqual([['Ada'], ['Grace']])
    await peer.close()
    expectOk(await runContainer(there, impatient))
  })

  test('that a container is migrating lets nobody else in: neither this machine nor another container', async () => {
    const idle = await peerOnDatabase()
    await idle.close()
    const gate = new Gate(place)
    const job = startContainer(gate.in(here), ['run'])
    await gate.reached()

    const peer = await Peer.open(place.database)
    expect(await peer.refusal('SELECT * FROM people')).toBe('database is locked')
    expect(await peer.refusal("INSERT INTO people (name) VALUES ('Grace')")).toBe('database is locked')
    expectRefused(await runContainer(there, impatient), 75, '/mnt/volumes/application/app.db')

    gate.open()
    expectOk(await job.done)
    expect(await peer.run("INSERT INTO people (name) VALUES ('Grace')")).toEqual([])
    expect(await peer.run('SELECT name FROM people ORDER BY id')).toEqual([['changed'], ['Grace']])
    expect(await peer.run('PRAGMA integrity_check')).toEqual([['ok']])
    await peer.close()
  })
})
