/**
 * A deploy on a volume with so many bytes left, from "nothing fits" to "all fits": 74 with the database as it was, or 0.
 * LOCKKEEPER_TORTURE_STEP: bytes from one size to the next.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, type Workplace } from '../support/workplace.ts'
import { fillUp } from './place.ts'

const step = Number(process.env['LOCKKEEPER_TORTURE_STEP'] ?? 160 * 1024)
/** More than everything takes. */
const plenty = 1280 * 1024

type Mode = 'delete' | 'wal'

function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
}

/** What the file system that fills up holds. */
const layouts: Readonly<Record<string, (place: Workplace) => { full: string; mode: Mode }>> = {
  'the database, in rollback mode': place => ({ full: place.volume, mode: 'delete' }),
  'the database, in WAL mode': place => ({ full: place.volume, mode: 'wal' }),
  'the repository': place => {
    const full = join(place.folder, 'store')
    place.env['LOCKKEEPER_REPOSITORY'] = `file://${full}/repository`
    return { full, mode: 'wal' }
  },
  'the database and the repository': place => {
    place.env['LOCKKEEPER_REPOSITORY'] = `file://${place.volume}/repository`
    return { full: place.volume, mode: 'delete' }
  },
}

test.for(Object.entries(layouts))('a volume with %s', { timeout: 3_000_000 }, async ([, layout], context) => {
  needsRoot(context)
  const place = await shop()
  const { full, mode } = layout(place)
  pythonSql(
    place.database,
    `PRAGMA journal_mode = ${mode};
     WITH RECURSIVE c (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM c WHERE i < 2500)
     INSERT INTO orders SELECT i, 1 + i % 3, hex(randomblob(40)) FROM c`,
  )
  const bytes = readFileSync(place.database)
  const before = applicationOf(place.database)
  place.migration('v002_carts', "-- migrate:up\nCREATE TABLE carts (n);\nUPDATE orders SET what = what || '!';\n")
  mkdirSync(full, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', full])
  onTestFinished(() => void execFileSync('umount', ['-l', full]))
  const exits: (number | null)[] = []
  for (let spare = 0; spare <= plenty; spare += step) {
    for (const name of ['', '-wal', '-shm', '-journal']) rmSync(place.database + name, { force: true })
    for (const folder of [join(full, 'repository'), place.repository]) rmSync(folder, { recursive: true, force: true })
    writeFileSync(place.database, bytes)
    const makeRoom = fillUp(full, spare)
    const ran = await place.run(['run'])
    exits.push(ran.exit)
    if (ran.exit === 0) expect(Object.keys(applicationOf(place.database).rows)).toContain('carts')
    else {
      expectRefused(ran, 74, /free|room/)
      expect(applicationOf(place.database)).toEqual(before)
    }
    expect(place.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
    makeRoom()
    // With room, the next run finishes.
    if (ran.exit !== 0) expectOk(await place.run(['run']))
  }
  expect([exits[0], exits.at(-1)]).toEqual([74, 0])
  expect(exits).toEqual(exits.toSorted((a, b) => Number(b) - Number(a)))
})
