/** Where the way back is kept: needed as soon as something is to change, and judged before anything is. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorOf, expectOk, expectRefused } from '../support/cli.ts'
import { shop } from '../support/shop.ts'
import { traceOf } from '../support/workplace.ts'

const table = (name: string) => `-- migrate:up\nCREATE TABLE ${name} (n);\n`

describe('the repository', () => {
  test('that names a host for a folder is refused', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    expectRefused(await place.run(['run', '--repository', 'file://somewhere/backups']), 78, 'host')
  })

  test('is needed as soon as something is to change', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    const before = traceOf(place.volume)
    const ran = await place.run(['run'], { LOCKKEEPER_REPOSITORY: undefined })
    expectRefused(ran, 78, 'no repository', 'LOCKKEEPER_REPOSITORY', '--no-backup')
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('is not needed for a first look, nor where there is nothing to do', async () => {
    const place = await shop()
    expectOk(await place.run(['run'], { LOCKKEEPER_REPOSITORY: undefined }))
  })

  test('is not needed with --no-backup, and the log says what that means', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    const ran = await place.run(['run', '--no-backup'], { LOCKKEEPER_REPOSITORY: undefined })
    expectOk(ran)
    expect(ran.stderr).toContain('no way back')
    expect(place.query('SELECT backup_id FROM schema_migration_events ORDER BY id DESC LIMIT 1')).toEqual([
      { backup_id: null },
    ])
  })

  test('that is no URL, or of a kind that is not known, is refused before the database is touched', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    const before = traceOf(place.volume)
    rmSync(place.migrations, { recursive: true })
    for (const [url, why] of [
      ['/backups', 'file:///backups'],
      ['ftp://somewhere/backups', 's3://bucket/prefix or file:///absolute/path'],
      ['', 'LOCKKEEPER_REPOSITORY (--repository <url>) is empty'],
    ] as const)
      expectRefused(await place.run(['run', '--repository', url]), 78, why)
    expect(traceOf(place.volume)).toEqual(before)
  })

  test('that cannot be written to stops the deploy before the first change', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    writeFileSync(place.repository.replace('repository', 'file'), 'not a folder')
    const ran = await place.run(['run', '--repository', `file://${place.folder}/file/backups`])
    expect([69, 74, 77, 78]).toContain(ran.exit)
    expect(errorOf(ran).msg).toContain('/file')
    expect(place.query("SELECT name FROM sqlite_schema WHERE name = 'carts'")).toEqual([])
  })

  test('that is new is made with a warning where the database was backed up before, as when a volume is not mounted', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    const first = await place.run(['run'])
    expectOk(first)
    expect(first.stderr).not.toContain('is new')
    place.migration('v003_items', table('items'))
    const [{ backup_id: before } = {}] = place.query(
      'SELECT backup_id FROM schema_migration_events ORDER BY id DESC LIMIT 1',
    )
    const second = await place.run(['run', '--repository', `file://${place.folder}/elsewhere`])
    expectOk(second)
    expect(second.stderr).toContain(`is new, though this database was backed up before (${before})`)
  })

  test('that is a folder of something else is refused by what is in it', async () => {
    const place = await shop()
    place.migration('v002_carts', table('carts'))
    const photos = join(place.folder, 'photos')
    mkdirSync(photos)
    writeFileSync(join(photos, 'cat.jpg'), 'meow')
    expectRefused(await place.run(['run', '--repository', `file://${photos}`]), 78, 'cat.jpg', 'repository.json')
    expect(readFileSync(join(photos, 'cat.jpg'), 'utf8')).toBe('meow')
  })
})
