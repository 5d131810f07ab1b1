import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { insertRows, workOrderId } from '../fixtures/fossawork/rows.ts'
import { apply, databaseAt, migrationFiles, open } from './migration-files.ts'
import { expectEachFound, expectInStep, fillWithHoles, find, planOf, statementsOf } from './search-checks.ts'

const folder = mkdtempSync(join(tmpdir(), 'fossawork-search-'))
afterAll(() => rmSync(folder, { recursive: true }))

let db: DatabaseSync
beforeEach(() => {
  db = databaseAt('v003')
})

describe('search over work orders', () => {
  test('finds what was there before v003, and each order by the words that only it has', () => {
    const old = databaseAt('v002')
    insertRows(old, 'v002', { workOrders: 40 })
    apply(old, migrationFiles[2]!.up)
    expectInStep(old)
    for (let order = 0; order < 40; order++) expect(find(old, `"job ${order + 1}"`)).toEqual([workOrderId(order)])
  })

  test('reads site, address, notes and instructions, and nothing else', () => {
    insert('w-1', { site_name: 'alpha', address: 'bravo', notes: 'charlie', instructions: 'delta', county: 'echo' })
    for (const word of ['alpha', 'bravo', 'charlie', 'delta']) expect(find(db, word)).toEqual(['w-1'])
    expect(find(db, 'echo OR w OR "w-1"')).toEqual([])
    expect(find(db, 'site_name : alpha')).toEqual(['w-1'])
    expect(find(db, 'notes : alpha')).toEqual([])
  })

  test('finds words whatever their case and accents, beginnings of words, and phrases', () => {
    insert('w-1', { site_name: 'Café Express #1021', notes: 'gate code in the office' })
    for (const query of ['cafe', 'EXPRESS', 'expr*', '"gate code"', '"#1021"', 'café AND office']) {
      expect(find(db, query)).toEqual(['w-1'])
    }
    expect(find(db, '"code gate"')).toEqual([])
  })

  test('lists the best hit first, joined to its work order, with the query in the README', () => {
    insert('w-1', { site_name: 'Depot', notes: 'one leak among many words that have nothing at all to do with it' })
    insert('w-2', { site_name: 'Leak Street', notes: 'leak, leak' })
    insert('w-3', { site_name: 'Leak Street', user_id: 'somebody else' })
    const readme = readFileSync(new URL('../../migrations/README.md', import.meta.url), 'utf8')
    const [, query] = /```sql\n(.+?)```/s.exec(readme)!
    expect(db.prepare(query!).all('leak', 'nobody')).toEqual([
      { id: 'w-2', site_name: 'Leak Street', excerpt: '[leak], [leak]' },
      { id: 'w-1', site_name: 'Depot', excerpt: 'one [leak] among many words that have nothing…' },
    ])
  })
})

describe('search stays in step', () => {
  test('with inserts, updates and deletes', () => {
    insert('w-1', { site_name: 'alpha', notes: 'first' })
    insert('w-2', { site_name: 'alpha', notes: 'second' })
    db.exec("UPDATE work_orders SET notes = 'changed', address = 'north' WHERE id = 'w-1'")
    expect(find(db, 'first')).toEqual([])
    expect(find(db, 'changed AND north')).toEqual(['w-1'])
    db.exec("DELETE FROM work_orders WHERE id = 'w-2'")
    expect(find(db, 'alpha')).toEqual(['w-1'])
    expectInStep(db)
  })

  test.each(['OFF', 'ON'])('when INSERT OR REPLACE replaces an order, recursive triggers %s', recursive => {
    db.exec(`PRAGMA recursive_triggers = ${recursive}`)
    insert('w-1', { site_name: 'alpha' })
    insert('w-2', { site_name: 'bravo' })
    insert('w-1', { site_name: 'charlie' }, 'INSERT OR REPLACE')
    expect(find(db, 'alpha')).toEqual([])
    expect(find(db, 'charlie')).toEqual(['w-1'])
    expectInStep(db)
  })

  test('when INSERT OR IGNORE leaves an order as it is, and when ON CONFLICT updates it', () => {
    insert('w-1', { site_name: 'alpha' })
    insert('w-1', { site_name: 'bravo' }, 'INSERT OR IGNORE')
    expect(find(db, 'alpha OR bravo')).toEqual(['w-1'])
    expect(find(db, 'bravo')).toEqual([])
    db.exec(`INSERT INTO work_orders (id, user_id, site_name) VALUES ('w-1', 'nobody', 'charlie')
      ON CONFLICT (id) DO UPDATE SET site_name = excluded.site_name`)
    expect(find(db, 'alpha')).toEqual([])
    expect(find(db, 'charlie')).toEqual(['w-1'])
    expectInStep(db)
  })

  test.each(['OFF', 'ON'])('when an id changes, even to that of another order, recursive triggers %s', recursive => {
    db.exec(`PRAGMA recursive_triggers = ${recursive}`)
    insert('w-1', { site_name: 'alpha' })
    insert('w-2', { site_name: 'bravo' })
    db.exec("UPDATE work_orders SET id = 'w-3' WHERE id = 'w-1'")
    expect(find(db, 'alpha')).toEqual(['w-3'])
    db.exec("UPDATE OR REPLACE work_orders SET id = 'w-2' WHERE id = 'w-3'")
    expect(find(db, 'alpha')).toEqual(['w-2'])
    expect(find(db, 'bravo')).toEqual([])
    expectInStep(db)
  })

  test('when all orders change at once, when that is taken back, and when all go', () => {
    insertRows(db, 'v003', { workOrders: 30 })
    db.exec("BEGIN; UPDATE work_orders SET notes = 'zulu'; DELETE FROM work_orders WHERE status = 'pending'; ROLLBACK")
    expect(find(db, 'zulu')).toEqual([])
    expectInStep(db)
    db.exec("UPDATE work_orders SET notes = 'zulu'")
    expect(find(db, 'zulu')).toHaveLength(30)
    expectInStep(db)
    db.exec('DELETE FROM work_orders')
    expect(find(db, 'zulu')).toEqual([])
    expectInStep(db)
  })

  test('whatever happens to the orders, in whatever sequence', () => {
    const ids = ['w-1', 'w-2', 'w-3', 'w-4', 'w-5']
    const id = fc.constantFrom(...ids)
    const text = fc.constantFrom('alpha', 'bravo charlie', 'café', '', null)
    const or = fc.constantFrom('REPLACE', 'IGNORE', 'ABORT', 'FAIL', 'ROLLBACK').map(verb => `OR ${verb}`)
    const notes = 'UPDATE work_orders SET notes = ?, status = ? WHERE id >= ?'
    const change = fc.oneof(
      fc.tuple(
        or.map(each => `INSERT ${each} ${inserted}`),
        id,
        text,
        text,
      ),
      fc.tuple(fc.constant(`INSERT ${inserted} ON CONFLICT DO UPDATE SET notes = 'delta'`), id, text, text),
      fc.tuple(
        or.map(each => `UPDATE ${each} work_orders SET id = ? WHERE id = ?`),
        id,
        id,
      ),
      fc.tuple(fc.constant(notes), text, text, id),
      fc.tuple(fc.constant('DELETE FROM work_orders WHERE id = ?'), id),
      fc.constant(['UPDATE work_orders SET rowid = -rowid'] as [string]),
    )
    const changes = fc.array(change, { minLength: 1, maxLength: 25 })
    fc.assert(
      fc.property(fc.boolean(), changes, (recursive, sequence) => {
        const fresh = databaseAt('v003')
        for (const at of ids) fresh.prepare(`INSERT ${inserted}`).run(at, 'alpha', null)
        fresh.exec(`PRAGMA recursive_triggers = ${recursive ? 'ON' : 'OFF'}`)
        for (const [sql, ...values] of sequence) {
          try {
            fresh.prepare(sql).run(...values)
          } catch (error) {
            expect(String(error)).toMatch(/UNIQUE constraint failed: work_orders\.(id|rowid)/)
          }
        }
        expectInStep(fresh)
      }),
      { numRuns: 150 },
    )
  })
})

describe('search survives', () => {
  // SQLite may renumber implicit rowids on VACUUM. This version keeps those of work_orders, so the tests renumber them.
  const renumber = 'UPDATE work_orders SET rowid = -rowid'

  test('other rowids in work_orders', () => {
    fillWithHoles(db)
    db.exec(renumber)
    expectEachFound(db)
    db.exec("DELETE FROM work_orders WHERE id = 'w-7'; UPDATE work_orders SET notes = 'zulu' WHERE id = 'w-8'")
    expect(find(db, 'unique7 OR unique8 OR zulu')).toEqual(['w-8'])
    expectInStep(db)
  })

  test('VACUUM in place', () => {
    const file = databaseAt('v003', join(folder, 'in-place.db'))
    fillWithHoles(file)
    file.exec(renumber)
    file.exec('VACUUM')
    expectEachFound(file)
    file.close()
  })

  test('VACUUM INTO a copy, and changes in that copy', () => {
    fillWithHoles(db)
    db.exec(renumber)
    const path = join(folder, 'vacuumed.db')
    db.prepare('VACUUM INTO ?').run(path)
    const copy = open(path)
    expectEachFound(copy)
    copy.exec("UPDATE work_orders SET notes = 'zulu' WHERE notes = 'unique7'")
    expect(find(copy, 'unique7')).toEqual([])
    expect(find(copy, 'zulu')).toEqual(['w-7'])
    expectInStep(copy)
    copy.close()
  })

  test('a restore of the file', () => {
    const path = join(folder, 'live.db')
    const live = databaseAt('v003', path)
    fillWithHoles(live)
    live.close()
    copyFileSync(path, `${path}.restored`)
    const restored = open(`${path}.restored`)
    expectEachFound(restored)
    restored.close()
  })
})

describe('search is cheap', () => {
  test('a change that touches no text writes nothing into it', () => {
    insert('w-1', { site_name: 'alpha', notes: 'bravo' })
    expect(rowsWrittenBy("UPDATE work_orders SET status = 'completed', updated_at = '2025-05-14 14:05:14'")).toBe(1)
    expect(rowsWrittenBy('UPDATE work_orders SET id = id, site_name = site_name, notes = notes')).toBe(1)
    expect(rowsWrittenBy("UPDATE work_orders SET notes = 'charlie'")).toBeGreaterThan(1)
  })

  test('no trigger reads a whole table', () => {
    const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").all()
    expect(triggers.map(trigger => trigger['name'])).toEqual([
      'work_orders_fts_delete',
      'work_orders_fts_insert',
      'work_orders_fts_update',
    ])
    const plans = triggers.flatMap(({ sql }) => statementsOf(String(sql)).flatMap(statement => planOf(db, statement)))
    expect(plans).toContain('SCAN work_orders_fts VIRTUAL TABLE INDEX 0:=')
    // `0:=` is a full-text table's row by its number: SQLite says SCAN of every virtual table.
    expect(plans.filter(step => step.startsWith('SCAN') && !step.endsWith('0:='))).toEqual([])
  })
})

const inserted = "INTO work_orders (id, user_id, site_name, notes) VALUES (?1, 'nobody', coalesce(?2, 'site'), ?3)"

function insert(id: string, order: Record<string, string>, verb = 'INSERT'): void {
  const row: Record<string, string> = { id, user_id: 'nobody', ...order }
  const marks = Object.keys(row).map(() => '?')
  const sql = `${verb} INTO work_orders (${Object.keys(row).join(', ')}) VALUES (${marks.join(', ')})`
  db.prepare(sql).run(...Object.values(row))
}

/** Rows written by a statement, those of its triggers included. */
function rowsWrittenBy(sql: string): number {
  const total = () => Number(db.prepare('SELECT total_changes() AS n').get()!['n'])
  const before = total()
  db.exec(sql)
  return total() - before
}
