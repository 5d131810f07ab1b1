import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Backup } from '../../src/backup/catalog.ts'
import { backupId, manifestKey, parseBackupId, type Tier } from '../../src/backup/format.ts'
import { sealManifest } from '../../src/backup/manifest.ts'
import { findBackup, type Selection, selectBackup } from '../../src/backup/select.ts'
import { backup, freshRepository, makeDatabase, observed, refusal } from './support.ts'

interface Sketch {
  readonly at: string
  readonly tiers?: readonly Tier[]
  readonly checked?: Backup['checked']
  readonly damaged?: string
}

/** Backups in this order, with sequences from 1. */
function backups(...sketches: Sketch[]): Backup[] {
  return sketches.map(({ at, tiers = ['daily'], checked = 'unchecked', damaged }, index) => {
    const createdAt = `2026-11-${at}:00.000Z`
    const sequence = index + 1
    const manifest = sealManifest({
      format: 1,
      id: backupId({ sequence, createdAt: new Date(createdAt), tiers, level: 'v1' }),
      repository: 'r',
      sequence,
      createdAt,
      tiers,
      database: { name: 'app', bytes: 0, sha256: '', pageSize: 4096, journalMode: 'wal', encoding: 'UTF-8' },
      chunks: { size: 4096, count: 0, lists: [] },
      stored: { chunks: 0, bytes: 0 },
      schema: { level: 'v1', fingerprint: null, applied: 1 },
      engine: { lockkeeper: '', node: '', sqlite: '' },
      by: { host: 'h' },
      damaged: damaged === undefined ? false : { reason: damaged },
    })
    return { id: manifest.id, manifest, checked }
  })
}

/** Chooses among these; `asked` gets the ids of those whose manifest was read. */
function choose(backups: readonly Backup[], selection: Selection, asked: string[] = []) {
  const listed = backups.map(({ checked, id }) => ({ id, checked, name: parseBackupId(id)! }))
  return selectBackup(listed, selection, async ({ id }) => {
    asked.push(id)
    return backups.find(backup => backup.id === id)
  })
}

const sequenceOf = (selected: { backup: Backup }) => selected.backup.manifest.sequence

describe('the latest backup', () => {
  it('is the newest by sequence, whatever the clocks said', async () => {
    const all = backups({ at: '20T10:00' }, { at: '22T10:00' }, { at: '21T10:00' })
    expect(await choose(all, { latest: true })).toEqual({ backup: all[2], passedOver: [] })
  })

  it('is not one from before a restore, and not one that is known to be bad or damaged; it says which were passed over', async () => {
    const all = backups(
      { at: '20T10:00', checked: 'good' },
      { at: '21T10:00', checked: 'bad' },
      { at: '22T10:00', damaged: 'page 3' },
      { at: '23T10:00', tiers: ['pre-restore'] },
    )
    expect(await choose(all, { latest: true })).toEqual({
      backup: all[0],
      passedOver: [
        { id: all[3]?.id, reason: 'made before a restore' },
        { id: all[2]?.id, reason: 'the database was damaged: page 3' },
        { id: all[1]?.id, reason: 'a verification found it bad' },
      ],
    })
  })

  it('of a tier is the newest that has it', async () => {
    const all = backups(
      { at: '20T10:00', tiers: ['daily', 'weekly'] },
      { at: '21T10:00' },
      { at: '22T10:00', tiers: ['manual'] },
    )
    expect(sequenceOf(await choose(all, { latest: true, tier: 'weekly' }))).toBe(1)
    expect(sequenceOf(await choose(all, { latest: true, tier: 'daily' }))).toBe(2)
    expect((await choose(all, { latest: true, tier: 'daily' })).passedOver).toEqual([])
  })

  it('of the tier pre-restore is found, for going back behind a restore', async () => {
    const all = backups(
      { at: '20T10:00', tiers: ['pre-restore'] },
      { at: '21T10:00', tiers: ['pre-restore'], checked: 'bad' },
      { at: '22T10:00' },
    )
    expect(sequenceOf(await choose(all, { latest: true, tier: 'pre-restore' }))).toBe(1)
  })

  it('of another tier is not one that was made before a restore, too', async () => {
    const all = backups({ at: '20T10:00' }, { at: '21T10:00', tiers: ['daily', 'pre-restore'] })
    expect(sequenceOf(await choose(all, { latest: true, tier: 'daily' }))).toBe(1)
  })

  it('is missing where there is none at all', async () => {
    const error = await refusal(choose([], { latest: true }))
    expect(error).toMatchObject({ code: 'missing', message: 'there is no good backup' })
    expect(error.hint).toContain('There are no backups at all.')
  })

  it('is missing where all are bad, which says what there is and why not', async () => {
    const all = backups({ at: '20T10:00', checked: 'bad' }, { at: '21T10:00', tiers: ['pre-restore'] })
    const error = await refusal(choose(all, { latest: true }))
    expect(error.code).toBe('missing')
    expect(error.message).toContain(`${all[0]?.id} (a verification found it bad)`)
    expect(error.message).toContain(`${all[1]?.id} (made before a restore)`)
    expect(error.hint).toContain(`There are: ${all[1]?.id}, ${all[0]?.id}.`)
    expect(error.details['backups']).toEqual(all.map(({ id }) => id))
  })

  it('of a tier is missing where no backup has it', async () => {
    const error = await refusal(choose(backups({ at: '20T10:00' }), { latest: true, tier: 'monthly' }))
    expect(error.message).toBe('there is no good backup of the tier monthly')
    expect(error.hint).toContain('00000001-20261120T100000Z-daily-v1')
  })

  it('is missing with a short list where there are many', async () => {
    const many = backups(...Array.from({ length: 9 }, () => ({ at: '20T10:00' })))
    const error = await refusal(choose(many, { latest: true, tier: 'monthly' }))
    expect(error.hint).toContain(', and 4 more')
  })
})

describe('choosing', () => {
  it('reads one manifest, whatever else there is', async () => {
    const many = backups(
      ...Array.from({ length: 50 }, () => ({ at: '20T10:00' })),
      { at: '21T10:00', checked: 'bad' },
      { at: '22T10:00', tiers: ['pre-restore'] },
    )
    for (const selection of [{ latest: true }, { at: new Date('2026-11-20T12:00:00Z') }, { id: '00000050' }] as const) {
      const asked: string[] = []
      expect(sequenceOf(await choose(many, selection, asked))).toBe(50)
      expect(asked).toEqual([many[49]?.id])
    }
  })

  it('passes over a manifest that cannot be read, and says so; one that is gone was never there', async () => {
    const test = await freshRepository()
    makeDatabase(test.path('app.db'), { rows: 10 })
    const ids: string[] = []
    for (let made = 0; made < 4; made++) ids.push((await backup(test, test.path('app.db'))).id)
    await writeFile(join(test.root, manifestKey(ids[3]!)), 'torn')
    const { store } = observed(test.repository.store, async (call, key) => {
      if (call === 'gets' && key === manifestKey(ids[2]!)) await test.repository.store.deleteMany([key])
    })
    const { backup: found, passedOver } = await findBackup({ ...test.repository, store }, { latest: true })
    expect(found.id).toBe(ids[1])
    expect(passedOver).toEqual([{ id: ids[3], reason: expect.stringContaining('cannot be read') }])
    expect(await refusal(findBackup(test.repository, { id: ids[3]! }))).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(manifestKey(ids[3]!)),
    })
  })
})

describe('the backup at a time', () => {
  const all = backups({ at: '20T10:00' }, { at: '22T10:00' }, { at: '21T10:00' }, { at: '24T10:00', tiers: ['weekly'] })

  it('is the newest that is not younger', async () => {
    expect(sequenceOf(await choose(all, { at: new Date('2026-11-23T00:00:00Z') }))).toBe(2)
    expect(sequenceOf(await choose(all, { at: new Date('2026-11-21T23:00:00Z') }))).toBe(3)
    expect(sequenceOf(await choose(all, { at: new Date('2030-01-01') }))).toBe(4)
  })

  it('includes that very moment', async () => {
    expect(sequenceOf(await choose(all, { at: new Date('2026-11-22T10:00:00.000Z') }))).toBe(2)
    expect(sequenceOf(await choose(all, { at: new Date('2026-11-22T09:59:59.999Z') }))).toBe(3)
  })

  it('is of the tier that is asked for', async () => {
    expect(sequenceOf(await choose(all, { at: new Date('2030-01-01'), tier: 'daily' }))).toBe(2)
  })

  it('of two from the same moment is the later one', async () => {
    const twins = backups({ at: '20T10:00' }, { at: '20T10:00' })
    expect(sequenceOf(await choose(twins, { at: new Date('2026-11-20T10:00:00Z') }))).toBe(2)
  })

  it('may be from before a restore, but is none that is known to be bad', async () => {
    const some = backups(
      { at: '20T10:00' },
      { at: '21T10:00', tiers: ['pre-restore'] },
      { at: '22T10:00', checked: 'bad' },
    )
    const selected = await choose(some, { at: new Date('2026-11-23T00:00:00Z') })
    expect(sequenceOf(selected)).toBe(2)
    expect(selected.passedOver.map(({ id }) => id)).toEqual([some[2]?.id])
  })

  it('is missing where all are younger', async () => {
    const error = await refusal(choose(all, { at: new Date('2026-11-01T00:00:00Z') }))
    expect(error.code).toBe('missing')
    expect(error.message).toBe('there is no good backup from 2026-11-01T00:00:00.000Z or before')
  })
})

describe('the backup with an id', () => {
  const all = backups(
    { at: '20T10:00', checked: 'bad' },
    { at: '21T10:00', tiers: ['pre-restore'] },
    { at: '21T11:00' },
  )

  it('is that one, whatever is known about it', async () => {
    for (const backup of all) expect((await choose(all, { id: backup.id })).backup).toBe(backup)
  })

  it('is found by the beginning of its id, when only one begins so', async () => {
    expect(sequenceOf(await choose(all, { id: '00000002' }))).toBe(2)
  })

  it('is found by its whole id even when that begins another', async () => {
    const one = all[0] as Backup
    const longer = { ...one, id: `${one.id}_b` }
    expect((await choose([longer, one], { id: one.id })).backup).toBe(one)
  })

  it('is refused when several begin so, which are named', async () => {
    const error = await refusal(choose(all, { id: '0000000' }))
    expect(error.code).toBe('usage')
    expect(error.message).toContain('3 backups begin with "0000000"')
    expect(error.details['fitting']).toEqual(all.map(({ id }) => id))
  })

  it.each(['00000009', '', 'latest', '-v1'])('is missing for %j, which says what there is', async id => {
    const error = await refusal(choose(all, { id }))
    expect(error).toMatchObject({ code: 'missing', message: `there is no backup ${JSON.stringify(id)}` })
    expect(error.hint).toContain(all[2]?.id)
  })
})
