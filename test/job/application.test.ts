/**
 * The library inside an application that has the very database open with an SQLite of its own, as better-sqlite3 and its
 * like bring one. File locks belong to the process: if anything in it opened and closed the file by another way, the
 * application's locks would be gone without a word. Other programs tell whether they hold.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import { backUp, deploy, history, plan, restore, rollBack, status, validate } from '../../src/index.ts'
import { expectOk } from '../support/cli.ts'
import { deployOptions } from '../support/jobs.ts'
import { Peer } from '../support/peer.ts'
import { shop } from '../support/shop.ts'
import type { Workplace } from '../support/workplace.ts'

/** The part that such packages have in common. */
interface OwnSqlite {
  exec(sql: string): void
  prepare(sql: string): { all(): object[] }
  close(): void
}

/** Any package of this kind, by name or path: better-sqlite3 as well, where it has been compiled for this Node. */
const driver = process.env['TEST_SQLITE_DRIVER'] ?? '@photostructure/sqlite'

async function openInApplication(path: string): Promise<OwnSqlite> {
  const module = (await import(driver)) as Record<string, new (path: string) => OwnSqlite>
  const Database = (module['DatabaseSync'] ?? module['default'])!
  const own = new Database(path)
  onTestFinished(() => own.close())
  return own
}

function optionsOf(place: Workplace) {
  return { ...deployOptions(place, { lockTimeout: 100, viewInProcess: false }), allowRowLoss: false }
}

type Options = ReturnType<typeof optionsOf>

/** Everything in the library that touches a live database. */
const jobs: readonly [string, (options: Options) => Promise<unknown>][] = [
  ['deploy', options => deploy(options)],
  ['rollBack', options => rollBack({ ...options, target: { steps: 1 } })],
  ['backUp', options => backUp({ ...options, tiers: ['manual'] })],
  ['restore', options => restore({ ...options, selection: { latest: true } })],
  ['status', options => status(options)],
  ['plan', options => plan(options)],
  ['history', options => history(options)],
  ['validate', options => validate({ ...options, parts: ['schema', 'constraints', 'data', 'security', 'migrations'] })],
]

async function placeWithNews(mode: 'delete' | 'wal'): Promise<Workplace> {
  const place = await shop({ mode })
  expectOk(await place.run(['backup']))
  place.migration('v002_carts', '-- migrate:up\nCREATE TABLE carts (n);\n-- migrate:down\nDROP TABLE carts;')
  return place
}

describe.each(['delete', 'wal'] as const)('an application with a database in %s mode', mode => {
  test('keeps the lock of its transaction through all of them, and its row', async () => {
    const place = await placeWithNews(mode)
    const own = await openInApplication(place.database)
    own.exec("BEGIN IMMEDIATE; INSERT INTO customers VALUES (70, 'own')")
    const peer = await Peer.open(place.database)
    expect(await peer.refusal('BEGIN IMMEDIATE')).toBe('database is locked')
    for (const [name, job] of jobs) {
      await job(optionsOf(place)).catch((error: unknown) => expect(error, name).toMatchObject({ code: 'busy' }))
      expect(await peer.refusal('BEGIN IMMEDIATE'), name).toBe('database is locked')
    }
    own.exec('COMMIT')
    expect(await peer.run('SELECT name FROM customers WHERE id = 70')).toEqual([['own']])
  })

  test('keeps the lock of what it reads through all of them', async () => {
    const place = await placeWithNews(mode)
    const own = await openInApplication(place.database)
    own.exec('BEGIN')
    own.prepare('SELECT * FROM customers').all()
    for (const [name, job] of jobs) {
      await job(optionsOf(place)).catch((error: unknown) => expect(error, name).toMatchObject({ code: 'busy' }))
      const peer = await Peer.open(place.database)
      expect(await peer.refusal('PRAGMA locking_mode = EXCLUSIVE', 'BEGIN EXCLUSIVE'), name).toBe('database is locked')
      await peer.close()
    }
  })
})

test('a lock that the application takes when a deploy is broken off in its backup holds', async () => {
  const place = await placeWithNews('delete')
  const own = await openInApplication(place.database)
  own.exec(
    `WITH RECURSIVE c (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM c WHERE i < 400000)
     INSERT INTO customers SELECT i, 'customer ' || i FROM c`,
  )
  const stop = new AbortController()
  const enough = new Error('enough')
  const deploying = deploy({
    ...optionsOf(place),
    signal: stop.signal,
    listener: event => {
      if (event.kind === 'progress' && event.step === 'backup') stop.abort(enough)
    },
  })
  const ended = deploying.then(
    () => undefined,
    (error: unknown) => error,
  )
  let taken = false
  stop.signal.addEventListener('abort', function take() {
    try {
      own.exec('BEGIN IMMEDIATE')
      taken = true
    } catch {
      setImmediate(take)
    }
  })
  expect(await ended).toBe(enough)
  while (!taken) await new Promise(setImmediate)
  const peer = await Peer.open(place.database)
  expect(await peer.refusal('BEGIN IMMEDIATE')).toBe('database is locked')
  own.exec('COMMIT')
})
