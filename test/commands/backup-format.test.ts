import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk } from '../support/cli.ts'
import { pythonSql, sqlite3 } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import type { Workplace } from '../support/workplace.ts'

/** What docs call recovery with plain tools: the lists of a manifest, the chunks that they name, one pipe through zstd. */
function recover({ repository }: Workplace, backup: string, target: string): void {
  const manifest = JSON.parse(readFileSync(join(repository, 'backups', `${backup}.json`), 'utf8'))
  const lists: string[] = manifest.chunks.lists
  execFileSync('sh', ['-c', 'cat "$@" | xargs cat | zstd -d -q -o "$TARGET"', 'sh', ...lists], {
    cwd: repository,
    env: { PATH: process.env['PATH'], TARGET: target },
  })
}

const big = `CREATE TABLE readings (id INTEGER PRIMARY KEY, value TEXT);
  INSERT INTO readings WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 30000)
    SELECT n, hex(randomblob(50)) FROM c;`

describe.each(['delete', 'wal'] as const)('the chunks of a backup in order through zstd, in %s mode', mode => {
  test('are the database as it was before the migration', async () => {
    const place = await shop({ mode })
    place.migration('v002_readings', `-- migrate:up\n${big}`)
    expectOk(await place.run(['run']))
    const before = join(place.folder, 'before.db')
    copyFileSync(place.database, before)
    const dump = sqlite3(before, '.dump')
    place.migration(
      'v003_more',
      '-- migrate:up\nALTER TABLE customers ADD COLUMN city TEXT;\nDELETE FROM orders WHERE 0;',
    )
    expectOk(await place.run(['run']))

    const recovered = join(place.folder, 'recovered.db')
    const [, second, ...others] = place.backups()
    expect(others).toEqual([])
    expect(second).toContain('pre-migration-v002_readings')
    recover(place, second!, recovered)

    expect(readFileSync(recovered).equals(readFileSync(before))).toBe(true)
    expect(sqlite3(recovered, '.dump')).toBe(dump)
    expect(readFileSync(recovered).length).toBeGreaterThan(3 * 2 ** 20)
  })
})

test('what was still in the log of a WAL database is in the backup', async () => {
  const place = await shop({ mode: 'wal' })
  pythonSql(place.database, "PRAGMA wal_autocheckpoint = 0; INSERT INTO customers VALUES (9, 'Radia')")
  place.migration('v002_more', '-- migrate:up\nALTER TABLE customers ADD COLUMN city TEXT;')
  expectOk(await place.run(['run']))
  const recovered = join(place.folder, 'recovered.db')
  recover(place, place.backups().at(-1)!, recovered)
  expect(sqlite3(recovered, 'SELECT name FROM customers WHERE id = 9')).toBe('Radia\n')
})

test('a deploy that is tried again stores only what differs', async () => {
  const place = await shop()
  place.migration('v002_readings', `-- migrate:up\n${big}`)
  expectOk(await place.run(['run']))
  place.migration('v003_broken', '-- migrate:up\nCREATE TABLE t (n);\nSELECT * FROM nowhere;')
  const storedOf = (backup: string | undefined): number =>
    JSON.parse(readFileSync(join(place.repository, 'backups', `${backup}.json`), 'utf8')).stored.chunks
  expect((await place.run(['run'])).exit).toBe(1)
  expect(storedOf(place.backups().at(-1))).toBeGreaterThan(3)
  // All that differs is the record of the failure.
  expect((await place.run(['run'])).exit).toBe(1)
  expect(storedOf(place.backups().at(-1))).toBeLessThan(3)
})
