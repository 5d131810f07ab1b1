/** How many requests it takes with a thousand backups: as many as `docs/storage.md` says (and `repository.json`). */

import { describe, expect, it } from 'vitest'
import { listBackups } from '../../src/backup/catalog.ts'
import { recordCheck } from '../../src/backup/checks.ts'
import { fetchBackup } from '../../src/backup/fetch.ts'
import { backupId, manifestKey } from '../../src/backup/format.ts'
import { manifestBytes, sealManifest } from '../../src/backup/manifest.ts'
import { findBackup } from '../../src/backup/select.ts'
import { backup, by, change, forget, freshRepository, makeDatabase, type TestRepository } from './support.ts'

const hour = 3_600_000

/** A thousand backups of hourly states, every tenth of them verified, the newest three found bad. */
async function thousand(): Promise<TestRepository & { database: string }> {
  const test = await freshRepository(65_536)
  const database = test.path('app.db')
  makeDatabase(database, { rows: 500 })
  const { manifest } = await backup(test, database, { tiers: ['daily'] })
  const { sha256: _, ...content } = manifest
  for (let sequence = 2; sequence <= 1000; sequence++) {
    const createdAt = new Date(Date.parse(manifest.createdAt) + sequence * hour)
    const id = backupId({ sequence, createdAt, tiers: manifest.tiers, level: manifest.schema.level })
    const another = sealManifest({ ...content, id, sequence, createdAt: createdAt.toISOString() })
    await test.repository.store.putIfAbsent(manifestKey(id), manifestBytes(another))
    if (sequence % 10 !== 0 && sequence <= 997) continue
    const result = sequence > 997 ? 'bad' : 'good'
    const nothing = { how: null, problems: [], notes: [], by, milliseconds: 1 }
    await recordCheck(test.repository, { backup: id, at: createdAt.toISOString(), kind: 'drill', result, ...nothing })
  }
  forget(test.asked)
  return { ...test, database }
}

/** Listings, of which each is a request for every thousand objects that it finds, and all the others. */
function counted({ asked: { deletes, gets, lists, puts } }: TestRepository) {
  return { lists: lists.length, gets: gets.length, puts: puts.length, deletes: deletes.length }
}

describe('with a thousand backups', () => {
  it('all are listed by two listings and one request for each manifest', async () => {
    const test = await thousand()
    const { backups } = await listBackups(test.repository)
    expect(backups.length).toBe(1000)
    expect(counted(test)).toEqual({ lists: 2, gets: 1000, puts: 0, deletes: 0 })

    forget(test.asked)
    const { backup: found, passedOver } = await findBackup(test.repository, { latest: true })
    expect(found.manifest.sequence).toBe(997)
    expect(passedOver.length).toBe(3)
    // The newest good one is found by two listings and one manifest; then come one list and the chunks.
    expect(counted(test)).toEqual({ lists: 2, gets: 1, puts: 0, deletes: 0 })
    await fetchBackup(test.repository, found, test.path('back.db'))
    expect(counted(test)).toEqual({ lists: 2, gets: 2 + found.manifest.chunks.count, puts: 0, deletes: 0 })

    forget(test.asked)
    change(test.database, "UPDATE visits SET note = 'changed' WHERE id = 250")
    const made = await backup(test, test.database, { at: new Date(Date.now() + 2000 * hour) })
    expect(made.manifest.sequence).toBe(1001)
    const { count } = made.manifest.chunks
    const stored = made.stored.chunks
    // Two looks for each of a few chunks; backups/ twice, marks/ and intents/ once. Of the new chunks each is stored and
    // read back, and so is the list; the newest manifest and its list are read, and the name of the new list looked up; in
    // the end `repository.json` is read.
    expect(counted(test)).toEqual({ lists: 2 * count + 4, gets: stored + 5, puts: stored + 3, deletes: 1 })
  })
})
