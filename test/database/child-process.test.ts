import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DatabaseProcess } from '../../src/database/child-process.ts'
import { SqliteError } from '../../src/database/connection.ts'
import { openExclusive } from '../../src/database/exclusive.ts'
import { fileUri } from '../../src/database/location.ts'
import { ask, database, modes } from '../support/folder.ts'
import { startHolder, stateOf, until } from './processes.ts'
import { moduleFile } from './scripts.ts'

const inTransaction = { ownTransactions: false }
const endless = 'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c'

async function open(location = ':memory:', signal?: AbortSignal): Promise<DatabaseProcess> {
  const db = await DatabaseProcess.open({ location }, signal)
  onTestFinished(() => db.close())
  return db
}

describe.each(modes)('when the parent is gone, a database in %s mode', mode => {
  it('is left by a child in the middle of a long statement, which never commits', async () => {
    const path = await database(mode)
    const holder = startHolder('long-statement', path)
    const child = (await holder.next()) as number
    const start = performance.now()
    await holder.kill()
    await until('the child is gone', async () => (await stateOf(child)) === undefined)
    expect(performance.now() - start).toBeLessThan(2000)
    const db = await openExclusive(path, { lockTimeout: 0 })
    expect(await db.all('SELECT n FROM t')).toEqual([{ n: 1 }])
    await db.close()
    expect(await readdir(dirname(path))).toEqual(['app.db'])
    expect(ask(path, 'PRAGMA integrity_check')).toEqual([['ok']])
  })

  it('is left as it was when the word to commit had not been given', async () => {
    const path = await database(mode)
    const holder = startHolder('before-commit', path)
    const child = (await holder.next()) as number
    await until('the parent has stopped', async () => (await stateOf(holder.process.pid!)) === 'T')
    expect(await stateOf(child)).not.toBeUndefined()
    await holder.kill()
    await until('the child is gone', async () => (await stateOf(child)) === undefined)
    expect(ask(path, 'SELECT n FROM t')).toEqual([[1]])
  })

  it('has the commit of a parent that only paused', async () => {
    const path = await database(mode)
    const holder = startHolder('before-commit', path)
    await holder.next()
    await until('the parent has stopped', async () => (await stateOf(holder.process.pid!)) === 'T')
    holder.process.kill('SIGCONT')
    expect(await holder.next()).toBe('committed')
  })
})

describe('a child', () => {
  it('leaves signals to its parent', async () => {
    const db = await open()
    await db.exec('CREATE TABLE t (n)')
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) {
      process.kill(db.pid!, signal)
      await db.exec('INSERT INTO t VALUES (1)')
    }
    expect(await db.all('SELECT count(*) AS n FROM t')).toEqual([{ n: 3 }])
  })

  it('is ended at once by the signal of its job, whose reason everything that waits for it gets', async () => {
    const stop = new AbortController()
    const db = await open(':memory:', stop.signal)
    const reason = new Error('the deadline has passed')
    const statement = db.all(endless)
    const next = db.exec('SELECT 1')
    await until('it is at work', async () => (await stateOf(db.pid!)) === 'R')
    stop.abort(reason)
    await expect(statement).rejects.toBe(reason)
    await expect(next).rejects.toBe(reason)
    await expect(db.exec('SELECT 1')).rejects.toBe(reason)
    await until('the child is gone', async () => (await stateOf(db.pid!)) === undefined)
    await expect(DatabaseProcess.open({ location: ':memory:' }, stop.signal)).rejects.toBe(reason)
  })

  it('that crashes is an internal error with a hint, for what waits and for what comes after', async () => {
    const db = await open()
    const statement = db.all(endless)
    await until('it is at work', async () => (await stateOf(db.pid!)) === 'R')
    process.kill(db.pid!, 'SIGKILL')
    const killed = {
      code: 'internal',
      message: 'the process that held the database was ended by SIGKILL',
      hint: expect.stringContaining('memory limit'),
    }
    await expect(statement).rejects.toMatchObject(killed)
    await expect(db.exec('SELECT 1')).rejects.toMatchObject(killed)
    await expect(db.reopen({ location: ':memory:' })).rejects.toMatchObject(killed)
    await db.close()
  })

  it('that a migration module ends says so', async () => {
    const db = await open()
    await db.exec('BEGIN')
    const exits = { url: await moduleFile('export function up() { process.exit(3) }'), function: 'up' } as const
    await expect(db.runScript(exits, inTransaction)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('ended with exit code 3'),
      hint: expect.stringContaining('migration module'),
    })
    const second = await open()
    const stray = await moduleFile(
      `export function up() { Promise.reject(new TypeError('nobody waits for me')); return new Promise(() => {}) }`,
    )
    await expect(second.runScript({ url: stray, function: 'up' }, inTransaction)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('TypeError: nobody waits for me'),
    })
  })

  it('is gone when it is closed, whatever it is doing', async () => {
    const db = await open()
    const statement = db.all(endless)
    await until('it is at work', async () => (await stateOf(db.pid!)) === 'R')
    await Promise.all([db.close(), expect(statement).rejects.toMatchObject({ code: 'internal' })])
    expect(await stateOf(db.pid!)).toBeUndefined()
    await db.close()
  })

  it('does one thing after the other, even while a module awaits', async () => {
    const db = await open()
    await db.exec('CREATE TABLE t (n); BEGIN')
    const slow = await moduleFile(`
      import { setTimeout } from 'node:timers/promises'
      export async function up(db) {
        await setTimeout(100)
        db.exec('INSERT INTO t VALUES (1)')
      }`)
    const script = db.runScript({ url: slow, function: 'up' }, inTransaction)
    expect(await db.all('SELECT n FROM t')).toEqual([{ n: 1 }])
    expect(await script).toEqual(['t'])
  })

  it('reads the beginning of a file, but of none while it has a database open', async () => {
    const path = await database('rollback')
    const db = DatabaseProcess.start()
    onTestFinished(() => db.close())
    expect(Buffer.from(await db.readStart(path, 15)).toString()).toBe('SQLite format 3')
    await expect(db.readStart(`${path}.gone`, 15)).rejects.toMatchObject({ code: 'ENOENT' })
    await db.reopen({ location: fileUri(path) })
    await expect(db.readStart(path, 15)).rejects.toThrow('a database is open')
    await db.release()
    await db.readStart(path, 15)
    await expect(db.all('SELECT 1')).rejects.toThrow('no database is open')
  })

  it('lets go of a database whose first statement is refused', async () => {
    const path = await database('rollback')
    const holder = await open(fileUri(path))
    await holder.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (2)')
    const db = await open()
    const first = 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE'
    await expect(db.reopen({ location: fileUri(path), first })).rejects.toMatchObject({ errcode: 5 })
    await expect(db.all('SELECT 1')).rejects.toThrow('no database is open')
    await holder.exec('COMMIT')
  })
})

describe('statements', () => {
  it('come back as rows, and values go both ways unchanged', async () => {
    const db = await open()
    const values = [null, 1.5, -(2 ** 53) + 1, 'größe\0', new Uint8Array([0, 255])]
    const [row] = await db.all('SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e', ...values)
    expect(Object.values(row!)).toEqual(values)
    await expect(db.all('SELECT 9007199254740993 AS n')).rejects.toThrow('too large')
  })

  it('that SQLite refuses are a SqliteError with its code', async () => {
    const db = await open()
    await db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)')
    await db.exec('INSERT INTO t VALUES (1)')
    const refused = await db.exec('INSERT INTO t VALUES (1)').catch(error => error)
    expect(refused).toBeInstanceOf(SqliteError)
    expect(refused).toMatchObject({ errcode: 1555, primary: 19, message: 'UNIQUE constraint failed: t.n' })
    await expect(db.exec('SELECT "string"')).rejects.toMatchObject({ errcode: 1 })
  })

  it.each([0, 499, 500, 501, 1234])('say which one of many failed: %i', async position => {
    const db = await open()
    await db.exec('CREATE TABLE t (n); BEGIN')
    const statements = Array.from({ length: 1500 }, (_, n) =>
      n === position ? 'no SQL' : `INSERT INTO t VALUES (${n})`,
    )
    await expect(db.run(statements, inTransaction)).rejects.toMatchObject({ statement: position })
    expect(await db.all('SELECT count(*) AS n FROM t')).toEqual([{ n: position }])
  })

  it('may begin a transaction and end it hundreds of statements later, where that is allowed', async () => {
    const db = await open()
    const inserts = Array.from({ length: 1200 }, (_, n) => `INSERT INTO t VALUES (${n})`)
    const own = { ownTransactions: true }
    expect(await db.run(['CREATE TABLE t (n)', 'BEGIN', ...inserts, 'COMMIT'], own)).toEqual(['t'])
    await expect(db.run(['BEGIN', ...inserts], own)).rejects.toThrow('left a transaction open')
  })
})
