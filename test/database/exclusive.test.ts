import { execFileSync } from 'node:child_process'
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { DatabaseProcess } from '../../src/database/child-process.ts'
import { type ExclusiveOptions, openExclusive } from '../../src/database/exclusive.ts'
import { fileSize } from '../../src/database/location.ts'
import { ask, database, freshFolder, makeDatabase, modes, sha256 } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'
import { sqlite3 } from '../support/peers.ts'
import { startHolder, stateOf, until } from './processes.ts'

const locked = 'database is locked'

async function take(path: string, options: Partial<ExclusiveOptions> = {}): Promise<DatabaseProcess> {
  const db = await openExclusive(path, { lockTimeout: 0, ...options })
  onTestFinished(() => db.close())
  return db
}

describe.each(modes)('a database in %s mode', mode => {
  it('is closed to readers and writers of every kind, and open again afterwards', async () => {
    const path = await database(mode)
    const db = await take(path)
    const peer = await Peer.open(path)
    for (const sql of [
      'SELECT * FROM t',
      'BEGIN IMMEDIATE',
      'BEGIN EXCLUSIVE',
      'INSERT INTO t VALUES (2)',
      'PRAGMA journal_mode = DELETE',
    ])
      expect(await peer.refusal(sql), sql).toBe(locked)
    expect(() => sqlite3(path, 'SELECT * FROM t;')).toThrow(locked)
    await db.exec('INSERT INTO t VALUES (3)')
    expect(await peer.refusal('SELECT * FROM t')).toBe(locked)
    await db.close()
    expect(await peer.run('SELECT n FROM t')).toEqual([[1], [3]])
    await peer.run('INSERT INTO t VALUES (4)')
  })

  it('lets nobody in however often they try, with and without a transaction open', async () => {
    const path = await database(mode)
    const db = await take(path)
    const reader = await Peer.open(path)
    const writer = await Peer.open(path)
    const reading = await reader.hammer('SELECT count(*) FROM t')
    const writing = await writer.hammer('INSERT INTO t VALUES (-1)')
    for (let n = 2; n < 30; n++) {
      await db.exec(n % 3 === 0 ? `INSERT INTO t VALUES (${n})` : `BEGIN IMMEDIATE; INSERT INTO t VALUES (${n})`)
      expect(await db.all('SELECT * FROM t')).toHaveLength(n)
      if (n % 3 !== 0) await db.exec('COMMIT')
    }
    for (const { stop } of [reading, writing]) {
      const { done, refused, messages } = await stop()
      expect({ done, messages }).toEqual({ done: 0, messages: [locked] })
      expect(refused).toBeGreaterThan(10)
    }
  })

  it.each([
    ['reads', 'BEGIN', 'SELECT * FROM t'],
    ['is about to write', 'BEGIN IMMEDIATE'],
    ['writes', 'BEGIN EXCLUSIVE'],
  ])('is not to be had while somebody %s', async (_, ...statements) => {
    const path = await database(mode)
    const peer = await Peer.open(path)
    await peer.run(...statements)
    const waits: string[] = []
    const start = Date.now()
    const refused = await take(path, { lockTimeout: 150, onWaiting: (_, holders) => waits.push(holders) }).catch(
      error => error,
    )
    expect(refused).toMatchObject({
      code: 'busy',
      message: expect.stringContaining(
        `${path} is in use by another process; waited 0.2 s: process ${peer.pid} (python`,
      ),
      hint: expect.stringContaining('--lock-timeout'),
      details: { path, lockTimeout: 150, holders: [{ pid: peer.pid, locks: expect.any(Array) }] },
    })
    expect(refused.message).toMatch(/first seen at \S+Z$/)
    expect(Date.parse(refused.details.since)).toBeGreaterThanOrEqual(start)
    expect(waits).toEqual([expect.stringMatching(`^process ${peer.pid} .* holds .* lock`)])
  })

  it('is not waited for any longer once that is not needed any more', async () => {
    const path = await database(mode)
    const peer = await Peer.open(path)
    await peer.run('BEGIN IMMEDIATE')
    const enough = new Error('enough')
    let looks = 0
    const whileWaiting = async () => {
      if (++looks === 2) throw enough
    }
    await expect(take(path, { lockTimeout: 60_000, whileWaiting })).rejects.toBe(enough)
    await peer.run('INSERT INTO t VALUES (2)', 'COMMIT')
  })

  it('is had as soon as the others are done, who are not kept from committing', async () => {
    const path = await database(mode)
    const peer = await Peer.open(path, { timeout: 5 })
    await peer.run('BEGIN IMMEDIATE', 'INSERT INTO t VALUES (2)')
    const waiting = Promise.withResolvers<void>()
    const taken = take(path, { lockTimeout: 30_000, onWaiting: () => waiting.resolve() })
    await waiting.promise
    await peer.run('COMMIT')
    await peer.close()
    const db = await taken
    expect(await db.all('SELECT n FROM t')).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('is had by one at a time', async () => {
    const path = await database(mode)
    const turn = async () => {
      const db = await take(path, { lockTimeout: 30_000 })
      const [row] = await db.all<{ n: number }>('SELECT max(n) AS n FROM t')
      await db.exec(`INSERT INTO t VALUES (${row!.n + 1})`)
      await db.close()
    }
    await Promise.all([turn(), turn(), turn(), turn()])
    expect(ask(path, 'SELECT n FROM t')).toEqual([[1], [2], [3], [4], [5]])
  })

  it('is left alone when the wait is broken off', async () => {
    const path = await database(mode)
    const peer = await Peer.open(path)
    await peer.run('BEGIN IMMEDIATE', 'INSERT INTO t VALUES (2)')
    const stop = new AbortController()
    const reason = new Error('the pod is to end')
    const taken = take(path, { lockTimeout: 60_000, signal: stop.signal, onWaiting: () => stop.abort(reason) })
    await expect(taken).rejects.toBe(reason)
    await peer.run('COMMIT')
    await expect(take(path, { signal: stop.signal })).rejects.toBe(reason)
  })

  it('keeps its bytes until the first change, and its lock when the parent reads them', async () => {
    const path = await database(mode, 500)
    const writer = await Peer.open(path)
    await writer.run('INSERT INTO t VALUES (501)')
    await writer.close()
    const db = await take(path)
    const bytes = await sha256(path)
    await db.exec('PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE')
    await db.all('SELECT sum(n) FROM t')
    await db.exec('ROLLBACK')
    expect(await sha256(path)).toBe(bytes)
    const copy = join(await freshFolder(), 'copy.db')
    await copyFile(path, copy)
    expect(ask(copy, 'SELECT count(*) FROM t')).toEqual([[501]])
    const peer = await Peer.open(path)
    expect(await peer.refusal('SELECT * FROM t')).toBe(locked)
    await db.exec('INSERT INTO t VALUES (502)')
    expect(await peer.refusal('SELECT * FROM t')).toBe(locked)
  })

  it('is free the moment the child or its parent is killed', async () => {
    const path = await database(mode)
    const peer = await Peer.open(path, { timeout: 5 })
    const db = await take(path)
    await db.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (-1)')
    process.kill(db.pid!, 'SIGKILL')
    await until('the child is gone', async () => (await stateOf(db.pid!)) === undefined)
    expect(await peer.run('SELECT n FROM t')).toEqual([[1]])
    await peer.close()

    const holder = startHolder('hold', path)
    const pid = (await holder.next()) as number
    expect(await (await Peer.open(path)).refusal('SELECT * FROM t')).toBe(locked)
    await holder.kill()
    await until('the child of the killed parent is gone', async () => (await stateOf(pid)) === undefined)
    const after = await Peer.open(path)
    expect(await after.run('SELECT n FROM t')).toEqual([[1]])
    await after.run('INSERT INTO t VALUES (2)')
  })

  it('is found behind a symbolic link, with its log and journal, and locked for those who use its own name', async () => {
    const path = await database(mode, 100)
    const crashed = await Peer.open(path)
    await crashed.run('PRAGMA cache_size = 1', 'INSERT INTO t VALUES (101)', 'BEGIN', 'UPDATE t SET n = -n')
    await crashed.kill()
    const folder = await freshFolder()
    const link = join(folder, 'link.db')
    await symlink(path, link)
    const db = await take(link)
    expect(await db.all('SELECT count(*) AS rows, min(n) AS least FROM t')).toEqual([{ rows: 101, least: 1 }])
    expect((await fileSize(`${path}-wal`)) ?? 0).toBe(0)
    expect(await (await Peer.open(path)).refusal('SELECT * FROM t')).toBe(locked)
  })
})

describe('a database in rollback mode', () => {
  it('is had beside an idle connection, which sees what was changed and goes on', async () => {
    const path = await database('rollback')
    const peer = await Peer.open(path)
    expect(await peer.run('SELECT n FROM t')).toEqual([[1]])
    const db = await take(path)
    await db.exec('BEGIN IMMEDIATE; ALTER TABLE t ADD COLUMN m; UPDATE t SET m = 2; COMMIT')
    await db.close()
    expect(await peer.run('SELECT * FROM t')).toEqual([[1, 2]])
    await peer.run('INSERT INTO t VALUES (3, 4)')
    expect(ask(path, 'SELECT count(*) FROM t')).toEqual([[2]])
  })

  it('gets back what a writer had half written when it died', async () => {
    const path = await database('rollback', 3000)
    const peer = await Peer.open(path)
    await peer.run('PRAGMA cache_size = 1', 'BEGIN', 'UPDATE t SET n = -n')
    await peer.kill()
    expect(await fileSize(`${path}-journal`)).toBeGreaterThan(0)
    const db = await take(path)
    expect(await db.all('SELECT count(*) AS rows, min(n) AS least FROM t')).toEqual([{ rows: 3000, least: 1 }])
    expect(await db.all('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
  })

  it('leaves no file behind', async () => {
    const path = await database('rollback')
    const db = await take(path)
    await db.exec('INSERT INTO t VALUES (2)')
    await db.close()
    expect(await fileSize(`${path}-journal`)).toBeUndefined()
  })
})

describe('a database in WAL mode', () => {
  it('is not to be had beside an idle connection that has read, but beside one that never has', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    const db = await take(path)
    await db.close()
    await peer.run('SELECT * FROM t')
    await expect(take(path)).rejects.toMatchObject({ code: 'busy' })
    await peer.close()
    await take(path)
  })

  it('gets what is left in the log of a process that died, and the log is empty then', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (2)', 'BEGIN', 'INSERT INTO t VALUES (-1)')
    await peer.kill()
    expect(await fileSize(`${path}-wal`)).toBeGreaterThan(0)
    const db = await take(path)
    expect((await fileSize(`${path}-wal`)) ?? 0).toBe(0)
    expect(await db.all('SELECT n FROM t')).toEqual([{ n: 1 }, { n: 2 }])
    const copy = join(await freshFolder(), 'copy.db')
    await copyFile(path, copy)
    expect(ask(copy, 'SELECT n FROM t')).toEqual([[1], [2]])
  })

  it('leaves no file behind', async () => {
    const path = await database('wal')
    const db = await take(path)
    await db.exec('INSERT INTO t VALUES (2)')
    await db.close()
    for (const suffix of ['-wal', '-shm', '-journal']) expect(await fileSize(path + suffix)).toBeUndefined()
  })
})

describe('a path', () => {
  it.each(['with spaces.db', '100%25.db', 'what?.db', 'a#b.db', 'größe 数据库.db', 'it\'s "quoted".db'])(
    'may be %s',
    async name => {
      const path = makeDatabase(join(await freshFolder(), name), 'wal', 'CREATE TABLE t (n)')
      const db = await take(path)
      expect(await (await Peer.open(path)).refusal('SELECT * FROM t')).toBe(locked)
      await db.exec('INSERT INTO t VALUES (1)')
      await db.close()
      expect(ask(path, 'SELECT n FROM t')).toEqual([[1]])
    },
  )

  it('is created only when that is wanted', async () => {
    const path = join(await freshFolder(), 'app.db')
    await expect(take(path)).rejects.toMatchObject({
      code: 'missing',
      message: `there is no database at ${path}`,
      hint: expect.stringContaining('DATABASE_URL'),
    })
    expect(await fileSize(path)).toBeUndefined()
    const db = await take(path, { create: true })
    expect(await (await Peer.open(path)).refusal('SELECT * FROM sqlite_schema')).toBe(locked)
    await db.exec('CREATE TABLE t (n)')
    await db.close()
    expect(ask(path, 'SELECT name FROM sqlite_schema')).toEqual([['t']])
  })

  it('is created once more where the first creation was broken off', async () => {
    const path = join(await freshFolder(), 'app.db')
    const peer = await Peer.open(path)
    await peer.run('BEGIN', 'CREATE TABLE t (n)')
    await peer.kill()
    const db = await take(path, { create: true })
    expect(await db.all('SELECT * FROM sqlite_schema')).toEqual([])
  })

  it('is missing together with its folder', async () => {
    const path = join(await freshFolder(), 'not mounted', 'app.db')
    await expect(take(path)).rejects.toMatchObject({ code: 'missing' })
    await expect(take(path, { create: true })).rejects.toMatchObject({
      code: 'missing',
      message: expect.stringContaining('not mounted'),
    })
  })

  it('to something else than a file is refused without opening it', async () => {
    const folder = await freshFolder()
    execFileSync('mkfifo', [join(folder, 'pipe')])
    for (const path of [folder, join(folder, 'pipe'), '/dev/null'])
      await expect(take(path, { create: true })).rejects.toMatchObject({ code: 'invalid' })
  })

  it('to a file that is no database, or only the beginning of one, is refused', async () => {
    const path = await database('rollback')
    const folder = await freshFolder()
    await writeFile(join(folder, 'garbage'), 'garbage '.repeat(1000))
    await writeFile(join(folder, 'header'), execFileSync('head', ['-c', '100', path]))
    for (const name of ['garbage', 'header'])
      await expect(take(join(folder, name))).rejects.toMatchObject({
        code: 'invalid',
        hint: expect.stringContaining('lockkeeper restore --latest'),
      })
  })

  it('beside what is left of another database is refused, and that is kept', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (2)')
    await peer.kill()
    await writeFile(path, '')
    const before = await sha256(`${path}-wal`)
    await expect(take(path, { create: true })).rejects.toMatchObject({ code: 'invalid' })
    expect(await sha256(`${path}-wal`)).toBe(before)
  })
})

describe('without the permission to write', () => {
  // Root may write everywhere.
  const user = process.getuid?.() === 0 ? { uid: 65534 } : {}

  async function readable(): Promise<{ folder: string; path: string }> {
    const folder = await freshFolder()
    await chmod(folder, 0o755)
    const inner = join(folder, 'volume')
    await mkdir(inner)
    const path = makeDatabase(join(inner, 'app.db'), 'rollback', 'CREATE TABLE t (n)')
    return { folder: inner, path }
  }

  it('in the folder it is refused before anything is done, though the file itself may be written', async () => {
    const { folder, path } = await readable()
    await chmod(path, 0o666)
    await chmod(folder, 0o555)
    expect(await startHolder('take', path, user).next()).toMatchObject({
      code: 'denied',
      message: expect.stringContaining(`cannot write in ${folder}`),
      hint: expect.stringContaining('fsGroup'),
    })
  })

  it('in the file it is refused as well', async () => {
    const { folder, path } = await readable()
    await chmod(folder, 0o777)
    await chmod(path, 0o444)
    expect(await startHolder('take', path, user).next()).toMatchObject({
      code: 'denied',
      message: expect.stringContaining(`cannot write the database ${path}`),
      hint: expect.stringContaining('mounted for writing'),
    })
  })
})
