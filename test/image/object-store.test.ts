/** A deploy in a container whose only way out leads to its object store, of a database that this machine writes. */
import { basename } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { s3Store } from '../../src/storage/s3.ts'
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { docker } from '../environment/docker.ts'
import { expectOk } from '../support/cli.ts'
import { Peer } from '../support/peer.ts'
import { application, runContainer, type Setting, unprivileged, withoutHome } from './container.ts'
import { type InternalStore, startInternalStore } from './internal-store.ts'
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

/** Owner and mode of the database. */
const asItWas = { ...application, mode: '640' }

let image: Awaited<ReturnType<typeof lockkeeperImage>>
let store: InternalStore
let place: Place
let setting: Setting

beforeAll(async () => {
  image = await lockkeeperImage()
  store = await startInternalStore(image.engine)
}, patience)

afterAll(() => store?.stop())

/** The host's application has used its database for a while, in WAL mode, and ended well. */
beforeEach(async () => {
  place = new Place()
  setting = inNetwork(place.seenFrom(image))
  place.migration('v001_people.sql', people)
  place.file(place.database, '')
  expectOk(await runContainer(setting, ['run']))
  const peer = await Peer.open(place.database)
  await peer.run('PRAGMA journal_mode = WAL', "INSERT INTO people (name) VALUES ('Ada'), ('Grace')")
  await peer.close()
  place.migration('v002_email.sql', email)
})

function repository(): string {
  return `s3://${store.bucket}/${basename(place.folder)}`
}

/** With the object store in place of a folder for the backups. */
function inNetwork({ mounts, env, ...others }: ReturnType<Place['seenFrom']>): Setting {
  const { '/backups': _, ...withoutBackups } = mounts
  return {
    ...others,
    mounts: withoutBackups,
    env: { ...env, ...store.env, LOCKKEEPER_REPOSITORY: repository() },
    options: [...unprivileged, '--network', store.network],
  }
}

/** The backups that are in the bucket, as this machine sees it. */
async function backupsInBucket(): Promise<string[]> {
  const bucket = await s3Store(repository(), store.options)
  try {
    return (await Array.fromAsync(bucket.list('backups/'))).map(({ key }) => basename(key, '.json'))
  } finally {
    await bucket.close()
  }
}

describe('a deploy without privileges, with a network to the store only', () => {
  test('backs up there, brings the database to its level, and the program of this machine goes on with it', async () => {
    expect(ownership(place.database)).toEqual(asItWas)
    const ran = await runContainer(setting, ['run'])
    expectOk(ran)
    expect(ran.stdout).toContain('1 migration applied: the database went from v001_people to v002_email.\n')
    expect(await backupsInBucket()).toEqual([expect.stringContaining('-pre-migration-v001_people')])

    expect(ownership(place.database)).toEqual(asItWas)
    expect(await foreignFiles(place.volume)).toEqual([])
    const peer = await Peer.open(place.database)
    expect(await peer.run('PRAGMA journal_mode')).toEqual([['wal']])
    expect(await peer.run("INSERT INTO people (name, email) VALUES ('Barbara', 'b@example.com')")).toEqual([])
    expect(await peer.run('SELECT name, email FROM people ORDER BY id')).toEqual([
      ['Ada', null],
      ['Grace', null],
      ['Barbara', 'b@example.com'],
    ])
    expect(await peer.run('PRAGMA integrity_check')).toEqual([['ok']])
    await peer.close()
  })

  test('needs no home folder, and no user that the image knows', async () => {
    const homeless = withoutHome(setting)
    expectOk(await homeless(['run']))
    expect(await backupsInBucket()).toHaveLength(1)
    expectOk(await homeless(['restore', '--latest']))
  })

  test('is followed by a restore from there, after which the program goes on as well', async () => {
    expectOk(await runContainer(setting, ['run']))
    expectOk(await runContainer(setting, ['restore', '--latest']))

    expect(ownership(place.database)).toEqual(asItWas)
    expect(await foreignFiles(place.volume)).toEqual([])
    const peer = await Peer.open(place.database)
    expect(await peer.run("INSERT INTO people (name) VALUES ('Barbara')")).toEqual([])
    expect(await peer.run('SELECT * FROM people ORDER BY id')).toEqual([
      [1, 'Ada'],
      [2, 'Grace'],
      [3, 'Barbara'],
    ])
    expect(await peer.run('PRAGMA journal_mode')).toEqual([['wal']])
    expect(await peer.run('PRAGMA integrity_check')).toEqual([['ok']])
    await peer.close()
  })

  test('has nothing but the store in its network, and no way out of that', async () => {
    const format = '{{.Internal}} {{json .Containers}}'
    const said = await docker(image.engine, ['network', 'inspect', '--format', format, store.network])
    const [internal, containers = ''] = said.split(/ (.*)/)
    expect(internal).toBe('true')
    expect(Object.keys(JSON.parse(containers))).toEqual([store.id])
  })
})
