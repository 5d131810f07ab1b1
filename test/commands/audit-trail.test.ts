/** Where the application keeps an `audit_trail`, what Lockkeeper changes is in it. */
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { fossaworkPlace, type Workplace } from '../support/workplace.ts'

const trail = (place: Workplace) =>
  place.query('SELECT table_name, record_id, action, changes_json, reason FROM audit_trail ORDER BY id')

test('the reference application gets an entry for each migration from the one on that brings the table', async () => {
  const place = fossaworkPlace()
  expectOk(await place.run(['run', '--to', 'v004_add_rate_limiting']))
  expectOk(await place.run(['run']))
  const entries = trail(place)
  expect(entries.map(entry => entry['record_id'])).toEqual(['v005_add_audit_tables', 'v006_add_monitoring_tables'])
  for (const entry of entries) expect(entry).toMatchObject({ table_name: 'schema_migrations', action: 'migrate' })
  expect(JSON.parse(String(entries[1]?.['changes_json']))).toMatchObject({
    from: 'v004_add_rate_limiting',
    to: 'v006_add_monitoring_tables',
    backup: place.backups()[0],
  })
})

test('a rollback is in it as well', async () => {
  const place = fossaworkPlace()
  expectOk(await place.run(['run']))
  expectOk(await place.run(['rollback', '--version', 'v006_add_monitoring_tables']))
  expect(trail(place).at(-1)).toMatchObject({ record_id: 'v006_add_monitoring_tables', action: 'rollback' })
})

describe('a table of that name', () => {
  test('with other columns is somebody else’s and left alone', async () => {
    const place = await shop()
    place.migration('v002_trail', '-- migrate:up\nCREATE TABLE audit_trail (id INTEGER PRIMARY KEY, note TEXT);')
    expectOk(await place.run(['run']))
    expect(place.query('SELECT * FROM audit_trail')).toEqual([])
  })

  test('gets nothing of a deploy that was undone', async () => {
    const place = fossaworkPlace()
    expectOk(await place.run(['run']))
    pythonSql(place.database, 'UPDATE data_retention_policies SET retention_days = 1 WHERE id = 1')
    const before = trail(place)
    expectRefused(await place.run(['rollback', '--version', 'v005_add_audit_tables']), 65, 'data_retention_policies')
    expect(trail(place)).toEqual(before)
  })

  test('may go with what Lockkeeper wrote into it, and not with what the application did', async () => {
    const place = fossaworkPlace()
    expectOk(await place.run(['run']))
    pythonSql(
      place.database,
      "INSERT INTO audit_trail (audit_id, table_name, record_id, action) VALUES ('a', 'users', '1', 'update')",
    )
    const back = ['rollback', '--version', 'v005_add_audit_tables']
    expectRefused(await place.run(back), 65, /audit_trail had 7 rows and is gone/)
    pythonSql(place.database, "DELETE FROM audit_trail WHERE audit_id = 'a'")
    expectOk(await place.run(back))
  })
})
