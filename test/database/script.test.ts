import { describe, expect, it, onTestFinished } from 'vitest'
import { DatabaseProcess } from '../../src/database/child-process.ts'
import { openMemory } from '../../src/database/memory.ts'
import { moduleFile } from './scripts.ts'

const inside = { ownTransactions: false }

async function memory(): Promise<DatabaseProcess> {
  const db = await DatabaseProcess.open({ location: ':memory:' })
  onTestFinished(() => db.close())
  await db.exec('CREATE TABLE t (n INTEGER, s TEXT); BEGIN')
  return db
}

describe('a migration module', () => {
  it('is TypeScript or JavaScript with up and down, which get the database', async () => {
    const db = await memory()
    const url = await moduleFile(`
      import type { MigrationDatabase } from 'lockkeeper'
      export const description: string = 'as its types say'
      export function up(db: MigrationDatabase): void {
        db.exec("INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')")
        const insert = db.prepare('INSERT INTO t VALUES (?, ?)')
        const { changes } = insert.run(3, 'c')
        if (changes !== 1) throw new Error('run')
        db.prepare('INSERT INTO t VALUES (:n, :s)').run({ n: 4, s: 'd' })
        if (db.get('SELECT s FROM t WHERE n = ?', 3)?.s !== 'c') throw new Error('get')
        if (db.get('SELECT 1 FROM t WHERE n = 99') !== undefined) throw new Error('get nothing')
        if (db.all('SELECT * FROM t WHERE n < ?', 3).length !== 2) throw new Error('all')
        let sum = 0
        for (const { n } of db.iterate('SELECT n FROM t')) sum += Number(n)
        if (sum !== 10) throw new Error('iterate')
        db.function('shout', text => String(text).toUpperCase())
        db.exec('UPDATE t SET s = shout(s)')
        const big = db.prepare('SELECT 9007199254740993 AS n')
        big.setReadBigInts(true)
        if (big.get()?.n !== 9007199254740993n) throw new Error('bigint')
      }
      export async function down(db) { db.exec('DELETE FROM t') }`)
    expect(await db.runScript({ url, function: 'up' }, inside)).toEqual(['t'])
    expect(await db.all("SELECT group_concat(s, '') AS s FROM t")).toEqual([{ s: 'ABCD' }])
    expect(await db.runScript({ url, function: 'down' }, inside)).toEqual(['t'])
    expect(await db.all('SELECT * FROM t')).toEqual([])
  })

  it('may await, and stays under guard meanwhile', async () => {
    const db = await memory()
    const url = await moduleFile(
      `import { setTimeout } from 'node:timers/promises'
      export const up = async db => {
        db.exec('INSERT INTO t (n) VALUES (1)')
        await setTimeout(20)
        db.exec('COMMIT')
      }`,
      'migration.mjs',
    )
    await expect(db.runScript({ url, function: 'up' }, inside)).rejects.toThrow('not allowed in a migration: COMMIT')
  })

  it('that fails leaves no guard behind', async () => {
    const db = await memory()
    for (const body of [`throw new RangeError('no')`, `db.exec('COMMIT')`, `await Promise.reject('no')`]) {
      const url = await moduleFile(`export async function up(db) { db.exec('INSERT INTO t (n) VALUES (1)'); ${body} }`)
      await expect(db.runScript({ url, function: 'up' }, inside)).rejects.toThrow()
      await db.exec('ROLLBACK; PRAGMA locking_mode = NORMAL; BEGIN')
    }
    expect(await db.all('SELECT * FROM t')).toEqual([])
  })

  it('is of no more use when it has ended: what it did not await is refused', async () => {
    const db = await memory()
    const url = await moduleFile(`
      let kept
      export function up(db) {
        const insert = db.prepare('INSERT INTO t (n) VALUES (-1)')
        const rows = db.prepare('SELECT 1').iterate()
        kept = [
          () => db.exec('COMMIT'), () => insert.run(), () => db.prepare('COMMIT'), () => [...rows], () => db.function('f', () => 1),
        ]
      }
      export function down() {
        const messages = kept.map(use => { try { use(); return 'it worked' } catch (error) { return error.message } })
        throw new Error([...new Set(messages)].join())
      }`)
    await db.runScript({ url, function: 'up' }, inside)
    await expect(db.runScript({ url, function: 'down' }, inside)).rejects.toThrow(
      /^this migration has ended: await everything in it before it returns$/,
    )
    await db.exec('ROLLBACK')
    expect(await db.all('SELECT * FROM t')).toEqual([])
  })

  it.each([
    [`throw new TypeError('what went wrong')`, 'what went wrong'],
    [`throw 'a string'`, 'a string'],
    [`throw { code: 7 }`, '{"code":7}'],
    [`throw null`, 'null'],
    [`throw undefined`, 'undefined'],
    [`throw Object.create(null)`, '{}'],
    [`const loop = {}; loop.loop = loop; throw loop`, 'something that cannot be shown was thrown'],
    [`throw Object.assign(new Error('x'), { message: () => {} })`, '() => {}'],
    [`return Promise.reject(new Error('later'))`, 'later'],
    [`db.exec('SELECT nonsense')`, 'no such column: nonsense'],
    [`db.all('SELECT 9007199254740993')`, expect.stringContaining('too large')],
  ])('passes on whatever it throws: %s', async (body, message) => {
    const db = await memory()
    const url = await moduleFile(`export function up(db) { ${body} }`)
    await expect(db.runScript({ url, function: 'up' }, inside)).rejects.toMatchObject({ message })
    await db.exec('ROLLBACK')
  })

  it('that cannot be loaded, or has no such function, says so', async () => {
    const db = await memory()
    const empty = await moduleFile('export const up = 1')
    await expect(db.runScript({ url: empty, function: 'up' }, inside)).rejects.toThrow(
      'the module exports no function up(db)',
    )
    await expect(db.runScript({ url: `${empty}.gone`, function: 'up' }, inside)).rejects.toMatchObject({
      code: 'ERR_MODULE_NOT_FOUND',
    })
    const broken = await moduleFile('export function up( {')
    await expect(db.runScript({ url: broken, function: 'up' }, inside)).rejects.toThrow()
  })

  it('runs in a child when a replay needs it, never in this process', async () => {
    const db = await openMemory({ scripts: true })
    onTestFinished(() => db.close())
    const url = await moduleFile(`export function up(db) { db.exec('PRAGMA user_version = ' + process.pid) }`)
    await db.exec('BEGIN')
    await db.runScript({ url, function: 'up' }, inside)
    const [row] = await db.all<{ user_version: number }>('PRAGMA user_version')
    expect(row?.user_version).toBeGreaterThan(0)
    expect(row?.user_version).not.toBe(process.pid)
  })
})

describe('a function that a module defines', () => {
  const defines = (name: string) =>
    moduleFile(`export function up(db) {
    db.function('${name}', text => text + '!')
    db.exec("INSERT INTO t (s) VALUES (${name}('mine'))")
  }`)

  it('is not there for a later migration, nor for the checks, as on another day', async () => {
    const db = await memory()
    await db.runScript({ url: await defines('Shout'), function: 'up' }, inside)
    expect(await db.all('SELECT s FROM t')).toEqual([{ s: 'mine!' }])
    for (const sql of ["SELECT shout('x')", 'CREATE TEMP VIEW v AS SELECT SHOUT(s) FROM t; SELECT * FROM v'])
      await expect(db.run(sql.split('; '), inside)).rejects.toThrow(/^no such function: shout$/i)
    await expect(db.all("SELECT shout('x')")).rejects.toThrow('no such function: shout')
  })

  it('is there again for one that defines it itself', async () => {
    const db = await memory()
    for (let time = 0; time < 2; time++) await db.runScript({ url: await defines('shout'), function: 'up' }, inside)
    expect(await db.all('SELECT s FROM t')).toEqual([{ s: 'mine!' }, { s: 'mine!' }])
  })

  it("cannot take the place of one of SQLite's own", async () => {
    const db = await memory()
    const attempt = db.runScript({ url: await defines('Lower'), function: 'up' }, inside)
    await expect(attempt).rejects.toThrow('Lower is a function of SQLite itself: give yours another name')
    expect(await db.all("SELECT lower('X') AS x")).toEqual([{ x: 'x' }])
  })
})
