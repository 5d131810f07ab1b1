import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  backupId,
  chunkKey,
  idInKey,
  isContentKey,
  levelInName,
  listKey,
  manifestKey,
  parseBackupId,
  parseChunkKey,
  parseListKey,
  parseStamp,
  stampOf,
  type Tier,
  tiers,
} from '../../src/backup/format.ts'

const sha256 = '3fa1'.repeat(16)

describe('names of chunks and lists', () => {
  it('hold the hash, in a folder by its first two digits, and a number where it is not 0', () => {
    expect(chunkKey(sha256)).toBe(`chunks/3f/${sha256}.zst`)
    expect(chunkKey(sha256, 2)).toBe(`chunks/3f/${sha256}.2.zst`)
    expect(listKey(sha256)).toBe(`lists/3f/${sha256}`)
    expect(listKey(sha256, 12)).toBe(`lists/3f/${sha256}.12`)
  })

  it('are read back', () => {
    for (const number of [0, 1, 999_999]) {
      expect(parseChunkKey(chunkKey(sha256, number))).toEqual({ sha256, number })
      expect(parseListKey(listKey(sha256, number))).toEqual({ sha256, number })
      expect(isContentKey(chunkKey(sha256, number)) && isContentKey(listKey(sha256, number))).toBe(true)
    }
  })

  it.each([
    `chunks/aa/${sha256}.zst`,
    `chunks/3f/${sha256}`,
    `chunks/3f/${sha256}.0.zst`,
    `chunks/3f/${sha256}.01.zst`,
    `chunks/3f/${sha256}.1000000.zst`,
    `chunks/3f/${sha256}.zst\n`,
    `chunks/3f/${sha256.toUpperCase()}.zst`,
    `chunks/3f/../3f/${sha256}.zst`,
    `/chunks/3f/${sha256}.zst`,
    `chunks/3f/${sha256.slice(1)}.zst`,
    `lists/3f/${sha256}.zst`,
    '../../etc/passwd',
    '',
  ])('are nothing else: %j', key => {
    expect(parseChunkKey(key)).toBeUndefined()
    expect(parseListKey(key)).toBeUndefined()
    expect(isContentKey(key)).toBe(false)
  })
})

describe('the id of a backup', () => {
  const createdAt = new Date('2026-11-23T11:40:00.987Z')

  it('is sequence, time, tiers and level', () => {
    const id = backupId({ sequence: 42, createdAt, tiers: ['daily', 'pre-migration'], level: 'v012_add index/é' })
    expect(id).toBe('00000042-20261123T114000Z-daily+pre-migration-v012_add_index__')
    expect(parseBackupId(id)).toEqual({
      sequence: 42,
      time: new Date('2026-11-23T11:40:00Z'),
      tiers: ['daily', 'pre-migration'],
      level: 'v012_add_index__',
    })
    expect(idInKey(manifestKey(id))).toBe(id)
  })

  it('says none where no migration was ever applied', () => {
    expect(backupId({ sequence: 1, createdAt, tiers: ['manual'], level: null })).toBe(
      '00000001-20261123T114000Z-manual-none',
    )
  })

  it('is read back whatever the level is called, and fits into a file name', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 400 }),
        fc.integer({ min: 1, max: 1e12 - 1 }),
        fc.subarray([...tiers], { minLength: 1 }),
        (level, sequence, some) => {
          const id = backupId({ sequence, createdAt, tiers: some, level })
          expect(id).toMatch(/^[A-Za-z0-9._+-]{1,240}$/)
          expect(parseBackupId(id)).toMatchObject({ sequence, tiers: some, level: levelInName(level) })
        },
      ),
    )
  })

  it.each([
    '1-20261123T114000Z-daily-v1',
    '00000001-20261123T114000-daily-v1',
    '00000001-20261323T114000Z-daily-v1',
    '00000001-20261123T114000Z-hourly-v1',
    '00000001-20261123T114000Z-daily+-v1',
    '00000001-20261123T114000Z--v1',
    '00000001-20261123T114000Z-daily-',
    '00000001-20261123T114000Z-daily-a/b',
    `00000001-20261123T114000Z-daily-${'x'.repeat(129)}`,
    '0000000000001-20261123T114000Z-daily-v1',
    '../00000001-20261123T114000Z-daily-v1',
  ])('is nothing else: %s', id => {
    expect(parseBackupId(id)).toBeUndefined()
    expect(idInKey(`backups/${id}.json`)).toBeUndefined()
  })

  it('is not found in the key of anything but a manifest', () => {
    const id = backupId({ sequence: 1, createdAt, tiers: ['manual'] as Tier[], level: null })
    for (const key of [id, `backups/${id}`, `backups/x/${id}.json`, `pins/${id}.json`, `backups/${id}.json.tmp`]) {
      expect(idInKey(key)).toBeUndefined()
    }
  })
})

describe('a moment in a name', () => {
  it('is read back to the second', () => {
    const moment = new Date('2026-11-23T11:40:07.999Z')
    expect(stampOf(moment)).toBe('20261123T114007Z')
    expect(parseStamp('20261123T114007Z')).toEqual(new Date('2026-11-23T11:40:07Z'))
  })

  it.each(['', '20261123', '20261123T114007', '20261123T994007Z', '20269923T114007Z', '2026-11-23T11:40:07Z'])(
    'is nothing else: %j',
    stamp => {
      expect(parseStamp(stamp)).toBeUndefined()
    },
  )
})
