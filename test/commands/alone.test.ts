/** Migrations that commit by themselves (`transaction: off`): stopped in the middle, mended, gone on with. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectOk, expectRefused, messagesOf } from '../support/cli.ts'
import { pythonSql } from '../support/peers.ts'
import { shop } from '../support/shop.ts'
import { applicationOf, journalModeOf, traceOf, type Workplace } from '../support/workplace.ts'

const off = (up: string, down = 'SELECT 1;') => `-- transaction: off\n-- migrate:up\n${up}\n-- migrate:down\n${down}\n`
const metadata = (place: Workplace, version: string) =>
  JSON.parse(
    String(place.query(`SELECT metadata_json AS m FROM schema_migrations WHERE version = '${version}'`)[0]?.['m']),
  )

describe('a statement that fails', () => {
  async function stopped() {
    const place = await shop()
    place.migration(
      'v002_alone',
      off(
        "INSERT INTO customers VALUES (4, 'Radia');\nALTER TABLE orders ADD COLUMN price;\nINSERT INTO nowhere VALUES (1);",
      ),
    )
    expectRefused(await place.run(['run']), 1, /v002_alone\.sql:5/, 'nowhere')
    return place
  }

  test('leaves what came before it, and says how far it came', async () => {
    const place = await stopped()
    expect(applicationOf(place.database).rows['customers']).toHaveLength(4)
    expect(metadata(place, 'v002_alone').progress).toMatchObject({
      direction: 'up',
      done: 2,
      backup: place.backups()[0],
    })
    const { stdout } = await place.run(['status'])
    expect(stdout).toMatch(/pending +v002_alone/)
    expect(stdout).toMatch(/stopped +v002_alone, begun at .*: 2 of 3 statements are committed/)
    expect(stdout).toMatch(/next: lockkeeper run goes on with statement 3, .*v002_alone\.sql:5/)
    expect(JSON.parse((await place.run(['status', '--json'])).stdout)).toMatchObject({
      halted: [{ version: 'v002_alone', direction: 'up', done: 2, statements: 3, backup: place.backups()[0] }],
    })
  })

  test('is gone on from once it is mended: what has run does not run again', async () => {
    const place = await stopped()
    place.migration(
      'v002_alone',
      off(
        "INSERT INTO customers VALUES (4, 'Radia');\nALTER TABLE orders ADD COLUMN price;\nUPDATE orders SET price = 5;",
      ),
    )
    const ran = await place.run(['run'])
    expectOk(ran)
    expect(messagesOf(ran, 'migrate').join('\n')).toMatch(
      /v002_alone, begun at .*, goes on after its first 2 statements/,
    )
    expect(place.query('SELECT count(*) AS n, sum(price) AS price FROM orders')).toEqual([{ n: 4, price: 20 }])
    expect(place.query("SELECT status, metadata_json FROM schema_migrations WHERE version = 'v002_alone'")).toEqual([
      { status: 'applied', metadata_json: null },
    ])
    expect((await place.run(['run'])).stdout).toContain('Nothing to do')
    expect(JSON.parse((await place.run(['status', '--json'])).stdout)).toMatchObject({ halted: [] })
  })

  test('is taken back to the backup that was made before its first statement, not before the going on', async () => {
    const place = await stopped()
    const [before] = place.backups()
    place.migration(
      'v002_alone',
      "-- transaction: off\n-- migrate:up\nINSERT INTO customers VALUES (4, 'Radia');\nALTER TABLE orders ADD COLUMN price;",
    )
    expectOk(await place.run(['run']))
    expect(place.backups()).toHaveLength(2)
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'v002_alone has no down', `restore --id ${before}`)
  })

  test.each([
    ['its first statements are others now', off('ALTER TABLE orders ADD COLUMN price;'), 'begins with others'],
    [
      'it is to run in a transaction now',
      off("INSERT INTO customers VALUES (4, 'Radia');\nALTER TABLE orders ADD COLUMN price;").replace(
        '-- transaction: off\n',
        '',
      ),
      'transaction: off',
    ],
  ])('is not gone on from where %s', async (_, text, culprit) => {
    const place = await stopped()
    place.migration('v002_alone', text)
    const before = [traceOf(place.volume), traceOf(place.repository)]
    expectRefused(await place.run(['run']), 65, 'v002_alone', culprit)
    expect([traceOf(place.volume), traceOf(place.repository)]).toEqual(before)
  })

  test('is not gone on from, nor begun anew, under another name', async () => {
    const place = await stopped()
    rmSync(join(place.migrations, 'v002_alone.sql'))
    place.migration('v003_other', off("INSERT INTO customers VALUES (5, 'Radia');"))
    const before = traceOf(place.volume)
    expectRefused(await place.run(['run']), 65, 'v002_alone', 'its file is gone', place.backups()[0] ?? 'a backup')
    expect(traceOf(place.volume)).toEqual(before)
  })
})

describe('a loss of rows', () => {
  test('is committed, and stops every deploy until it is allowed; the backup before it is named', async () => {
    const place = await shop()
    const delete2 = 'DELETE FROM orders WHERE id > 2;'
    place.migration('v002_alone', off(delete2))
    expectRefused(await place.run(['run']), 65, 'orders had 4 rows and would have 2', place.backups()[0] ?? 'a backup')
    const [backup] = place.backups()
    for (let time = 0; time < 2; time++)
      expectRefused(await place.run(['run']), 65, 'orders had 4 rows and would have 2', backup!)
    place.migration('v002_alone', `-- allow-row-loss: orders\n${off(delete2)}`)
    expectOk(await place.run(['run']))
    expect(applicationOf(place.database).rows['orders']).toHaveLength(2)
  })

  test('before it was stopped is found at its end', async () => {
    const place = await shop()
    place.migration('v002_alone', off('DELETE FROM orders WHERE id > 2;\nINSERT INTO nowhere VALUES (1);'))
    expectRefused(await place.run(['run']), 1, 'nowhere')
    place.migration('v002_alone', off('DELETE FROM orders WHERE id > 2;\nCREATE TABLE carts (n);'))
    expectRefused(await place.run(['run']), 65, 'orders had 4 rows and would have 2')
  })

  test('and so is a row without its parent', async () => {
    const place = await shop()
    place.migration(
      'v002_alone',
      off('UPDATE orders SET customer_id = 77 WHERE id = 1;\nINSERT INTO nowhere VALUES (1);'),
    )
    expectRefused(await place.run(['run']), 1, 'nowhere')
    place.migration('v002_alone', off('UPDATE orders SET customer_id = 77 WHERE id = 1;\nCREATE TABLE carts (n);'))
    expectRefused(await place.run(['run']), 65, '1 row of orders refer by customer_id')
  })
})

test('savepoints commit at the end of the outermost, and what follows stands by itself', async () => {
  const place = await shop()
  place.migration(
    'v002_alone',
    off(
      `SAVEPOINT a;\nSAVEPOINT b;\nUPDATE orders SET what = what || '!';\nRELEASE a;\nUPDATE orders SET what = what || '?';\nINSERT INTO nowhere VALUES (1);`,
    ),
  )
  expectRefused(await place.run(['run']), 1, /v002_alone\.sql:8/, 'nowhere')
  expect(metadata(place, 'v002_alone').progress).toMatchObject({ done: 5 })
  place.migration(
    'v002_alone',
    off(
      `SAVEPOINT a;\nSAVEPOINT b;\nUPDATE orders SET what = what || '!';\nRELEASE a;\nUPDATE orders SET what = what || '?';`,
    ),
  )
  expectOk(await place.run(['run']))
  expect(place.query('SELECT DISTINCT substr(what, -2) AS end FROM orders')).toEqual([{ end: '!?' }])
})

test('a rebuild in a transaction of its own, beside a view, runs to its last statement, up and down', async () => {
  const place = await shop()
  const rebuild = (columns: string, what: string) => `BEGIN;
    CREATE TABLE made_anew (${columns});
    INSERT INTO made_anew SELECT x FROM boxes;
    DROP TABLE boxes;
    ALTER TABLE made_anew RENAME TO boxes;
    INSERT INTO told VALUES ('${what}');
    COMMIT;
    INSERT INTO told VALUES ('after ${what}');`
  place.migration(
    'v002_boxes',
    `-- migrate:up\nCREATE TABLE boxes (x); INSERT INTO boxes VALUES (1), (2); CREATE TABLE told (what);
     CREATE VIEW counted AS SELECT count(*) AS n FROM boxes;\n-- migrate:down\nSELECT 1;\n`,
  )
  place.migration('v003_rebuilt', off(rebuild('x INTEGER', 'up'), rebuild('x', 'down')))
  expectOk(await place.run(['run']))
  // What it has done is what the schema is compared with from now on.
  expectOk(await place.run(['run']))
  expect(JSON.parse((await place.run(['status', '--json'])).stdout)).toMatchObject({ pending: [], problem: null })
  expect(place.query('SELECT what FROM told')).toEqual([{ what: 'up' }, { what: 'after up' }])
  expectOk(await place.run(['rollback', '--steps', '1', '--allow-row-loss']))
  expect(place.query('SELECT what FROM told').slice(2)).toEqual([{ what: 'down' }, { what: 'after down' }])
  expect(place.query("SELECT n, (SELECT sql FROM sqlite_schema WHERE name = 'boxes') AS sql FROM counted")).toEqual([
    { n: 2, sql: 'CREATE TABLE "boxes" (x)' },
  ])
})

test('stopped in the middle, what a pragma did not do in its transaction it does not do afterwards', async () => {
  const place = await shop()
  // In a transaction SQLite ignores it. If it took effect for what follows, dropping the parent would empty the child.
  const up = (last: string) =>
    off(`BEGIN; PRAGMA foreign_keys = ON; COMMIT;
      ${last}
      CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO people SELECT id, name FROM parents;
      DROP TABLE parents; ALTER TABLE people RENAME TO parents;`)
  place.migration(
    'v002_family',
    `-- migrate:up\nCREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO parents VALUES (1, 'a');
     CREATE TABLE children (parent REFERENCES parents (id) ON DELETE CASCADE); INSERT INTO children VALUES (1), (1);\n`,
  )
  place.migration('v003_rebuilt', up('INSERT INTO nowhere VALUES (1);'))
  expectRefused(await place.run(['run']), 1, 'nowhere')
  place.migration('v003_rebuilt', up('SELECT 1;'))
  expectOk(await place.run(['run']))
  expect(place.query('SELECT count(*) AS n FROM children')).toEqual([{ n: 2 }])
})

test('something temporary is refused before anything of it runs', async () => {
  const place = await shop()
  const before = applicationOf(place.database)
  place.migration('v002_alone', off('CREATE TABLE carts (n);\nCREATE TEMP TABLE t AS SELECT * FROM orders;'))
  expectRefused(await place.run(['run']), 65, /v002_alone\.sql:4/, 'temporary')
  expect(applicationOf(place.database)).toEqual(before)
})

test("Lockkeeper's own record is not for it to change", async () => {
  const place = await shop()
  place.migration('v002_alone', off("UPDATE schema_migrations SET checksum = 'x' WHERE version = 'v001_shop';"))
  expectRefused(await place.run(['run']), 65, "changing schema_migrations (Lockkeeper's own record)")
  expect(place.query("SELECT checksum FROM schema_migrations WHERE version = 'v001_shop'")).not.toEqual([
    { checksum: 'x' },
  ])
})

test('page size, journal mode and VACUUM work that way', async () => {
  const place = await shop({ mode: 'wal' })
  place.migration('v002_alone', off('PRAGMA journal_mode = DELETE;\nPRAGMA page_size = 8192;\nVACUUM;'))
  expectOk(await place.run(['run']))
  expect(place.query('PRAGMA page_size')).toEqual([{ page_size: 8192 }])
  expect(journalModeOf(place.database)).toBe('rollback')
  place.migration('v003_alone', off('PRAGMA journal_mode = WAL;'))
  expectOk(await place.run(['run']))
  expect(journalModeOf(place.database)).toBe('wal')
  expect(applicationOf(place.database).rows['orders']).toHaveLength(4)
})

describe('a down that commits by itself and fails', () => {
  async function half() {
    const place = await shop()
    place.migration(
      'v002_alone',
      off(
        'CREATE TABLE carts (n);\nCREATE TABLE baskets (n);',
        'DROP TABLE baskets;\nDROP TABLE nowhere;\nDROP TABLE carts;',
      ),
    )
    expectOk(await place.run(['run']))
    expectRefused(await place.run(['rollback', '--steps', '1']), 1, /v002_alone\.sql:7/, 'nowhere')
    return place
  }

  test('leaves the migration applied and half taken back, which stops a deploy', async () => {
    const place = await half()
    expect(Object.keys(applicationOf(place.database).rows)).toEqual(['carts', 'customers', 'orders'])
    expectRefused(
      await place.run(['run']),
      65,
      'v002_alone is half taken back',
      'lockkeeper rollback --version v002_alone',
    )
    expect((await place.run(['status'])).stdout).toMatch(
      /v002_alone, .*: 1 of 3 statements are committed\n +next: lockkeeper rollback --version v002_alone goes on with statement 2, .*v002_alone\.sql:7/,
    )
  })

  test('is gone on from by the next rollback', async () => {
    const place = await half()
    pythonSql(place.database, 'CREATE TABLE nowhere (n)')
    expectOk(await place.run(['rollback', '--version', 'v002_alone']))
    expect(Object.keys(applicationOf(place.database).rows)).toEqual(['customers', 'orders'])
    expect(place.query("SELECT status, metadata_json FROM schema_migrations WHERE version = 'v002_alone'")).toEqual([
      { status: 'rolled_back', metadata_json: null },
    ])
    expectOk(await place.run(['run']))
    expect(Object.keys(applicationOf(place.database).rows)).toEqual(['baskets', 'carts', 'customers', 'orders'])
  })

  test('is not gone on from where it is to run in a transaction now, which would begin anew', async () => {
    const place = await shop()
    const text = off('SELECT 1;', 'UPDATE orders SET customer_id = customer_id % 2 + 1;\nSELECT 2;')
    place.migration('v002_alone', text.replace('SELECT 2', 'DROP TABLE nowhere'))
    expectOk(await place.run(['run']))
    expectRefused(await place.run(['rollback', '--steps', '1']), 1, 'nowhere')
    const before = applicationOf(place.database)
    place.migration('v002_alone', text.replace('-- transaction: off\n', ''))
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'the down of v002_alone', 'transaction: off')
    expect(applicationOf(place.database)).toEqual(before)
    place.migration('v002_alone', text)
    expectOk(await place.run(['rollback', '--steps', '1']))
    expect(applicationOf(place.database)).toEqual(before)
  })
})

describe('a down that commits by itself and was stopped after it had taken its own seeds away', () => {
  const up = "INSERT INTO customers VALUES (4, 'Radia'), (5, 'Frances');"
  async function stopped(down: string) {
    const place = await shop()
    place.migration('v002_alone', off(up, `${down}\nDROP TABLE nowhere;`))
    expectOk(await place.run(['run']))
    expectRefused(await place.run(['rollback', '--steps', '1']), 1, 'nowhere')
    place.migration('v002_alone', off(up, `${down}\nSELECT 1;`))
    return place
  }

  test('is gone on from, as if it had not been stopped', async () => {
    const place = await stopped('DELETE FROM customers WHERE id > 3;')
    expectOk(await place.run(['rollback', '--steps', '1']))
    expect(place.query('SELECT id FROM customers')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
  })

  test('is refused where it took other rows as well', async () => {
    const place = await stopped('DELETE FROM orders;\nDELETE FROM customers WHERE id > 2;')
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'customers had 5 rows and would have 2', 'orders')
  })

  test('is refused where a seed was somebody else’s by then', async () => {
    const place = await shop()
    place.migration('v002_alone', off(up, 'DELETE FROM customers WHERE id > 3;\nDROP TABLE nowhere;'))
    expectOk(await place.run(['run']))
    pythonSql(place.database, "UPDATE customers SET name = 'Perlman' WHERE id = 4")
    expectRefused(await place.run(['rollback', '--steps', '1']), 1, 'nowhere')
    pythonSql(place.database, 'CREATE TABLE nowhere (n)')
    expectRefused(await place.run(['rollback', '--steps', '1']), 65, 'customers had 5 rows and would have 3')
  })
})

test('killed again and again, every statement takes effect exactly once', async () => {
  const place = await shop()
  const count = 200
  const inserts = Array.from({ length: count }, (_, n) => `INSERT INTO numbers VALUES (${n});`)
  place.migration('v002_alone', off(`CREATE TABLE numbers (n);\n${inserts.join('\n')}`))
  let kills = 0
  for (let wait = 50; ; wait *= 2) {
    const running = place.start(['run'])
    // The one before may have been killed when it was done: then there is nothing to do.
    await running.shows('pre-migration').catch(() => {})
    const timer = setTimeout(() => running.process.kill('SIGKILL'), wait)
    const ran = await running.done
    clearTimeout(timer)
    if (ran.signal === 'SIGKILL') kills++
    else {
      expectOk(ran)
      break
    }
    expect(kills).toBeLessThan(10)
  }
  expect(kills).toBeGreaterThan(0)
  expect(place.query('SELECT count(*) AS n, count(DISTINCT n) AS d FROM numbers')).toEqual([{ n: count, d: count }])
})
