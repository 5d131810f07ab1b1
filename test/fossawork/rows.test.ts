import { describe, expect, test } from 'vitest'
import { insertRows, insertRowsOf, levels, mailOf, userId, workOrderId } from '../fixtures/fossawork/rows.ts'
import { databaseAt } from './migration-files.ts'
import { contentsOf, tablesIn } from './structure.ts'

describe('the made-up rows', () => {
  test.each(levels)('fill every table at level %s, with foreign keys that hold', level => {
    const db = databaseAt(level)
    db.exec('PRAGMA foreign_keys = ON')
    insertRows(db, level)
    const empty = tablesIn(db).filter(table => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined)
    expect(empty).toEqual([])
    expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([])
  })

  test('are the same each time, and the same in one go as level by level', () => {
    const [once, again] = [databaseAt('v006'), databaseAt('v006')]
    insertRows(once, 'v006')
    for (const level of levels) insertRowsOf(again, level)
    expect(contentsOf(again)).toEqual(contentsOf(once))
    const clock = Object.values(contentsOf(once))
      .flat()
      .map(row => JSON.stringify(row))
    expect(clock.filter(row => row.includes(new Date().toISOString().slice(0, 10)))).toEqual([])
  })

  test('are as many users and work orders as asked for', () => {
    const db = databaseAt('v001')
    insertRows(db, 'v001', { users: 11, workOrders: 100 })
    expect(db.prepare('SELECT count(*) AS n, count(DISTINCT email) AS mails FROM users').get()).toEqual({
      n: 11,
      mails: 11,
    })
    expect(db.prepare('SELECT count(*) AS n, count(DISTINCT user_id) AS owners FROM work_orders').get()).toEqual({
      n: 100,
      owners: 11,
    })
    expect(db.prepare('SELECT id FROM users WHERE email = ?').get(mailOf(10))).toEqual({ id: userId(10) })
    expect(db.prepare('SELECT external_id FROM work_orders WHERE id = ?').get(workOrderId(99))).toEqual({
      external_id: 'W-110099',
    })
  })

  test('are all there or none, also inside a transaction', () => {
    const db = databaseAt('v001')
    expect(() => insertRows(db, 'v001', { users: 0 })).toThrow(RangeError)
    db.exec('BEGIN')
    insertRows(db, 'v001')
    const before = contentsOf(db)
    expect(() => insertRows(db, 'v001')).toThrow('UNIQUE constraint failed')
    expect(db.isTransaction).toBe(true)
    expect(contentsOf(db)).toEqual(before)
    db.exec('ROLLBACK')
    expect(Object.values(contentsOf(db)).flat()).toEqual([])
  })
})
