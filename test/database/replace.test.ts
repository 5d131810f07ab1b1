import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { DatabaseProcess } from '../../src/database/child-process.ts'
import { inspectFile } from '../../src/database/location.ts'
import { journalModeOf, openForReplacement, replaceContent } from '../../src/database/replace.ts'
import { ask, database, freshFolder, type Mode, makeDatabase, modes, sha256 } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'

const oldRows = 20_000
const newRows = 30_000

/** A private copy, as a restore has it: rollback mode, with one table `new (n)`. */
async function replacement(pageSize = 4096): Promise<string> {
  return makeDatabase(
    join(await freshFolder(), 'restored 1%.db'),
    'rollback',
    `PRAGMA page_size = ${pageSize}`,
    'CREATE TABLE new (n INTEGER)',
    `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${newRows}) INSERT INTO new SELECT i FROM c`,
  )
}

async function take(path: string): Promise<DatabaseProcess> {
  const child = await openForReplacement(path, { lockTimeout: 0 })
  onTestFinished(() => child.close())
  return child
}

/** What a database has: the old content, the new one, or neither. */
function contentOf(path: string): string {
  expect(ask(path, 'PRAGMA integrity_check')).toEqual([['ok']])
  const tables = ask(path, 'SELECT name FROM sqlite_schema').flat().join()
  if (tables === 't') expect(ask(path, 'SELECT count(*), min(n) FROM t')).toEqual([[oldRows, 1]])
  else expect(ask(path, 'SELECT count(*), min(n) FROM new')).toEqual([[newRows, 1]])
  return tables === 't' ? 'old' : 'new'
}

describe.each(modes)('a database in %s mode', mode => {
  it.each([
    [4096, 'rollback'],
    [4096, 'wal'],
    [1024, 'rollback'],
    [8192, 'wal'],
    [65536, 'wal'],
  ] as const)('gets the content of a copy with pages of %i bytes, and is in %s mode then', async (pageSize, wanted) => {
    const path = await database(mode, oldRows)
    const source = await replacement(pageSize)
    const before = await sha256(source)
    const child = await take(path)
    await replaceContent(child, path, source, wanted)
    expect(await journalModeOf(child)).toBe(wanted)
    expect(await child.all('SELECT count(*) AS n FROM new')).toEqual([{ n: newRows }])
    await child.close()
    expect(await inspectFile(path)).toMatchObject({ header: { journalMode: wanted, pageSize } })
    expect(contentOf(path)).toBe('new')
    expect(await readdir(dirname(path))).toEqual(['app.db'])
    expect(await sha256(source)).toBe(before)
  })

  it('lets nobody in from the lock to the end, and keeps its bytes until the content is replaced', async () => {
    const path = await database(mode, oldRows)
    const source = await replacement(8192)
    const child = await take(path)
    const bytes = await sha256(path)
    const peers = await Promise.all([Peer.open(path), Peer.open(path), Peer.open(path)])
    const hammering = [
      await peers[0].hammer('SELECT * FROM sqlite_schema'),
      await peers[1].hammer('BEGIN IMMEDIATE', 'CREATE TABLE intruder (n)', 'COMMIT'),
      await peers[2].hammer('PRAGMA journal_mode = DELETE'),
    ]
    await child.all('SELECT count(*) FROM t')
    expect(await sha256(path)).toBe(bytes)
    await replaceContent(child, path, source, mode)
    await child.all('PRAGMA quick_check')
    for (const { stop } of hammering) {
      const { done, refused, messages } = await stop()
      expect({ done, messages }).toEqual({ done: 0, messages: ['database is locked'] })
      expect(refused).toBeGreaterThan(0)
    }
    await child.close()
    expect(await peers[0].run('SELECT count(*) FROM new')).toEqual([[newRows]])
    expect(contentOf(path)).toBe('new')
  })

  it.each([4096, 1024])('is old or new wherever the process is killed, with pages of %i bytes', async pageSize => {
    const source = await replacement(pageSize)
    const kills = 12
    const undisturbed = await timed(await database(mode, oldRows), source)
    const seen = new Set<string>()
    for (let kill = 0; kill < kills; kill++) {
      const path = await database(mode, oldRows)
      const child = await take(path)
      const replaced = replaceContent(child, path, source, mode).then(
        () => 'new',
        () => 'unknown',
      )
      await delay((undisturbed * 1.1 * kill) / kills)
      process.kill(child.pid!, 'SIGKILL')
      await child.close()
      const content = contentOf(path)
      if ((await replaced) === 'new') expect(content).toBe('new')
      seen.add(content)
      if (kill % 4 !== 0) continue
      const next = await take(path)
      await replaceContent(next, path, source, mode)
      await next.close()
      expect(contentOf(path)).toBe('new')
      expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode } })
    }
    expect(seen).toContain('old')
  })

  async function timed(path: string, source: string): Promise<number> {
    const child = await take(path)
    const start = performance.now()
    await replaceContent(child, path, source, mode)
    const milliseconds = performance.now() - start
    await child.close()
    return milliseconds
  }

  it.each([
    ['reads', 'BEGIN', 'SELECT * FROM t'],
    ['is about to write', 'BEGIN IMMEDIATE'],
  ])('is not to be had while somebody %s', async (_, ...statements) => {
    const path = await database(mode)
    const peer = await Peer.open(path)
    await peer.run(...statements)
    await expect(take(path)).rejects.toMatchObject({ code: 'busy', details: { path } })
    await peer.run('COMMIT')
  })

  it('is recovered first when its writer died', async () => {
    const path = await database(mode, 3000)
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (1)', 'PRAGMA cache_size = 1', 'BEGIN', 'UPDATE t SET n = -n')
    await peer.kill()
    const child = await take(path)
    expect(await child.all('SELECT count(*) AS n, min(n) AS least FROM t')).toEqual([{ n: 3001, least: 1 }])
  })

  it('keeps its content and its lock when the copy is no database', async () => {
    const path = await database(mode, oldRows)
    const child = await take(path)
    const noDatabase = join(await freshFolder(), 'gone.db')
    await expect(replaceContent(child, path, noDatabase, mode)).rejects.toMatchObject({ code: 'denied' })
    expect(await (await Peer.open(path)).refusal('SELECT * FROM t')).toBe('database is locked')
    await child.close()
    expect(contentOf(path)).toBe('old')
  })
})

describe('a connection that was open and idle', () => {
  it('in rollback mode sees the new content, and its writes arrive', async () => {
    const path = await database('rollback', oldRows)
    const peer = await Peer.open(path)
    expect(await peer.run('SELECT count(*) FROM t')).toEqual([[oldRows]])
    const child = await take(path)
    await replaceContent(child, path, await replacement(1024), 'rollback')
    expect(await peer.refusal('SELECT count(*) FROM t')).toBe('database is locked')
    await child.close()
    expect(await peer.run('SELECT count(*) FROM new')).toEqual([[newRows]])
    await peer.run('INSERT INTO new VALUES (0)')
    expect(ask(path, 'SELECT min(n) FROM new')).toEqual([[0]])
  })

  it('in WAL mode keeps the database to itself once it has read', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    await peer.run('SELECT * FROM t')
    await expect(take(path)).rejects.toMatchObject({ code: 'busy' })
    await peer.run('INSERT INTO t VALUES (2)')
    await peer.close()
    await take(path)
  })
})

describe('a database that is not there', () => {
  it.each(modes)('is made, in %s mode', async (mode: Mode) => {
    const path = join(await freshFolder(), 'app.db')
    const child = await take(path)
    await replaceContent(child, path, await replacement(), mode)
    await child.close()
    expect(contentOf(path)).toBe('new')
    expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode } })
  })

  it('is not made where its folder is missing, or over something else', async () => {
    const folder = await freshFolder()
    await expect(take(join(folder, 'no volume', 'app.db'))).rejects.toMatchObject({ code: 'missing' })
    await expect(take(folder)).rejects.toMatchObject({ code: 'invalid' })
  })
})
