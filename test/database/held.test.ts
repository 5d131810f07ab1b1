import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { DatabaseProcess } from '../../src/database/child-process.ts'
import { holdStill, LogTooLarge, watchLog } from '../../src/database/held.ts'
import { fileSize } from '../../src/database/location.ts'
import { ask, database, everything, freshFolder, makeDatabase, sha256 } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'

async function hold(path: string, lockTimeout = 2000): Promise<DatabaseProcess | undefined> {
  const held = await holdStill(path, { lockTimeout })
  onTestFinished(() => held?.close())
  return held
}

/** By another program: this process must not touch the file by `fs` beside its own connections, and need not. */
function copyOf(path: string, target: string): string {
  execFileSync('cp', [path, target])
  return target
}

const insert = (table: string) => `INSERT INTO ${table} VALUES (1)`

describe('a database in WAL mode that is held still', () => {
  it.each([
    ['does not wait for locks', 0],
    ['waits for locks', 5],
  ])('does not change, has whole transactions, and refuses no writer that never pauses and %s', async (_, timeout) => {
    const path = await database('wal', 20_000)
    const folder = await freshFolder()
    const writer = await Peer.open(path, { timeout })
    await writer.run('CREATE TABLE a (n)', 'CREATE TABLE b (n)')
    const hammering = await writer.hammer('BEGIN IMMEDIATE', insert('a'), insert('b'), 'COMMIT')
    for (let round = 0; round < 10; round++) {
      const held = await hold(path)
      const before = await sha256(path)
      const copy = copyOf(path, join(folder, `${round}.db`))
      const [inside] = await held!.all<{ a: number; b: number }>(
        'SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b',
      )
      expect(inside?.a).toBe(inside?.b)
      expect(await sha256(path)).toBe(before)
      await held!.close()
      expect(ask(copy, 'SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)')).toEqual([[inside?.a, inside?.b]])
      expect(ask(copy, 'PRAGMA integrity_check')).toEqual([['ok']])
    }
    const { done, refused } = await hammering.stop()
    expect(refused).toBe(0)
    expect(done).toBeGreaterThan(10)
  })

  it('has what was committed before, though the log had it alone, and nothing that comes after', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (2)')
    const held = await hold(path)
    await peer.run('INSERT INTO t VALUES (3)')
    // What the application does now and then is put off until the file is let go.
    expect(await peer.run('PRAGMA wal_checkpoint(PASSIVE)')).toEqual([[0, 2, 1]])
    const copy = copyOf(path, join(await freshFolder(), 'copy.db'))
    expect(ask(copy, 'SELECT n FROM t')).toEqual([[1], [2]])
    expect(await held!.all('SELECT n FROM t')).toEqual([{ n: 1 }, { n: 2 }])
    await held!.close()
    expect(await peer.run('PRAGMA wal_checkpoint(TRUNCATE)')).toEqual([[0, 0, 0]])
    expect(await fileSize(`${path}-wal`)).toBe(0)
    expect(await peer.run('SELECT n FROM t')).toEqual([[1], [2], [3]])
  })

  it('is not to be had beside a reader with an older state, nor beside a job that has it for itself', async () => {
    const path = await database('wal')
    const reader = await Peer.open(path)
    const writer = await Peer.open(path)
    await writer.run('INSERT INTO t VALUES (2)')
    await reader.run('BEGIN', 'SELECT * FROM t')
    await writer.run('INSERT INTO t VALUES (3)')
    expect(await hold(path, 100)).toBeUndefined()
    await reader.run('COMMIT')
    expect(await hold(path)).toBeDefined()
  })

  it('is not opened where nobody has it open', async () => {
    const path = await database('wal', 100)
    const before = await everything(dirname(path))
    expect(await hold(path)).toBeUndefined()
    expect(await everything(dirname(path))).toEqual(before)
  })

  it('leaves it to the application to remove its log when it is done first', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (2)')
    const held = await hold(path)
    await peer.run('INSERT INTO t VALUES (3)')
    await peer.close()
    await held!.close()
    await rm(`${path}-shm`, { force: true })
    expect(ask(path, 'SELECT n FROM t')).toEqual([[1], [2], [3]])
  })
})

describe('the watch over the log', () => {
  it('ends the work when the log takes too much of the room that is left', async context => {
    if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
    const small = join(await freshFolder(), 'small')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', small])
    onTestFinished(() => void execFileSync('umount', ['-l', small]))
    const path = makeDatabase(join(small, 'app.db'), 'wal', 'CREATE TABLE t (n)')
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (1)')
    const held = await hold(path)
    const work = watchLog(path, undefined, signal => {
      const ended = new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))))
      return ended
    })
    void peer.run('INSERT INTO t VALUES (zeroblob(3000000))')
    await expect(work).rejects.toBeInstanceOf(LogTooLarge)
    await held!.close()
    expect(await readdir(small)).toContain('app.db')
  })

  it('lets the work alone otherwise, and passes on what it throws', async () => {
    const path = await database('wal')
    expect(await watchLog(path, undefined, async () => 'done')).toBe('done')
    const own = new Error('its own')
    await expect(watchLog(path, undefined, () => Promise.reject(own))).rejects.toBe(own)
  })
})
