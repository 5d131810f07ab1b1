/** An import that is killed at any instant has put in all of it or nothing, and the next one does the rest. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { expectOk } from '../support/cli.ts'
import { python } from '../support/peers.ts'
import { ids, readByPython, v1Place } from '../support/v1.ts'

const orders = 1500

/** After the line of which step, and milliseconds: while the rows are put in and compared, and around the commit. */
const instants = [
  ['lock', 0],
  ['backup', 0],
  ['backup', 50],
  ['backup', 100 + Math.random() * 100],
  ['backup', 200 + Math.random() * 200],
  ['import', 0],
  ['import', Math.random() * 10],
  ['validate', 0],
  ['validate', 100],
] as const

/** Counts as the application would, which makes SQLite roll back what was left in the middle. */
const count = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
tables = 'users', 'work_orders', 'user_scraped_content', 'work_orders_fts', 'user_schedule_changes'
print(*(db.execute('SELECT count(*) FROM ' + table).fetchone()[0] for table in tables),
      db.execute("SELECT count(*) FROM schema_migration_events WHERE action = 'import'").fetchone()[0])
assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
db.close()`

test.each(['delete', 'wal'])('in journal mode %s', { timeout: 400_000 }, async mode => {
  const { data, importV1, json, place, write } = await v1Place()
  const users = json('users/users.json')
  // Without passwords: hashing them would be most of the time.
  write(
    'users/users.json',
    users.map(({ password, ...user }: { password: string }) => user),
  )
  const file = `users/${ids[0]}/scraped_content.json`
  const { workOrders, ...rest } = json(file)
  const more = Array.from({ length: orders }, (_, at) => ({ ...workOrders[0], id: `W-9${at}` }))
  write(file, { ...rest, workOrders: [...workOrders, ...more] })
  python('import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA journal_mode = " + sys.argv[2])', [
    place.database,
    mode,
  ])
  const nothing = '0 0 0 0 0 0'
  const all = `3 ${18 + orders} 3 ${18 + orders} 6 1`
  const seen: string[] = []
  for (const [step, wait] of instants) {
    if (seen.at(-1) === all) break
    const running = place.start(['fossawork', 'import-v1', '--data', data])
    await running.shows(`"step":"${step}"`)
    await delay(wait)
    running.process.kill('SIGKILL')
    await running.done
    seen.push(python(count, [place.database]).trim())
  }
  for (const state of seen) expect([nothing, all]).toContain(state)
  expect(seen[0]).toBe(nothing)
  expectOk(await importV1())
  expect(python(count, [place.database]).trim()).toBe(all)
  const { actual, expected } = readByPython(data, place.database)
  expect(actual['work_orders']).toEqual(expected['work_orders'])
  expect((await importV1()).stdout).toContain('Nothing to import')
})
