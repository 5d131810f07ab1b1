/** Backups, verifications and restores over a network on which something goes wrong at one request: which one and what is for the caller to say. */

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { listBackups } from '../../src/backup/catalog.ts'
import { createBackup } from '../../src/backup/create.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { openRepository, type Repository } from '../../src/backup/repository.ts'
import { findBackup } from '../../src/backup/select.ts'
import { verifyBackup } from '../../src/backup/verify.ts'
import { WorkingCopy } from '../../src/backup/working-copy.ts'
import { LockkeeperError } from '../../src/errors.ts'
import type { S3Options } from '../../src/storage/s3/options.ts'
import { s3Store } from '../../src/storage/s3.ts'
import { type Fault, faultyProxy, s3Error } from '../storage/faulty-proxy.ts'
import type { S3Server } from '../storage/s3-servers.ts'
import { factsWith } from './observed.ts'
import { by, integrityCheck, sha256Of } from './support.ts'

const xml = { 'Content-Type': 'application/xml' }
const answer = (status: number, code: string, headers = {}): Fault => ({
  answer: [status, { ...xml, ...headers }, s3Error(code, `${code}, as the test wants it`)],
})
const always = Number.POSITIVE_INFINITY

/** What goes wrong, and for how many requests from the chosen one on. */
export const faults: Readonly<Record<string, readonly [fault: () => Fault, times: number]>> = {
  'the connection is reset': [() => ({ reset: true }), 1],
  'the answer is lost after the server has done it': [() => ({ loseAnswer: true }), 1],
  'the answer breaks off in its head': [() => ({ cutAnswer: 30 }), 1],
  'the answer breaks off': [() => ({ cutAnswer: 700 }), 1],
  'half of the answer is said to be all': [() => ({ halveAnswer: true }), 1],
  'the request breaks off': [() => ({ cutRequest: 200 }), 1],
  'a bit of the request is flipped': [() => ({ corrupt: true }), 1],
  'a bit of the answer is flipped': [() => ({ flipAnswer: Math.random() }), 1],
  'the last bit of the answer is flipped': [() => ({ flipAnswer: 1 }), 1],
  '500 InternalError': [() => answer(500, 'InternalError'), 1],
  '503 SlowDown': [() => answer(503, 'SlowDown'), 2],
  '503 of something before the server': [() => ({ answer: [503, {}, 'no healthy upstream'] }), 1],
  '403 AccessDenied': [() => answer(403, 'AccessDenied'), 1],
  'the clocks differ': [
    () => answer(403, 'RequestTimeTooSkewed', { Date: new Date(Date.now() + 3_600_000).toUTCString() }),
    1,
  ],
  'nothing gets through any more': [() => ({ reset: true }), always],
  'nothing is permitted any more': [() => answer(403, 'AccessDenied'), always],
  'every answer is lost': [() => ({ loseAnswer: true }), always],
}

export type Operation = 'backup' | 'verification' | 'restore'

export interface Place {
  readonly server: S3Server
  readonly bucket: string
  /** With the databases `first.db` and `second.db`. */
  readonly folder: string
}

/** One request at a time, so that the number of a request means the same each time; little patience. */
const impatient: S3Options = { concurrency: 1, attempts: 3, timeouts: { idle: 5000, operation: 60_000 } }

let made = 0

/**
 * Does it with this fault at this request (from 1; beyond the last one: with none) and afterwards once more without.
 * Throws when anything is not as it has to be. Returns how many requests the first time took and what came of it.
 */
export async function attempt(
  place: Place,
  operation: Operation,
  request: number,
  [fault, times]: readonly [() => Fault, number],
): Promise<{ requests: number; outcome: string }> {
  const { bucket, folder, server } = place
  const url = `s3://${bucket}/r${++made}`
  const path = (name: string) => join(folder, name)
  const proxy = await faultyProxy(server.port)
  const store = await s3Store(url, { ...server.options, ...impatient, endpoint: `http://127.0.0.1:${proxy.port}` })
  const direct = await s3Store(url, server.options)
  try {
    const before = await openRepository(direct, { databaseName: 'app', create: true, chunkSize: 4096 })
    await createBackup(before, path('first.db'), factsWith())
    let number = 0
    proxy.fault({ test: () => ++number >= request }, fault(), times)
    const work = { backup, verification, restore }[operation]
    const outcome = await work(opening(store), path).then(
      () => 'success',
      (error: unknown) => {
        if (error instanceof LockkeeperError && error.code !== 'internal') return error.code
        throw new Error('it failed with an error that has no name', { cause: error })
      },
    )
    const requests = proxy.requests.length
    await onlyWholeBackups(before, folder)
    await work(async () => before, path)
    await onlyWholeBackups(before, folder)
    return { requests, outcome }
  } finally {
    await store.close()
    await direct.close()
    proxy.close()
  }
}

type Open = () => Promise<Repository>

function opening(store: Repository['store']): Open {
  return () => openRepository(store, { databaseName: 'app', create: false })
}

async function backup(open: Open, path: (name: string) => string): Promise<void> {
  const repository = await open()
  const { id, manifest } = await createBackup(repository, path('second.db'), factsWith())
  if (manifest.database.sha256 !== sha256Of(path('second.db'))) throw new Error(`${id} is of something else`)
}

async function verification(open: Open, path: (name: string) => string): Promise<void> {
  const repository = await open()
  const copy = new WorkingCopy(path(`copy-${++made}.db`))
  const { backup } = await findBackup(repository, { latest: true })
  const report = await verifyBackup(repository, backup, { copy, by, inspect: integrityCheck })
  await rm(copy.path)
  if (report?.check.result !== 'good') throw new Error(`a whole backup was found bad: ${report?.check.problems}`)
}

async function restore(open: Open, path: (name: string) => string): Promise<void> {
  const repository = await open()
  const back = path(`back-${++made}.db`)
  const { backup, passedOver } = await findBackup(repository, { latest: true })
  if (passedOver.length > 0) throw new Error(`whole backups were passed over: ${JSON.stringify(passedOver)}`)
  await fetchBackup(repository, backup, back)
  const same = sha256Of(back) === sha256Of(path('first.db'))
  await rm(back)
  if (!same) throw new Error('something else came back')
}

/** Whatever manifest there is, seen on the direct way, names only whole chunks. */
async function onlyWholeBackups(repository: Repository, folder: string): Promise<void> {
  const { backups, problems } = await listBackups(repository)
  if (problems.length > 0) throw new Error(`damaged: ${JSON.stringify(problems)}`)
  if (backups.length === 0) throw new Error('there is no backup any more')
  for (const found of backups) {
    const whole = join(folder, `whole-${++made}.db`)
    await fetchBackup(repository, found, whole)
    await rm(whole)
  }
}
