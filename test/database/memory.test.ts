import { describe, expect, it, onTestFinished } from 'vitest'
import { SqliteError } from '../../src/database/connection.ts'
import { openMemory } from '../../src/database/memory.ts'

describe.each([{ scripts: false }, { scripts: true }])('a database in memory, for %o', needs => {
  it('is empty, in no file, and has the settings of the live one', async () => {
    const db = await openMemory(needs)
    onTestFinished(() => db.close())
    expect(await db.all('SELECT * FROM sqlite_schema')).toEqual([])
    expect(await db.all('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 0 }])
    await db.exec('CREATE TABLE t (n UNIQUE)')
    await expect(db.exec('SELECT "no string"')).rejects.toBeInstanceOf(SqliteError)
    await expect(db.exec("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET name = 'u'")).rejects.toThrow(
      'may not be modified',
    )
    expect(await db.all('PRAGMA database_list')).toEqual([{ seq: 0, name: 'main', file: '' }])
  })

  it('says which statement failed, and is another one each time', async () => {
    const db = await openMemory(needs)
    onTestFinished(() => db.close())
    await db.exec('BEGIN')
    await expect(db.run(['CREATE TABLE t (n)', 'no SQL'], { ownTransactions: false })).rejects.toMatchObject({
      statement: 1,
    })
    const other = await openMemory(needs)
    onTestFinished(() => other.close())
    expect(await other.all('SELECT * FROM sqlite_schema')).toEqual([])
  })
})

describe('a database in memory in a child', () => {
  it('ends with the job', async () => {
    const stop = new AbortController()
    const db = await openMemory({ scripts: true }, stop.signal)
    onTestFinished(() => db.close())
    const reason = new Error('stopped')
    stop.abort(reason)
    await expect(db.all('SELECT 1')).rejects.toBe(reason)
  })
})
