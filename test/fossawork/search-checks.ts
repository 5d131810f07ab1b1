/** What the tests of the search ask of a database again and again. */
import type { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'

/** The ids of the work orders that match, sorted. */
export function find(searched: DatabaseSync, query: string): string[] {
  const sql = 'SELECT work_order_id FROM work_orders_fts WHERE work_orders_fts MATCH ? ORDER BY work_order_id'
  return searched
    .prepare(sql)
    .all(query)
    .map(hit => String(hit['work_order_id']))
}

/** Twenty orders with a word each, every third of them gone again, so that their implicit rowids have gaps. */
export function fillWithHoles(filled: DatabaseSync): void {
  const add = filled.prepare("INSERT INTO work_orders (id, user_id, site_name, notes) VALUES (?, 'nobody', 'site', ?)")
  for (let n = 0; n < 20; n++) add.run(`w-${n}`, `unique${n}`)
  const remove = filled.prepare('DELETE FROM work_orders WHERE id = ?')
  for (let n = 0; n < 20; n += 3) remove.run(`w-${n}`)
}

/** Each order that `fillWithHoles` left is found by its word, and none that is gone. */
export function expectEachFound(searched: DatabaseSync): void {
  for (let n = 0; n < 20; n++) expect(find(searched, `unique${n}`)).toEqual(n % 3 === 0 ? [] : [`w-${n}`])
  expectInStep(searched)
}

/** The search knows every order with its present text, no other, and its index agrees with its text. */
export function expectInStep(searched: DatabaseSync): void {
  const text = 'site_name, address, notes, instructions'
  const orders = searched.prepare(`SELECT id, ${text} FROM work_orders ORDER BY id`).all()
  const known = `SELECT ids.work_order_id AS id, ${text} FROM work_orders_fts_ids AS ids
    FULL JOIN work_orders_fts AS entry ON entry.rowid = ids.id AND entry.work_order_id = ids.work_order_id ORDER BY 1`
  expect(searched.prepare(known).all()).toEqual(orders)
  expect(() => searched.exec("INSERT INTO work_orders_fts (work_orders_fts) VALUES ('integrity-check')")).not.toThrow()
}

/** The statements of a trigger. */
export function statementsOf(trigger: string): string[] {
  const body = trigger.slice(trigger.indexOf('BEGIN') + 'BEGIN'.length, trigger.lastIndexOf('END'))
  return body.split(';').filter(statement => statement.trim() !== '')
}

/** How SQLite would run a trigger's statement, one string a step. */
export function planOf(db: DatabaseSync, statement: string): string[] {
  const sql = `EXPLAIN QUERY PLAN ${statement.replace(/\b(?:old|new)\.\w+/g, '?')}`
  return db
    .prepare(sql)
    .all()
    .map(step => String(step['detail']))
}
