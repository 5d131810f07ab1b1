/** A deploy in a container, as Kubernetes runs it, of a database that a native program of this machine writes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { docker } from '../environment/docker.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { Peer } from '../support/peer.ts'
import { application, createContainer, restricted, runContainer, type Setting, withoutHome } from './container.ts'
import { foreignFiles, ownership, Place } from './place.ts'

const people = `-- migrate:up
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
-- migrate:down
DROP TABLE people;
`
const email = `-- migrate:up
ALTER TABLE people ADD COLUMN email TEXT;
-- migrate:down
ALTER TABLE people DROP COLUMN email;
`
const capitals = `export const description: string = 'names in capitals'
export function up(db: { exec(sql: string): void }) {
  db.exec('UPDATE people SET name = upper(name)')
}
`

let image: Awaited<ReturnType<typeof lockkeeperImage>>
let place: Place
let setting: Setting

beforeAll(async () => {
  image = await lockkeeperImage()
}, patience)

beforeEach(() => {
  place = new Place()
  setting = place.seenFrom(image)
  place.migration('v001_people.sql', people)
})

/** The host's application has used its database for a while, in WAL mode, and ended well. */
async function used(): Promise<void> {
  place.file(place.database, '')
  expectOk(await runContainer(setting, ['run']))
  const peer = await Peer.open(place.database)
  await peer.run('PRAGMA journal_mode = WAL', "INSERT INTO people (name) VALUES ('Ada'), ('Grace')")
  await peer.close()
}

describe('a deploy without privileges, network or a file system to write to', () => {
  test('brings the database to its level, and the program of this machine goes on with it', async () => {
    await used()
    const before = ownership(place.database)
    place.migration('v002_email.sql', email)
    const ran = await runContainer(setting, ['run'])
    expectOk(ran)
    expect(ran.stdout).toContain('1 migration applied: the database went from v001_people to v002_email.\n')

    expect(ownership(place.database)).toEqual(before)
    expect(before).toEqual({ ...application, mode: '640' })
    const peer = await Peer.open(place.database)
    expect(await peer.run('SELECT name, email FROM people ORDER BY id')).toEqual([
      ['Ada', null],
      ['Grace', null],
    ])
    expect(await peer.run("INSERT INTO people (name, email) VALUES ('Barbara', 'b@example.com')")).toEqual([])
    expect(await peer.run('PRAGMA integrity_check')).toEqual([['ok']])
    expect(await peer.run('PRAGMA journal_mode')).toEqual([['wal']])
    await peer.close()
  })

  test('leaves nothing behind that the application could not open', async () => {
    await used()
    place.migration('v002_email.sql', email)
    expectOk(await runContainer(setting, ['run']))
    expect(await foreignFiles(place.volume)).toEqual([])
    expect(await foreignFiles(place.repository)).toEqual([])
  })

  test('stores the backup where the second mount is, and finds nothing to do when it runs again', async () => {
    await used()
    place.migration('v002_email.sql', email)
    expectOk(await runContainer(setting, ['run']))
    const again = await runContainer(setting, ['run'])
    expectOk(again)
    expect(again.stdout).toBe('Nothing to do: the database is at v002_email.\n')
    const { stdout } = await runContainer(setting, ['backups', '--json'])
    expect(JSON.parse(stdout).backups).toHaveLength(1)
  })

  test('runs migrations in TypeScript', async () => {
    await used()
    place.migration('v002_capitals.ts', capitals)
    expectOk(await runContainer(setting, ['run']))
    const peer = await Peer.open(place.database)
    expect(await peer.run('SELECT name FROM people ORDER BY id')).toEqual([['ADA'], ['GRACE']])
    await peer.close()
  })

  test('restores what it has backed up', async () => {
    await used()
    place.migration('v002_email.sql', email)
    expectOk(await runContainer(setting, ['run']))
    expectOk(await runContainer(setting, ['restore', '--latest']))
    expect(await foreignFiles(place.volume)).toEqual([])
    const peer = await Peer.open(place.database)
    expect(await peer.run('SELECT * FROM people ORDER BY id')).toEqual([
      [1, 'Ada'],
      [2, 'Grace'],
    ])
    await peer.close()
  })
})

describe('the container', () => {
  test('needs no home folder, and no user that the image knows', async () => {
    expectOk(await withoutHome(setting)(['run']))
  })

  test('says in the termination message how it went, for a person and for a program', async () => {
    const last = place.file(join(place.folder, 'termination-log'), '', 0o666)
    const heard = { ...setting, mounts: { ...setting.mounts, '/dev/termination-log': last } }
    expectOk(await runContainer(heard, ['run']))
    const [sentence, json = ''] = readFileSync(last, 'utf8').split('\n')
    expect(sentence).toContain('the database went from nothing to v001_people')
    expect(JSON.parse(json)).toMatchObject({ code: 'ok', exit: 0 })
  })

  test('writes to the folders that it is given and nowhere else', async () => {
    // As a user who could write to the whole root file system.
    const options = ['--user', '0:0', '--cap-drop', 'ALL', '--cap-add', 'DAC_OVERRIDE', '--network', 'none']
    const name = await createContainer({ ...setting, options }, ['run'])
    await docker(image.engine, ['start', '--attach', name])
    const changes = (await docker(image.engine, ['diff', name])).split('\n')
    expect(changes.sort()).toEqual(['A /backups', 'A /data', 'A /migrations'])
  })

  test('says which folder it may not write to when it runs as the wrong user', async () => {
    await used()
    place.migration('v002_email.sql', email)
    const options = [...restricted, '--user', '65532:65532']
    expectRefused(await runContainer({ ...setting, options }, ['run']), 77, '/data/app.db')
  })
})
