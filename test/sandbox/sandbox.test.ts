import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SqliteError } from '../../src/database/connection.ts'
import { openSandbox } from '../../src/sandbox/sandbox.ts'
import { freshFolder, makeDatabase } from '../support/folder.ts'

const endless = 'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c'

async function make(): Promise<string> {
  return makeDatabase(
    join(await freshFolder(), 'größe 1%?.db'),
    'rollback',
    'CREATE TABLE t (a, b, c, d)',
    "INSERT INTO t VALUES (NULL, 1.5, 'größe', x'00ff')",
  )
}

async function sandbox(path: string, signal?: AbortSignal) {
  const opened = await openSandbox(path, signal)
  onTestFinished(() => opened.close())
  return opened
}

describe('the sandbox', () => {
  it('reads a file and passes values on as node:sqlite does', async () => {
    const db = await sandbox(await make())
    expect(await db.all('SELECT * FROM t')).toEqual([{ a: null, b: 1.5, c: 'größe', d: new Uint8Array([0, 255]) }])
    expect(await db.all('SELECT ? AS a, ? AS b, ? AS c', 1, 'x', null)).toEqual([{ a: 1, b: 'x', c: null }])
    await expect(db.all('SELECT 9007199254740993 AS n')).rejects.toThrow('too large to be represented')
    expect(await db.all('SELECT CAST(9007199254740993 AS TEXT) AS n')).toEqual([{ n: '9007199254740993' }])
  })

  it('cannot change the file, and leaves nothing beside it', async () => {
    const path = await make()
    const before = await readFile(path)
    const db = await sandbox(path)
    for (const sql of ['INSERT INTO t VALUES (1, 2, 3, 4)', 'DROP TABLE t', 'PRAGMA user_version = 1', 'VACUUM'])
      await expect(db.exec(sql), sql).rejects.toBeInstanceOf(SqliteError)
    await db.close()
    expect((await readFile(path)).equals(before)).toBe(true)
    expect(await readdir(dirname(path))).toEqual(['größe 1%?.db'])
  })

  it('says what SQLite says, and goes on', async () => {
    const db = await sandbox(await make())
    await expect(db.all('SELECT * FROM gone')).rejects.toMatchObject({
      name: 'SqliteError',
      message: 'no such table: gone',
      errcode: 1,
    })
    await expect(db.exec('no SQL')).rejects.toBeInstanceOf(SqliteError)
    expect(await db.all('SELECT 1 AS one')).toEqual([{ one: 1 }])
    await expect(openSandbox(join(await freshFolder(), 'gone.db'))).rejects.toBeInstanceOf(SqliteError)
  })

  it('is ended at once when its job stops, whatever it is doing', async () => {
    const stop = new AbortController()
    const db = await sandbox(await make(), stop.signal)
    const first = db.all(endless)
    const second = db.all('SELECT 1')
    const reason = new Error('the deadline has passed')
    stop.abort(reason)
    await expect(first).rejects.toBe(reason)
    await expect(second).rejects.toBe(reason)
    await expect(db.all('SELECT 1')).rejects.toBe(reason)
    await db.close()
    await expect(openSandbox(await make(), stop.signal)).rejects.toBe(reason)
  })

  it('can be closed whatever it is doing, and is of no use then', async () => {
    const db = await sandbox(await make())
    const statement = db.all(endless)
    await Promise.all([db.close(), expect(statement).rejects.toThrow('the sandbox has ended')])
    await expect(db.all('SELECT 1')).rejects.toThrow('the sandbox has ended')
    await db.close()
  })
})
