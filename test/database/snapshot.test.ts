import { execFileSync } from 'node:child_process'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { inspectFile } from '../../src/database/location.ts'
import { copySnapshot } from '../../src/database/snapshot.ts'
import { needsRecovery } from '../../src/database/view.ts'
import { ask, database, everything, freshFolder, modes } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'

async function target(): Promise<string> {
  return join(await freshFolder(), 'copy 1%.db')
}

const insert = (table: string) => `INSERT INTO ${table} SELECT ifnull(max(n), 0) + 1 FROM ${table}`

describe.each(modes)('a snapshot of a database in %s mode', mode => {
  it('beside a writer that never pauses has whole transactions, and comes to an end', async () => {
    const path = await database(mode, 1_000_000)
    const peer = await Peer.open(path, { timeout: 30 })
    await peer.run('CREATE TABLE a (n INTEGER)', 'CREATE TABLE b (n INTEGER)')
    const hammering = await peer.hammer('BEGIN IMMEDIATE', insert('a'), insert('b'), 'COMMIT')
    let before = -1
    for (let i = 0; i < 5; i++) {
      const copy = await target()
      const start = performance.now()
      await copySnapshot(path, copy, { lockTimeout: 30_000 })
      expect(performance.now() - start).toBeLessThan(30_000)
      expect(ask(copy, 'PRAGMA integrity_check')).toEqual([['ok']])
      const [[a, b]] = ask(copy, 'SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)') as [[number, number]]
      expect(a).toBe(b)
      expect(a).toBeGreaterThanOrEqual(before)
      before = a
      expect(ask(copy, 'SELECT count(*) FROM t')).toEqual([[1_000_000]])
    }
    const { done, messages } = await hammering.stop()
    expect(messages).toEqual([])
    expect(done).toBeGreaterThan(0)
    expect(before).toBeLessThanOrEqual(done)
  })

  it('that nobody uses changes nothing there, and is a private file of the same kind without a log', async () => {
    const path = await database(mode, 1000)
    const before = await everything(dirname(path))
    const copy = await target()
    await copySnapshot(path, copy, { lockTimeout: 0 })
    expect(await everything(dirname(path))).toEqual(before)
    expect(await readdir(dirname(copy))).toEqual(['copy 1%.db'])
    expect((await stat(copy)).mode & 0o777).toBe(0o600)
    const [from, to] = [await inspectFile(path), await inspectFile(copy)]
    expect(to).toEqual(from)
    expect(ask(copy, 'SELECT sum(n) FROM t')).toEqual(ask(path, 'SELECT sum(n) FROM t'))
  })

  it('has what is in the log of a process that died, or is refused where a journal has to be played back', async () => {
    const path = await database(mode, 3000)
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (1)', 'PRAGMA cache_size = 1', 'BEGIN', 'UPDATE t SET n = -n')
    await peer.kill()
    const copy = await target()
    const made = copySnapshot(path, copy, { lockTimeout: 5000 })
    if (mode === 'wal') {
      await made
      expect(ask(copy, 'SELECT count(*), min(n) FROM t')).toEqual([[3001, 1]])
    } else {
      expect(needsRecovery(await made.catch(error => error))).toBe(true)
      expect(await readdir(dirname(copy))).toEqual([])
    }
  })
})

describe('a snapshot', () => {
  it('waits for a writer that holds the database, and makes no file when that takes too long', async () => {
    const path = await database('rollback')
    const peer = await Peer.open(path)
    await peer.run('BEGIN EXCLUSIVE', 'INSERT INTO t VALUES (2)')
    const copy = await target()
    await expect(copySnapshot(path, copy, { lockTimeout: 50 })).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('database is locked'),
    })
    expect(await readdir(dirname(copy))).toEqual([])
    const made = copySnapshot(path, copy, { lockTimeout: 30_000 })
    await peer.run('COMMIT')
    await made
    expect(ask(copy, 'SELECT n FROM t')).toEqual([[1], [2]])
  })

  it('ends with the reason of the signal of its job, and makes no file', async () => {
    const path = await database('rollback')
    const peer = await Peer.open(path)
    await peer.run('BEGIN EXCLUSIVE')
    const copy = await target()
    const stop = new AbortController()
    const made = copySnapshot(path, copy, { lockTimeout: 60_000, signal: stop.signal })
    const reason = new Error('stopped')
    stop.abort(reason)
    await expect(made).rejects.toBe(reason)
    expect(await readdir(dirname(copy))).toEqual([])
  })

  it('needs something to copy', async () => {
    const folder = await freshFolder()
    const copy = await target()
    for (const kind of ['not there', 'empty']) {
      if (kind === 'empty') await writeFile(join(folder, 'app.db'), '')
      await expect(copySnapshot(join(folder, 'app.db'), copy, { lockTimeout: 0 })).rejects.toMatchObject({
        code: 'missing',
        message: expect.stringContaining(kind),
      })
    }
    await expect(copySnapshot(folder, copy, { lockTimeout: 0 })).rejects.toMatchObject({ code: 'invalid' })
    expect(await readdir(dirname(copy))).toEqual([])
  })

  it('overwrites nothing', async () => {
    const path = await database('rollback')
    const copy = await target()
    await writeFile(copy, 'precious')
    await expect(copySnapshot(path, copy, { lockTimeout: 0 })).rejects.toThrow('EEXIST')
    expect(await everything(dirname(copy))).toMatchObject({ 'copy 1%.db': expect.stringContaining(' 8 ') })
  })

  it('that does not fit says where there is no room', async context => {
    if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
    const small = join(await freshFolder(), 'small')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', small])
    onTestFinished(() => void execFileSync('umount', ['-l', small]))
    const path = await database('rollback', 100_000)
    await expect(copySnapshot(path, join(small, 'copy.db'), { lockTimeout: 0 })).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(`^a copy of the database needs .* and 256 KiB are free in ${small}$`),
      hint: expect.stringContaining('LOCKKEEPER_TMPDIR'),
    })
    expect(await readdir(small)).toEqual([])
  })
})
