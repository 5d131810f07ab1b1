/** Volumes that are too small: said before anything is touched where that is certain, and harmless where it is not. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { errorOf, expectOk, expectRefused, logOf } from '../support/cli.ts'
import { Peer } from '../support/peer.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

type Mode = 'delete' | 'wal'

function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
}

/** Makes a folder a volume of so many bytes. */
function limit(folder: string, bytes: number): void {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', folder])
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
}

/** Of about so many bytes, which cannot be compressed. */
async function shopOf(bytes: number, mode: Mode): Promise<Workplace> {
  const place = await shop({ mode })
  place.migration('v002_stock', '-- migrate:up\nCREATE TABLE stock (n INTEGER PRIMARY KEY, data BLOB);')
  expectOk(await place.run(['run', '--no-backup']))
  const rows = Math.ceil(bytes / 1000)
  pythonSql(
    place.database,
    `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${rows}) INSERT INTO stock SELECT i, randomblob(1000) FROM c;`,
  )
  return place
}

const bytesOf = (place: Workplace) => createHash('sha256').update(readFileSync(place.database)).digest('hex')

const rewrite = '-- migrate:up\nUPDATE stock SET data = randomblob(1000);\nCREATE TABLE carts (n);'

/** Moves the database to a volume with so many bytes beside it. */
function squeeze(place: Workplace, room: number): void {
  const bytes = readFileSync(place.database)
  limit(place.volume, Math.ceil(bytes.length / 4096) * 4096 + room)
  writeFileSync(place.database, bytes)
}

const MiB = 1024 * 1024

describe.each(['delete', 'wal'] as const)('the volume of the database, in %s mode', mode => {
  test('has to have room for the smallest change: otherwise nothing is begun', async context => {
    needsRoot(context)
    const place = await shopOf(MiB, mode)
    place.migration('v003_carts', '-- migrate:up\nCREATE TABLE carts (n);')
    squeeze(place, 32 * 1024)
    const before = traceOf(place.folder)
    const ran = await place.run(['run'])
    expectRefused(ran, 74, place.database, '128 KiB', '32.0 KiB are free', 'Make room')
    expect(traceOf(place.folder)).toEqual(before)
  })

  test('that runs full in the middle: everything is as it was, and the error says how much is free where', async context => {
    needsRoot(context)
    const place = await shopOf(4 * MiB, mode)
    place.migration('v003_rewrite', rewrite)
    squeeze(place, MiB)
    const before = bytesOf(place)
    const ran = await place.run(['run'])
    expectRefused(ran, 74, 'v003_rewrite', `in ${place.volume}`, 'LOCKKEEPER_TMPDIR')
    expect(
      logOf(ran)
        .filter(({ level }) => level === 'warn')
        .map(({ msg }) => msg)
        .join('\n'),
    ).toContain(`free beside ${place.database}`)
    expect(bytesOf(place)).toBe(before)
    expect(place.backups()).toHaveLength(1)
    // With room, the next run finishes.
    execFileSync('mount', ['-o', 'remount,size=32m', place.volume])
    expectOk(await place.run(['run']))
    expect(place.query('SELECT * FROM carts')).toEqual([])
  })
})

test('the temporary folder has to have room for a copy: otherwise nothing is copied', async context => {
  needsRoot(context)
  const place = await shopOf(4 * MiB, 'delete')
  const small = join(place.folder, 'small')
  limit(small, MiB)
  const before = traceOf(place.volume)
  const ran = await place.run(['backup', '--tmpdir', small])
  expectRefused(ran, 74, 'a copy of the database needs 4.', '1.0 MiB are free', small, 'LOCKKEEPER_TMPDIR')
  expect(traceOf(place.volume)).toEqual(before)
  expect(place.backups()).toEqual([])
  expect(Object.keys(traceOf(small))).toEqual([''])
})

test('SQLite sorts for a new index in the temporary folder that is named', async context => {
  needsRoot(context)
  const place = await shopOf(8 * MiB, 'wal')
  // Sorts by a value that no index has, in runs that do not fit into memory.
  place.migration('v003_index', '-- migrate:up\nCREATE INDEX stock_by_data ON stock (data, n);')
  const small = join(place.folder, 'small')
  limit(small, 64 * 1024)
  const ran = await place.run(['run', '--tmpdir', small])
  expectRefused(ran, 74, 'v003_index', `in ${small}`)
  expect(place.query('SELECT count(*) AS n FROM stock')).toEqual([{ n: Math.ceil((8 * MiB) / 1000) }])
  expectOk(await place.run(['run', '--tmpdir', place.folder]))
})

describe('a repository in a folder', () => {
  test('that has far too little room is not begun with', async context => {
    needsRoot(context)
    const place = await shopOf(8 * MiB, 'delete')
    place.migration('v003_rewrite', rewrite)
    limit(place.repository, MiB)
    const before = bytesOf(place)
    const ran = await place.run(['run'])
    expectRefused(ran, 74, 'there is no room in file://', /takes about 8\.\d MiB there, and \d+ KiB are free/)
    expect(bytesOf(place)).toBe(before)
    expect(Object.keys(traceOf(join(place.repository, 'chunks')))).toEqual([])
  })

  test('that runs full: no migration without its backup', async context => {
    needsRoot(context)
    const place = await shopOf(4 * MiB, 'delete')
    place.migration('v003_rewrite', rewrite)
    limit(place.repository, 3 * MiB)
    const before = bytesOf(place)
    const ran = await place.run(['run'])
    expectRefused(ran, 74, /bytes to write, \d+ bytes free/)
    expect(bytesOf(place)).toBe(before)
    expect(place.backups()).toEqual([])
    execFileSync('mount', ['-o', 'remount,size=32m', place.repository])
    expectOk(await place.run(['run']))
    expect(place.backups()).toHaveLength(1)
  })

  test('on the volume of the database as well, filled by it: the application goes on', async context => {
    needsRoot(context)
    const place = await shopOf(4 * MiB, 'wal')
    squeeze(place, 3 * MiB)
    const peer = await Peer.open(place.database, { timeout: 5 })
    await peer.run('SELECT count(*) FROM stock')
    const ran = await place.run(['backup'], { LOCKKEEPER_REPOSITORY: `file://${place.volume}/repository` })
    expect(ran.exit).toBe(74)
    expect(errorOf(ran).msg).toMatch(/free/)
    expect(await peer.run('SELECT count(*) FROM stock')).toEqual([[Math.ceil((4 * MiB) / 1000)]])
  })
})
