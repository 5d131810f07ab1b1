/** Repositories in buckets that keep what is deleted, or refuse to; and copies of repositories made with other tools. */

import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listBackups } from '../../src/backup/catalog.ts'
import { createBackup } from '../../src/backup/create.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { readIntents } from '../../src/backup/intents.ts'
import { openRepository, type Repository } from '../../src/backup/repository.ts'
import { verifyBackup } from '../../src/backup/verify.ts'
import { WorkingCopy } from '../../src/backup/working-copy.ts'
import { fileStore } from '../../src/storage/file.ts'
import { s3Store } from '../../src/storage/s3.ts'
import { patience } from '../environment/ask.ts'
import { keys, read } from '../storage/contents.ts'
import { type S3Server, startS3Server } from '../storage/s3-servers.ts'
import { factsWith } from './observed.ts'
import { pruneNow } from './pruning.ts'
import { by, change, freshFolder, freshRepository, integrityCheck, makeDatabase, refusal, sha256Of } from './support.ts'

const servers: S3Server[] = []

beforeAll(async () => {
  for (const which of ['versitygw', 'minio'] as const) servers.push(await startS3Server(which))
}, patience)
afterAll(async () => {
  for (const server of servers) await server.stop()
})

const chunkSize = 4096

/** Makes a backup, changes the database, makes another; both have to be good afterwards. */
async function expectToWork(repository: Repository, folder: string): Promise<void> {
  const database = join(folder, 'app.db')
  makeDatabase(database, { rows: 100 })
  const hashes = [sha256Of(database)]
  await createBackup(repository, database, factsWith())
  change(database, "UPDATE visits SET note = 'changed' WHERE id = 50")
  hashes.push(sha256Of(database))
  const second = await createBackup(repository, database, factsWith())
  expect(second.stored.chunks).toBeLessThan(5)
  await expectGood(repository, folder, hashes)
}

/** The backups there are hold these contents, oldest first. */
async function expectGood(repository: Repository, folder: string, hashes: readonly string[]): Promise<void> {
  const { backups, problems } = await listBackups(repository)
  expect(problems).toEqual([])
  expect(backups.map(({ manifest }) => manifest.database.sha256)).toEqual(hashes)
  const copy = new WorkingCopy(join(folder, `copy-${Math.random()}.db`))
  for (const found of backups) {
    const report = await verifyBackup(repository, found, { copy, by, inspect: integrityCheck })
    expect(report?.check).toMatchObject({ result: 'good', problems: [] })
    const back = join(folder, `back-${Math.random()}.db`)
    await fetchBackup(repository, found, back)
    expect(sha256Of(back)).toBe(found.manifest.database.sha256)
  }
}

describe.each([0, 1])('a bucket of server %i', which => {
  it.each(['versioned', 'GOVERNANCE', 'COMPLIANCE'] as const)(
    'that is %s takes backups, gives them back, and takes again what was deleted',
    async kind => {
      const { bucket, options } = servers[which]!
      const store = await s3Store(`s3://${await bucket(kind)}/app`, options)
      const repository = await openRepository(store, { databaseName: 'app', create: true, chunkSize })
      const folder = await freshFolder()
      await expectToWork(repository, folder)
      // Intents were deleted, and the older versions that are left of them are nobody's business.
      expect(await keys(store, 'intents/')).toEqual([])
      const [chunk = ''] = await keys(store, 'chunks/')
      await store.deleteMany([chunk])
      expect(await keys(store, chunk)).toEqual([])
      const again = await createBackup(repository, join(folder, 'app.db'), factsWith())
      expect(again.stored.chunks).toBeLessThanOrEqual(1)
      await fetchBackup(repository, again, join(folder, 'again.db'))
      expect(sha256Of(join(folder, 'again.db'))).toBe(sha256Of(join(folder, 'app.db')))
      await store.close()
    },
  )
})

describe.each([0, 1])('a prune in a bucket of server %i', which => {
  it.each(['plain', 'versioned', 'GOVERNANCE', 'COMPLIANCE'] as const)(
    'that is %s removes backups and what only they used, and the next backup is whole',
    async kind => {
      const { bucket, options } = servers[which]!
      const store = await s3Store(`s3://${await bucket(kind)}/app`, options)
      const repository = await openRepository(store, { databaseName: 'app', create: true, chunkSize })
      const folder = await freshFolder()
      await expectToWork(repository, folder)
      const before = (await keys(store, 'chunks/')).length
      expect(await pruneNow({ repository })).toMatchObject({ refused: undefined, removed: [expect.any(String)] })
      const { deleted, refused } = await pruneNow({ repository })
      expect(refused).toBeUndefined()
      expect(deleted.objects).toBeGreaterThan(1)
      expect((await keys(store, 'chunks/')).length).toBeLessThan(before)
      const database = join(folder, 'app.db')
      const [latest] = (await listBackups(repository)).backups
      expect(latest?.manifest.database.sha256).toBe(sha256Of(database))
      // What was deleted is stored again under another name, while a late delete could still hit the old one.
      change(database, "UPDATE visits SET note = 'once more' WHERE id = 51")
      await createBackup(repository, database, factsWith())
      await expectGood(repository, folder, [latest?.manifest.database.sha256 ?? '', sha256Of(database)])
      await store.close()
    },
  )
})

describe('a user', () => {
  it('who may not delete prunes nothing, hears which permission is missing, and loses nothing', async () => {
    const { bucket, options, user } = servers[0]!
    const name = await bucket()
    const credentials = await user(name, ['s3:GetObject', 's3:PutObject', 's3:ListBucket'])
    const store = await s3Store(`s3://${name}/app`, { ...options, credentials })
    const repository = await openRepository(store, { databaseName: 'app', create: true, chunkSize })
    await expectToWork(repository, await freshFolder())
    const before = await keys(store, 'backups/')
    const { refused, removed } = await pruneNow({ repository })
    expect(refused).toMatchObject({ code: 'denied', message: expect.stringContaining('s3:DeleteObject') })
    expect(removed).toEqual([])
    expect(await keys(store, 'backups/')).toEqual(before)
    expect(await keys(store, 'removed/')).toEqual([])
    await store.close()
  })

  it('who may not delete makes backups, and says of what is left that it is over', async () => {
    const { bucket, options, user } = servers[0]!
    const name = await bucket()
    const credentials = await user(name, ['s3:GetObject', 's3:PutObject', 's3:ListBucket'])
    const store = await s3Store(`s3://${name}/app`, { ...options, credentials })
    const repository = await openRepository(store, { databaseName: 'app', create: true, chunkSize })
    await expectToWork(repository, await freshFolder())
    const left = await keys(store, 'intents/')
    expect(left.filter(key => !key.endsWith('-over.json'))).toHaveLength(2)
    expect((await readIntents(repository)).count).toBe(0)
    expect((await refusal(store.deleteMany(await keys(store, 'intents/')))).code).toBe('denied')
    await store.close()
  })

  it('who may only read verifies backups, and hears that the result could not be stored', async () => {
    const { bucket, options, user } = servers[0]!
    const name = await bucket()
    const url = `s3://${name}/app`
    const writing = await s3Store(url, options)
    const folder = await freshFolder()
    makeDatabase(join(folder, 'app.db'), { rows: 20 })
    const made = await openRepository(writing, { databaseName: 'app', create: true, chunkSize })
    const backup = await createBackup(made, join(folder, 'app.db'), factsWith())
    await writing.close()
    const store = await s3Store(url, { ...options, credentials: await user(name, ['s3:GetObject', 's3:ListBucket']) })
    const repository = await openRepository(store, { databaseName: 'app', create: false })
    const copy = new WorkingCopy(join(folder, 'copy.db'))
    const report = await verifyBackup(repository, backup, { copy, by, inspect: integrityCheck })
    expect(report).toMatchObject({ check: { result: 'good' }, recorded: { code: 'denied' } })
    expect((await refusal(createBackup(repository, join(folder, 'app.db'), factsWith()))).code).toBe('denied')
    await store.close()
  })
})

describe('a copy', () => {
  it('of a folder by cp -r is a repository, and the original goes on by itself', async () => {
    const test = await freshRepository()
    await expectToWork(test.repository, test.folder)
    const root = test.path('copied')
    execFileSync('cp', ['-r', test.root, root])
    const store = fileStore(root)
    const repository = await openRepository(store, { databaseName: 'app', create: false })
    const hashes = (await listBackups(test.repository)).backups.map(({ manifest }) => manifest.database.sha256)
    await expectGood(repository, test.folder, hashes)
    // Both take the next backup.
    for (const each of [repository, test.repository]) {
      const next = await createBackup(each, test.path('app.db'), factsWith())
      expect(next.manifest).toMatchObject({ sequence: 3, stored: { chunks: 0 } })
    }
    await store.close()
  })

  it.each([0, 1])(
    'of a bucket of server %i into a folder, object by object, is a repository, and back',
    async which => {
      const { bucket, options } = servers[which]!
      const store = await s3Store(`s3://${await bucket()}/app`, options)
      const folder = await freshFolder()
      const origin = await openRepository(store, { databaseName: 'app', create: true, chunkSize })
      await expectToWork(origin, folder)
      const hashes = (await listBackups(origin)).backups.map(({ manifest }) => manifest.database.sha256)
      const root = join(folder, 'synced')
      for (const key of await keys(store, '')) {
        await mkdir(dirname(join(root, key)), { recursive: true })
        await writeFile(join(root, key), (await read(store, key))!)
      }
      const local = fileStore(root)
      const copied = await openRepository(local, { databaseName: 'app', create: false })
      await expectGood(copied, folder, hashes)
      await createBackup(copied, join(folder, 'app.db'), factsWith())
      hashes.push(sha256Of(join(folder, 'app.db')))

      const other = await s3Store(`s3://${await bucket()}/elsewhere`, options)
      for (const key of await keys(local, '')) await other.putIfAbsent(key, (await read(local, key))!)
      await expectGood(await openRepository(other, { databaseName: 'app', create: false }), folder, hashes)
      for (const each of [store, local, other]) await each.close()
    },
  )
})
