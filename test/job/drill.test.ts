/** `drill`: the newest good backup comes back, and what this image would do to it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { drill } from '../../src/job/drill.ts'
import type { JobEvent } from '../../src/job/events.ts'
import { refusal } from '../backup/support.ts'
import { expectOk, expectRefused } from '../support/cli.ts'
import { backUpIn, jobOptions } from '../support/jobs.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { traceOf, type Workplace } from '../support/workplace.ts'

function drilled(place: Workplace, events?: JobEvent[]) {
  return drill({
    ...jobOptions(place, events),
    migrations: place.migrations,
    adopt: false,
    drift: { policy: 'fail', ignore: [] },
    outOfOrder: 'fail',
  })
}

async function shopWithBackups(count: number, mode: 'delete' | 'wal' = 'delete'): Promise<Workplace> {
  const place = await shop({ mode })
  for (let made = 0; made < count; made++) {
    pythonSql(place.database, `INSERT INTO customers (name) VALUES ('customer ${made}')`)
    await backUpIn(place)
  }
  return place
}

function checksOf(place: Workplace): Record<string, unknown>[] {
  const folder = join(place.repository, 'checks')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return files.map(entry => JSON.parse(readFileSync(join(entry.parentPath, entry.name), 'utf8')))
}

function damage(place: Workplace, id: string): void {
  const { chunks } = JSON.parse(readFileSync(join(place.repository, 'backups', `${id}.json`), 'utf8'))
  const [name = ''] = readFileSync(join(place.repository, chunks.lists[0]), 'utf8').split('\n')
  writeFileSync(join(place.repository, name), 'rubbish')
}

const notes =
  '-- migrate:up\nALTER TABLE orders ADD COLUMN note TEXT;\n-- migrate:down\nALTER TABLE orders DROP COLUMN note;\n'

describe('a drill', () => {
  test.each(['delete', 'wal'] as const)(
    'brings the newest backup back, runs the pending migrations on it and touches no live database (%s)',
    async mode => {
      const place = await shopWithBackups(2, mode)
      place.migration('v002_notes', notes)
      const before = traceOf(place.volume)
      const events: JobEvent[] = []
      const result = await drilled(place, events)
      const [, newest] = place.backups()
      expect(result).toMatchObject({
        backup: { id: newest, result: 'good', how: 'integrity_check in the sandbox' },
        deploy: { from: 'v001_shop', level: 'v002_notes', versions: [{ version: 'v002_notes' }] },
        failure: null,
        bad: [],
        unrecorded: null,
      })
      expect(traceOf(place.volume)).toEqual(before)
      expect(checksOf(place)).toMatchObject([
        {
          backup: newest,
          kind: 'drill',
          result: 'good',
          notes: ['the pending migrations of this image run on it: from v001_shop to v002_notes'],
        },
      ])
      expect(events.map(event => event.step)).toEqual(
        expect.arrayContaining(['lock', 'migrate', 'validate', 'commit', 'verify']),
      )
      expect(events.filter(({ kind }) => kind === 'warning')).toEqual([])
      expect(readdirSync(place.folder).sort()).toEqual(['migrations', 'repository', 'volume'])
    },
  )

  test('says that nothing is pending', async () => {
    const place = await shopWithBackups(1)
    const { backup, deploy } = await drilled(place)
    expect(deploy).toMatchObject({ from: 'v001_shop', level: 'v001_shop', versions: [] })
    expect(backup.notes).toEqual(['nothing is pending in this image, at v001_shop'])
  })

  test('needs no volume with the database', async () => {
    const place = await shopWithBackups(1)
    rmSync(place.volume, { recursive: true })
    expect((await drilled(place)).failure).toBeNull()
  })

  test.each<[string, string, (place: Workplace) => void]>([
    [
      'fails',
      'failed',
      place => place.migration('v002_wrong', '-- migrate:up\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\n'),
    ],
    [
      'loses rows',
      'invalid',
      place => place.migration('v002_wrong', '-- migrate:up\nDELETE FROM orders;\n-- migrate:down\n'),
    ],
    [
      'was edited since',
      'invalid',
      place => place.migration('v001_shop', '-- migrate:up\nCREATE TABLE x (y);\n-- migrate:down\n'),
    ],
    [
      'is older than the backup',
      'newer',
      place => {
        rmSync(join(place.migrations, 'v001_shop.sql'))
        place.migration('v000_before', '-- migrate:up\nCREATE TABLE x (y);\n-- migrate:down\n')
      },
    ],
  ])('whose migration %s says so as the deploy would, and does not blame the backup (%s)', async (_, code, make) => {
    const place = await shopWithBackups(1)
    make(place)
    const { backup, deploy, failure } = await drilled(place)
    expect(backup.result).toBe('good')
    expect(deploy).toBeNull()
    expect(failure?.code).toBe(code)
    expect(checksOf(place)).toMatchObject([
      { kind: 'drill', result: 'good', notes: [expect.stringContaining(failure!.message)] },
    ])
    const real = await place.run(['run', '--no-backup'])
    expect(real.exit).toBe(failure?.exitCode)
  })

  test('whose newest backup is damaged records that, and takes the next one', async () => {
    const place = await shopWithBackups(3)
    const [, older, newest] = place.backups()
    damage(place, newest!)
    const result = await drilled(place)
    expect(result).toMatchObject({ backup: { id: older, result: 'good' }, bad: [{ id: newest, result: 'bad' }] })
    expect(
      checksOf(place)
        .map(({ backup, result }) => [backup, result])
        .sort(),
    ).toEqual([
      [older, 'good'],
      [newest, 'bad'],
    ])
    // Known now.
    expect((await drilled(place)).bad).toEqual([])
  })

  test('without a good backup says what is wrong with each', async () => {
    const place = await shopWithBackups(2)
    for (const id of place.backups()) damage(place, id)
    const error = await refusal(drilled(place))
    expect(error.code).toBe('invalid')
    for (const id of place.backups()) expect(error.message).toContain(`${id}: chunks/`)
  })

  test('without migrations is refused before anything is fetched', async () => {
    const place = await shopWithBackups(1)
    rmSync(join(place.migrations, 'v001_shop.sql'))
    expect((await refusal(drilled(place))).code).toBe('config')
  })
})

describe('the command', () => {
  test('prints what came of it, and ends with 0, with 65 for a bad backup, and with the code of a deploy that fails', async () => {
    const place = await shopWithBackups(2)
    mkdirSync(join(place.folder, 'tmp'))
    place.env['LOCKKEEPER_TMPDIR'] = join(place.folder, 'tmp')
    const [older, newest] = place.backups()
    const ran = await place.run(['drill'])
    expectOk(ran)
    expect(ran.stdout).toContain(`The backup ${newest} comes back whole, and this image runs on it at v001_shop.`)
    place.migration('v002_wrong', '-- migrate:up\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\n')
    const failed = await place.run(['drill'])
    expect(failed.exit).toBe(1)
    expect(failed.stdout).toContain(`The backup ${newest} comes back whole, but this image does not run on it: `)
    rmSync(join(place.migrations, 'v002_wrong.sql'))
    damage(place, newest!)
    const bad = await place.run(['drill', '--json'])
    expect(bad.exit).toBe(65)
    expect(JSON.parse(bad.stdout)).toMatchObject({ backup: { id: older }, bad: [{ id: newest }], failure: null })
    expect(Object.keys(traceOf(join(place.folder, 'tmp')))).toEqual([''])
    expectRefused(await place.run(['drill'], { LOCKKEEPER_REPOSITORY: undefined }), 78, 'LOCKKEEPER_REPOSITORY')
  })
})
