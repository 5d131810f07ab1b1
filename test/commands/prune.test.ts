/** `prune`, `pin`, `unpin`, `backup --prune` and what `backups` says of retention. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { expectOk, expectRefused, logOf } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { newPlace, traceOf, type Workplace } from '../support/workplace.ts'

/** Places that were made before: most tests begin with one of few. */
const made = new Map<string, string>()
const templates = mkdtempSync(join(tmpdir(), 'lockkeeper-prune-'))
afterAll(() => rmSync(templates, { recursive: true, force: true }))

/** A shop with so many backups, each of other bytes. */
async function backedUp(...tiers: readonly string[]): Promise<Workplace> {
  const place = await shop({ mode: 'wal' })
  const known = made.get(tiers.join())
  if (known !== undefined) {
    for (const folder of [place.volume, place.repository]) rmSync(folder, { recursive: true, force: true })
    cpSync(known, place.folder, { recursive: true, preserveTimestamps: true })
    return place
  }
  for (const [index, tier] of tiers.entries()) {
    pythonSql(place.database, `INSERT INTO customers VALUES (${100 + index}, hex(randomblob(2000)))`)
    expectOk(await place.run(['backup', '--tier', tier]))
  }
  const folder = join(templates, String(made.size))
  for (const name of ['volume', 'repository'])
    cpSync(join(place.folder, name), join(folder, name), { recursive: true, preserveTimestamps: true })
  made.set(tiers.join(), folder)
  return place
}

const chunks = (place: Workplace) =>
  readdirSync(join(place.repository, 'chunks'), { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.zst'),
  )

describe('prune', () => {
  test('keeps the newest daily backup of a day, and frees what only the others used, in two steps', async () => {
    const place = await backedUp('daily', 'daily', 'daily', 'manual')
    const ids = place.backups()
    const first = await place.run(['prune', '--grace', '0s'])
    expectOk(first)
    expect(first.stdout).toMatch(/Removed 2 of 4 backups; .* can be deleted after 0 ms\.\n$/)
    expect(place.backups()).toEqual(ids.slice(2))
    expect(chunks(place)).toHaveLength(4)
    const second = await place.run(['prune', '--grace', '0s'])
    expectOk(second)
    expect(second.stdout).toMatch(/^All 2 backups stay; deleted .* that was marked before\.\n$/)
    expect(chunks(place)).toHaveLength(2)
    expectOk(await place.run(['restore', '--id', ids[2]!, '--to', join(place.folder, 'back.db')]))
    expectOk(await place.run(['verify', '--all']))
  })

  test('waits for the time of grace, a day unless told otherwise', async () => {
    const place = await backedUp('daily', 'daily')
    expect((await place.run(['prune'])).stdout).toContain('after 24 h')
    expect((await place.run(['prune'])).stdout).toContain('still waits')
    for (const name of readdirSync(join(place.repository, 'marks'))) {
      const then = new Date(Date.now() - 25 * 60 * 60 * 1000)
      utimesSync(join(place.repository, 'marks', name), then, then)
    }
    expect((await place.run(['prune'])).stdout).toContain('deleted')
    expect(chunks(place)).toHaveLength(1)
  })

  test('--dry-run tells what stays and what goes, why, and how much it would free, and changes nothing', async () => {
    const place = await backedUp('daily', 'daily', 'weekly')
    const before = traceOf(place.repository)
    const ran = await place.run(['prune', '--dry-run'])
    expectOk(ran)
    expect(traceOf(place.repository)).toEqual(before)
    const [header, ...rows] = ran.stdout.split('\n')
    expect(header).toMatch(/age +tier +level +size +id +why/)
    expect(rows[0]).toMatch(/^keep .* weekly .* last good; newest at v001_shop; weekly \d{4}-W\d\d \(1 of 5\)$/)
    expect(rows[1]).toMatch(/^keep .* daily .* daily \d{4}-\d\d-\d\d \(1 of 7\)$/)
    expect(rows[2]).toMatch(/^remove .* daily .* daily: a newer one of \d{4}-\d\d-\d\d stays$/)
    expect(ran.stdout).toMatch(
      /Would remove 1 of 3 backups; [\d.]+ KiB that nothing uses any more can be deleted after/,
    )
    const document = JSON.parse((await place.run(['prune', '--dry-run', '--json'])).stdout)
    expect(document).toMatchObject({
      dryRun: true,
      blocked: null,
      refused: null,
      removed: [place.backups()[0]],
      released: { objects: 2 },
      deleted: { objects: 0, bytes: 0 },
    })
    expect(document.backups.map(({ keep }: { keep: boolean }) => keep)).toEqual([false, true, true])
    const real = JSON.parse((await place.run(['prune', '--json'])).stdout)
    expect(real).toEqual({ ...document, dryRun: false })
  })

  test('follows the policy that it is given, by flag or variable', async () => {
    const place = await backedUp('daily', 'weekly', 'manual', 'manual')
    const ids = place.backups()
    expectOk(await place.run(['prune', '--keep-last', '2'], { LOCKKEEPER_KEEP_WEEKLY: '0' }))
    expect(place.backups()).toEqual([ids[0], ids[2], ids[3]])
  })

  test('needs no database, only its name', async () => {
    const place = await backedUp('daily', 'daily')
    expectOk(await place.run(['prune'], { DATABASE_URL: '/nowhere/app.db', LOCKKEEPER_MIGRATIONS: '/nowhere' }))
    expect(place.backups()).toHaveLength(1)
  })

  test('is refused without a single rule, and removes nothing', async () => {
    const place = await backedUp('daily', 'daily')
    const none = ['daily', 'weekly', 'monthly', 'pre-migration', 'pre-restore'].flatMap(rule => [`--keep-${rule}`, '0'])
    expectRefused(await place.run(['prune', ...none]), 78, 'no rule', '--keep-daily')
    expect(place.backups()).toHaveLength(2)
  })

  test('is refused where there is no repository yet', async () => {
    const place = newPlace()
    expectRefused(await place.run(['prune']), 66, 'no backup yet', place.repository)
    expectRefused(await place.run(['prune'], { LOCKKEEPER_REPOSITORY: undefined }), 78, 'LOCKKEEPER_REPOSITORY')
  })

  test('deletes nothing where all manifests are gone, warns, and says what to do', async () => {
    const place = await backedUp('daily', 'daily')
    rmSync(join(place.repository, 'backups'), { recursive: true })
    const before = chunks(place)
    for (let round = 0; round < 2; round++) {
      const ran = await place.run(['prune', '--grace', '0s'])
      expectOk(ran)
      expect(ran.stdout).toMatch(
        /^There is no backup, but .* of content, of which nothing was deleted.* bring backups\/ back/,
      )
      expect(logOf(ran).some(({ level, msg }) => level === 'warn' && String(msg).includes('manifests deleted'))).toBe(
        true,
      )
    }
    expect(chunks(place)).toEqual(before)
  })

  test('removes nothing while a manifest cannot be read, and names it', async () => {
    const place = await backedUp('daily', 'daily')
    const torn = join(place.repository, 'backups', `${place.backups()[0]}.json`)
    const bytes = readFileSync(torn)
    writeFileSync(torn, bytes.subarray(0, 50))
    const before = traceOf(place.repository)
    const ran = await place.run(['prune'], { LOCKKEEPER_TERMINATION_LOG: 'last-word' })
    expect(ran.exit).toBe(65)
    expect(ran.stdout).toContain(`Nothing was removed: backups/${place.backups()[0]}.json cannot be read`)
    expect(traceOf(place.repository)).toEqual(before)
    expect(readFileSync(join(place.folder, 'last-word'), 'utf8')).toContain('Nothing was removed')
    writeFileSync(torn, bytes)
    expectOk(await place.run(['prune']))
  })
})

describe('pin and unpin', () => {
  test('keep a backup, and let it go again', async () => {
    const place = await backedUp('daily', 'daily')
    const [old] = place.backups()
    const pinned = await place.run(['pin', '00000001', '--reason', 'the audit'])
    expectOk(pinned)
    expect(pinned.stdout).toBe(`${old} is pinned.\n`)
    expect(readFileSync(join(place.repository, 'pins', `${old}.json`), 'utf8')).toContain('the audit')
    expect((await place.run(['pin', old!])).stdout).toBe(`${old} was pinned before.\n`)
    expectOk(await place.run(['prune']))
    expect(place.backups()).toHaveLength(2)
    expect((await place.run(['unpin', '00000001'])).stdout).toBe(`${old} is no longer pinned.\n`)
    expect((await place.run(['unpin', '00000001'])).stdout).toBe(`${old} was not pinned.\n`)
    expectOk(await place.run(['prune']))
    expect(place.backups()).toHaveLength(1)
  })

  test('are refused without an id, and for a backup that there is not', async () => {
    const place = await backedUp('daily')
    for (const command of ['pin', 'unpin']) {
      expectRefused(await place.run([command]), 64, 'takes the id of a backup')
      expectRefused(await place.run([command, '00000009']), 66, '00000009')
    }
    expect(traceOf(join(place.repository, 'pins'))).toEqual({})
  })
})

describe('backup', () => {
  test('--prune prunes afterwards, and tells of both', async () => {
    const place = await backedUp('daily')
    pythonSql(place.database, "INSERT INTO customers VALUES (200, 'Mary')")
    const ran = await place.run(['backup', '--tier', 'daily', '--prune'], { LOCKKEEPER_TERMINATION_LOG: 'last-word' })
    expectOk(ran)
    expect(place.backups()).toHaveLength(1)
    const [id] = place.backups()
    expect(ran.stdout).toMatch(new RegExp(`^Backup ${id}: .*\nRemoved 1 of 2 backups; .*\n$`))
    expect(logOf(ran).map(({ step }) => step)).toEqual(expect.arrayContaining(['backup', 'prune']))
    const [sentence, facts = ''] = readFileSync(join(place.folder, 'last-word'), 'utf8').split('\n')
    expect(sentence).toMatch(new RegExp(`^Backup ${id}: .* Removed 1 of 2 backups`))
    expect(JSON.parse(facts)).toMatchObject({ code: 'ok', backup: id, removed: 1 })
  })

  test('--prune that fails is told, and the backup stands', async () => {
    const place = await backedUp('daily')
    writeFileSync(join(place.repository, 'backups', 'torn.json'), '{')
    const blocked = await place.run(['backup', '--tier', 'daily', '--prune', '--json'])
    expect(blocked.exit).toBe(65)
    const { id, prune } = JSON.parse(blocked.stdout)
    expect(place.backups()).toContain(id)
    expect(prune.blocked).toContain('backups/torn.json')
    writeFileSync(join(place.repository, 'marks'), 'no folder')
    const failed = await place.run(['backup', '--tier', 'daily', '--prune'])
    expect(failed.exit).not.toBe(0)
  })

  test('that fails prunes nothing', async () => {
    const place = await backedUp('daily', 'daily')
    const before = traceOf(place.repository)
    expectRefused(await place.run(['backup', '--prune'], { DATABASE_URL: '/nowhere/app.db' }), 66, '/nowhere/app.db')
    expect(traceOf(place.repository)).toEqual(before)
  })

  test('--pin pins it, with the note as the reason', async () => {
    const place = await backedUp('daily')
    const ran = await place.run(['backup', '--pin', '--note', 'before the fair'])
    expectOk(ran)
    expect(ran.stdout).toContain('It is pinned.')
    const id = place.backups().at(-1)
    expect(readFileSync(join(place.repository, 'pins', `${id}.json`), 'utf8')).toContain('before the fair')
  })

  test('--prune of three tiers at the same minute get along', async () => {
    const place = await backedUp('daily', 'weekly', 'monthly', 'daily')
    const prunes = ['daily', 'weekly', 'monthly'].map(tier =>
      place.run(['backup', '--tier', tier, '--prune', '--grace', '0s']),
    )
    for (const ran of await Promise.all(prunes)) expectOk(ran)
    expectOk(await place.run(['prune', '--grace', '0s']))
    expectOk(await place.run(['prune', '--grace', '0s']))
    expect(place.backups()).toHaveLength(3)
    expectOk(await place.run(['verify', '--all']))
  })
})

describe('backups', () => {
  test('tells why each one is kept, or that it goes', async () => {
    const place = await backedUp('daily', 'daily', 'manual')
    expectOk(await place.run(['pin', '00000003']))
    const text = (await place.run(['backups'])).stdout
    expect(text).toMatch(/00000003\S+ +pinned; last good; newest at v001_shop; made by hand\n/)
    expect(text).toMatch(/00000002\S+ +daily \d{4}-\d\d-\d\d \(1 of 7\)\n/)
    expect(text).toMatch(/00000001\S+ +not: daily: a newer one of \d{4}-\d\d-\d\d stays\n/)
    const { backups } = JSON.parse((await place.run(['backups', '--json'])).stdout)
    expect(backups.map(({ retention }: { retention: { keep: boolean } }) => retention.keep)).toEqual([
      true,
      true,
      false,
    ])
  })
})
