import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Connection } from '../../src/database/connection.ts'
import { openExclusive } from '../../src/database/exclusive.ts'
import { fileSize } from '../../src/database/location.ts'
import { needsRecovery, type ViewOptions, viewDatabase } from '../../src/database/view.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { database, everything, freshFolder, type Mode, modes, sha256 } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'
import { startHolder } from './processes.ts'

const count = (db: Connection) => db.all<{ n: number }>('SELECT count(*) AS n FROM t').then(([row]) => row?.n)

async function rows(path: string, options?: ViewOptions) {
  const viewed = await viewDatabase(path, count, options)
  return 'value' in viewed ? viewed.value : viewed.presence.kind
}

/** A database whose writer was killed: with a hot journal, or with a log that nobody has taken over. */
async function crashed(mode: Mode): Promise<string> {
  const path = await database(mode, 3000)
  const peer = await Peer.open(path)
  await peer.run('INSERT INTO t VALUES (1)', 'PRAGMA cache_size = 1', 'BEGIN', 'UPDATE t SET n = -n')
  await peer.kill()
  return path
}

describe.each([true, false])('a view, in this process: %s', inProcess => {
  const options = { inProcess }

  it.each(modes)('of a database in %s mode that nobody uses changes nothing', async mode => {
    const path = await database(mode, 100)
    const before = await everything(dirname(path))
    expect(Object.keys(before)).toEqual(['app.db'])
    expect(await rows(path, options)).toBe(100)
    await expect(viewDatabase(path, db => db.exec('DELETE FROM t'), options)).rejects.toThrow('readonly')
    expect(await everything(dirname(path))).toEqual(before)
  })

  it.each(modes)(
    'of a database in %s mode sees what is committed, beside a writer with a transaction open',
    async mode => {
      const path = await database(mode, 100)
      const peer = await Peer.open(path)
      await peer.run('INSERT INTO t VALUES (101)', 'BEGIN IMMEDIATE', 'INSERT INTO t VALUES (102)')
      expect(await rows(path, options)).toBe(101)
      await peer.run('COMMIT')
      expect(await rows(path, options)).toBe(102)
    },
  )

  it('sees what is only in the log of a process that died, and leaves log and database as they are', async () => {
    const path = await crashed('wal')
    const before = [await sha256(path), await sha256(`${path}-wal`)]
    expect(await rows(path, options)).toBe(3001)
    expect([await sha256(path), await sha256(`${path}-wal`)]).toEqual(before)
  })

  it('sees it behind a symbolic link', async () => {
    const path = await crashed('wal')
    const link = join(await freshFolder(), 'link.db')
    await symlink(path, link)
    expect(await rows(link, options)).toBe(3001)
  })

  it('of a database that was left half written is refused, until somebody recovers it', async () => {
    const path = await crashed('rollback')
    const before = await everything(dirname(path))
    const refused = await rows(path, options).catch(error => error)
    expect(refused).toMatchObject({
      code: 'busy',
      message: expect.stringContaining('cannot be read without writing'),
      hint: expect.stringContaining('SQLite puts that right'),
    })
    expect(needsRecovery(refused)).toBe(true)
    expect(await everything(dirname(path))).toEqual(before)
    await (await openExclusive(path, { lockTimeout: 0 })).close()
    expect(await rows(path, options)).toBe(3001)
  })

  it('finds no database where there is none, and none in an empty file', async () => {
    const path = join(await freshFolder(), 'app.db')
    expect(await rows(path, options)).toBe('missing')
    await writeFile(path, '')
    expect(await rows(path, options)).toBe('empty')
    expect(await everything(dirname(path))).toMatchObject({ 'app.db': expect.stringContaining(' 0 ') })
  })

  it('refuses an empty file beside a log with content, and does not touch that', async () => {
    const path = await crashed('wal')
    await truncate(path)
    const before = await everything(dirname(path))
    await expect(rows(path, options)).rejects.toMatchObject({ code: 'invalid', details: { journal: `${path}-wal` } })
    expect(await everything(dirname(path))).toEqual(before)
  })

  it('refuses what is no database, or only a part of one, and is not held up by it', async () => {
    const folder = await freshFolder()
    const whole = await readFile(await database('rollback', 5000))
    const at = (name: string) => join(folder, name)
    execFileSync('mkfifo', [at('pipe')])
    await mkdir(at('folder'))
    await writeFile(at('garbage'), 'garbage '.repeat(1000))
    await writeFile(at('header only'), whole.subarray(0, 100))
    await writeFile(at('99 bytes'), whole.subarray(0, 99))
    await writeFile(at('truncated'), whole.subarray(0, whole.length / 2))
    await writeFile(at('not a whole page'), whole.subarray(0, 8192 + 10))
    await writeFile(
      at('format'),
      Buffer.concat([whole.subarray(0, 44), Buffer.from([0, 0, 0, 99]), whole.subarray(48)]),
    )
    for (const path of [
      '/dev/zero',
      ...['pipe', 'folder', 'garbage', 'header only', '99 bytes', 'truncated', 'not a whole page', 'format'].map(at),
    ])
      await expect(rows(path, options), path).rejects.toMatchObject({ code: 'invalid', hint: expect.any(String) })
  })

  it('is taken again when a database that was at rest has changed meanwhile', async () => {
    const path = await database('wal')
    let calls = 0
    const viewed = await viewDatabase(
      path,
      async db => {
        const before = await count(db)
        if (calls++ === 0) {
          const peer = await Peer.open(path)
          await peer.run('INSERT INTO t VALUES (2)')
          await peer.close()
        }
        return before
      },
      options,
    )
    expect(viewed).toMatchObject({ value: 2, presence: { kind: 'database', header: { journalMode: 'wal' } } })
    expect(calls).toBe(2)
  })

  it('gives up when that happens each time', async () => {
    const path = await database('wal')
    const change = async () => {
      const own = await Peer.open(path)
      await own.run('INSERT INTO t VALUES (2)')
      await own.close()
    }
    await expect(viewDatabase(path, change, options)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('changed each time'),
    })
  })

  it('passes on what its reader throws', async () => {
    const path = await database('rollback')
    const thrown = new RangeError('the reader’s own')
    await expect(viewDatabase(path, () => Promise.reject(thrown), options)).rejects.toBe(thrown)
    await expect(viewDatabase(path, db => db.all('SELECT * FROM gone'), options)).rejects.toThrow('no such table: gone')
  })

  it('of a database that is locked says so after a moment, and is not taken for a crash', async () => {
    const path = await database('rollback')
    const peer = await Peer.open(path)
    await peer.run('BEGIN EXCLUSIVE')
    const refused = await rows(path, options).catch(error => error)
    expect(refused).toMatchObject({ code: 'busy', hint: expect.stringContaining('try again') })
    expect(needsRecovery(refused)).toBe(false)
  })

  it('ends with the reason of the signal of its job', async () => {
    const path = await database('rollback')
    const peer = await Peer.open(path)
    await peer.run('BEGIN EXCLUSIVE')
    const reason = new Error('stopped')
    const stop = new AbortController()
    const viewed = rows(path, { ...options, signal: stop.signal })
    stop.abort(reason)
    await expect(viewed).rejects.toBe(reason)
  })
})

describe('beside a writer that never pauses', () => {
  it.each(modes)('a view in %s mode has whole transactions', async mode => {
    const path = await database(mode)
    const peer = await Peer.open(path, { timeout: 5 })
    await peer.run('CREATE TABLE pairs (n)')
    const insert = 'INSERT INTO pairs VALUES (1)'
    const hammering = await peer.hammer('BEGIN IMMEDIATE', insert, insert, 'COMMIT')
    let seen = 0
    for (let views = 0; views < 10 || seen === 0; ) {
      // In rollback mode it leaves next to no gap, and that can take more than one view's patience.
      const look = viewDatabase(path, db => db.all<{ n: number }>('SELECT count(*) AS n FROM pairs'), {
        inProcess: true,
      })
      const viewed = await look.catch((error: LockkeeperError) => error)
      if (viewed instanceof LockkeeperError) {
        expect({ mode, code: viewed.code, recovery: needsRecovery(viewed) }).toEqual({
          mode: 'rollback',
          code: 'busy',
          recovery: false,
        })
        continue
      }
      const n = 'value' in viewed ? viewed.value[0]!.n : -1
      expect(n % 2).toBe(0)
      expect(n).toBeGreaterThanOrEqual(seen)
      seen = n
      views++
    }
    expect((await hammering.stop()).messages).toEqual([])
    expect(seen).toBeGreaterThan(0)
  })
})

describe('in an application', () => {
  it('a view takes away none of its locks', async () => {
    const path = await database('rollback')
    const own = new DatabaseSync(path)
    onTestFinished(() => own.close())
    own.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (2)')
    expect(await rows(path)).toBe(1)
    const peer = await Peer.open(path)
    expect(await peer.refusal('BEGIN IMMEDIATE')).toBe('database is locked')
    own.exec('COMMIT')
    expect(await rows(path)).toBe(2)
  })
})

describe('where nothing may be written', () => {
  // Root may write everywhere.
  const user = process.getuid?.() === 0 ? { uid: 65534 } : {}

  async function readOnly(path: string): Promise<void> {
    await chmod(dirname(path), 0o555)
    onTestFinished(() => chmod(dirname(path), 0o755))
  }

  it.each(modes)('a database in %s mode that nobody uses can be viewed', async mode => {
    const path = await database(mode, 10)
    await readOnly(path)
    expect(await startHolder('view', path, user).next()).toEqual([{ rows: 10 }])
  })

  it.each(modes)('one in %s mode whose writer died cannot', async mode => {
    const path = await crashed(mode)
    if (mode === 'wal') execFileSync('rm', [`${path}-shm`])
    expect(await fileSize(`${path}-shm`)).toBeUndefined()
    await readOnly(path)
    expect(await startHolder('view', path, user).next()).toMatchObject({ code: 'busy', details: { recovery: true } })
  })

  it('one whose index is another user’s says so, and whom to run as', async () => {
    const path = await database('wal', 10)
    await chmod(dirname(path), 0o755)
    await (await Peer.open(path)).run('INSERT INTO t VALUES (11)')
    await chmod(`${path}-shm`, 0)
    expect(await startHolder('view', path, user).next()).toMatchObject({
      code: 'denied',
      message: expect.stringContaining(`${path}-shm`),
      hint: expect.stringContaining('user and group of the application'),
    })
  })

  it('a read-only mount: what is at rest is read, what is in a log or a journal is a clear error', async context => {
    if (process.getuid?.() !== 0) context.skip('NOT CHECKED on this machine: it needs root to mount a file system')
    const places = { 'cold, wal': await database('wal', 10), 'cold, rollback': await database('rollback', 10) }
    const log = await crashed('wal')
    execFileSync('rm', [`${log}-shm`])
    const found: Record<string, unknown> = {}
    for (const [name, path] of Object.entries({ ...places, log, journal: await crashed('rollback') })) {
      const point = join(await freshFolder(), 'mnt')
      await mkdir(point)
      execFileSync('mount', ['--bind', '-o', 'ro', dirname(path), point])
      onTestFinished(() => void execFileSync('umount', ['-l', point]))
      const before = await everything(dirname(path))
      found[name] = await rows(join(point, 'app.db')).catch(({ code, details }) => [code, details.recovery])
      expect(await everything(dirname(path)), name).toEqual(before)
    }
    expect(found).toEqual({ 'cold, wal': 10, 'cold, rollback': 10, log: ['busy', true], journal: ['busy', true] })
  })

  it('a file that may not be read is denied', async () => {
    const path = await database('rollback')
    await chmod(dirname(path), 0o755)
    await chmod(path, 0)
    expect(await startHolder('view', path, user).next()).toMatchObject({
      code: 'denied',
      message: expect.stringContaining(path),
      hint: expect.stringContaining('owns the file'),
    })
  })
})
