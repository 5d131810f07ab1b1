import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { setHeaderMode } from '../../src/database/header-mode.ts'
import { inspectFile } from '../../src/database/location.ts'
import { unfinishedJournal, writeRedoJournal } from '../../src/database/redo-journal.ts'
import { type Held, journalModeOf, letGo, openForReplacement, replaceContent } from '../../src/database/replace.ts'
import { findDamage } from '../../src/validation/damage.ts'
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

async function take(path: string): Promise<Held> {
  const held = await openForReplacement(path, { lockTimeout: 0, damageOf: findDamage })
  onTestFinished(() => held.child.close())
  return held
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
  it.each([512, 1024, 4096, 8192, 65536])(
    'gets the content of a copy with pages of %i bytes, and stays in its mode',
    async pageSize => {
      const path = await database(mode, oldRows)
      const held = await take(path)
      expect(held.found).toEqual({ kind: 'database', journalMode: mode })
      await replaceContent(held, await replacement(pageSize), mode === 'wal' ? 'rollback' : 'wal')
      expect(await journalModeOf(held.child)).toBe(mode)
      expect(await held.child.all('SELECT count(*) AS n FROM new')).toEqual([{ n: newRows }])
      await held.child.close()
      expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode, pageSize } })
      expect(contentOf(path)).toBe('new')
      expect(await readdir(dirname(path))).toEqual(['app.db'])
    },
  )

  it('lets nobody in from the lock to the end, and keeps its bytes until the content is replaced', async () => {
    const path = await database(mode, oldRows)
    const source = await replacement(8192)
    const held = await take(path)
    const { child } = held
    const bytes = await sha256(path)
    const peers = await Promise.all([Peer.open(path), Peer.open(path), Peer.open(path)])
    const hammering = [
      await peers[0].hammer('SELECT * FROM sqlite_schema'),
      await peers[1].hammer('BEGIN IMMEDIATE', 'CREATE TABLE intruder (n)', 'COMMIT'),
      await peers[2].hammer('PRAGMA journal_mode = DELETE'),
    ]
    await child.all('SELECT count(*) FROM t')
    expect(await sha256(path)).toBe(bytes)
    await replaceContent(held, source, mode)
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
      const held = await take(path)
      const replaced = replaceContent(held, source, mode).then(
        () => 'new',
        () => 'unknown',
      )
      await delay((undisturbed * 1.1 * kill) / kills)
      process.kill(held.child.pid!, 'SIGKILL')
      await held.child.close()
      const finished = await replaced
      const content = contentOf(path)
      if (finished === 'new') expect(content).toBe('new')
      seen.add(content)
      expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode } })
      if (kill % 4 !== 0) continue
      const next = await take(path)
      await replaceContent(next, source, mode)
      await next.child.close()
      expect(contentOf(path)).toBe('new')
      expect(await readdir(dirname(path))).toEqual(['app.db'])
    }
    expect(seen).toContain('old')
  })

  async function timed(path: string, source: string): Promise<number> {
    const held = await take(path)
    const start = performance.now()
    await replaceContent(held, source, mode)
    const milliseconds = performance.now() - start
    await held.child.close()
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
    const { child } = await take(path)
    expect(await child.all('SELECT count(*) AS n, min(n) AS least FROM t')).toEqual([{ n: 3001, least: 1 }])
  })

  it('keeps its content and its lock when the copy is no database', async () => {
    const path = await database(mode, oldRows)
    const held = await take(path)
    const noDatabase = join(await freshFolder(), 'text.db')
    await writeFile(noDatabase, 'Dear diary,\n'.repeat(1000))
    await expect(replaceContent(held, noDatabase, mode)).rejects.toMatchObject({ code: 'invalid' })
    expect(await (await Peer.open(path)).refusal('SELECT * FROM t')).toBe('database is locked')
    await held.child.close()
    expect(contentOf(path)).toBe('old')
  })
})

describe('a connection that was open and idle', () => {
  it('in rollback mode sees the new content, and its writes arrive', async () => {
    const path = await database('rollback', oldRows)
    const peer = await Peer.open(path)
    expect(await peer.run('SELECT count(*) FROM t')).toEqual([[oldRows]])
    const held = await take(path)
    await replaceContent(held, await replacement(1024), 'rollback')
    expect(await peer.refusal('SELECT count(*) FROM t')).toBe('database is locked')
    await held.child.close()
    expect(await peer.run('SELECT count(*) FROM new')).toEqual([[newRows]])
    await peer.run('INSERT INTO new VALUES (0)')
    expect(ask(path, 'SELECT min(n) FROM new')).toEqual([[0]])
  })

  it('believes nothing of what it remembers, though the new content has the same version and goes in by a journal', async () => {
    const path = await database('rollback', oldRows)
    const peer = await Peer.open(path)
    expect(await peer.run('SELECT count(*), min(n) FROM t')).toEqual([[oldRows, 1]])
    const live = await readFile(path)
    // The same table in the same pages, other rows, another schema, and the numbers by which SQLite tells versions apart.
    const source = await makeDatabase(
      join(await freshFolder(), 'other.db'),
      'rollback',
      'CREATE TABLE t (n INTEGER)',
      `WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${oldRows}) INSERT INTO t SELECT -i FROM c`,
    )
    const other = await readFile(source)
    live.copy(other, 24, 24, 44)
    live.copy(other, 92, 92, 96)
    await writeFile(source, other)
    await writeFile(path, live.fill(0xff, 0, 16))
    const held = await take(path)
    expect(held.found).toMatchObject({ kind: 'damaged' })
    await replaceContent(held, source, 'rollback')
    await held.child.close()
    expect(await peer.run('SELECT count(*), min(n) FROM t')).toEqual([[oldRows, -oldRows]])
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
    const held = await take(path)
    expect(held.found).toEqual({ kind: 'nothing' })
    await replaceContent(held, await replacement(), mode)
    await held.child.close()
    expect(contentOf(path)).toBe('new')
    expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode } })
  })

  it('is not made where its folder is missing, or over something else', async () => {
    const folder = await freshFolder()
    await expect(take(join(folder, 'no volume', 'app.db'))).rejects.toMatchObject({ code: 'missing' })
    await expect(take(folder)).rejects.toMatchObject({ code: 'invalid' })
  })
})

/** Ways in which a file can be no database any more, or have a schema that cannot be read. */
const damages: readonly [string, (bytes: Buffer) => Buffer][] = [
  ['has lost its header', bytes => bytes.fill(0xff, 0, 100)],
  ['has lost its schema', bytes => bytes.fill(0xff, 100, 4096)],
  ['has lost both', bytes => bytes.fill(0, 0, 8192)],
  ['is a text', bytes => bytes.fill('Dear diary, ')],
  ['is a short text', () => Buffer.from('Dear diary')],
  ['is of a format that is not known', bytes => bytes.fill(9, 18, 20)],
]

describe.each(modes)('what was a database in %s mode and', mode => {
  async function damaged(damage: (bytes: Buffer) => Buffer): Promise<string> {
    const path = await database(mode, oldRows)
    await writeFile(path, damage(await readFile(path)))
    return path
  }

  it.each(damages)('%s is taken as it is, nobody gets in, and the content is replaced', async (_, damage) => {
    const path = await damaged(damage)
    const before = await sha256(path)
    const held = await take(path)
    expect(held.found).toMatchObject({ kind: 'damaged', reason: expect.stringMatching(/\w/) })
    expect(await sha256(path)).toBe(before)
    const peers = await Promise.all([Peer.open(path), Peer.open(path)])
    const hammering = [
      await peers[0].hammer('SELECT * FROM sqlite_schema'),
      await peers[1].hammer('BEGIN IMMEDIATE', 'CREATE TABLE intruder (n)', 'COMMIT'),
    ]
    await replaceContent(held, await replacement(1024), mode)
    await held.child.all('PRAGMA quick_check')
    for (const { stop } of hammering) expect(await stop()).toMatchObject({ done: 0, messages: ['database is locked'] })
    expect(await journalModeOf(held.child)).toBe(mode)
    await held.child.close()
    expect(contentOf(path)).toBe('new')
    expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode, pageSize: 1024 } })
    expect(await readdir(dirname(path))).toEqual(['app.db'])
  })

  it('has lost its header is that or new wherever the process is killed', async () => {
    const source = await replacement(1024)
    const seen = new Set<string>()
    for (let kill = 0; kill < 12; kill++) {
      const path = await damaged(bytes => bytes.fill('Dear diary, '))
      const before = await sha256(path)
      const held = await take(path)
      const replaced = replaceContent(held, source, mode).catch(() => {})
      await delay(kill * 8)
      process.kill(held.child.pid!, 'SIGKILL')
      await held.child.close()
      await replaced
      const found = (await sha256(path)) === before && !(await readdir(dirname(path))).includes('app.db-journal')
      seen.add(found ? 'old' : contentOf(path))
      const next = await take(path)
      await replaceContent(next, source, mode)
      await next.child.close()
      expect(contentOf(path)).toBe('new')
      expect(await readdir(dirname(path))).toEqual(['app.db'])
    }
    expect(seen).toContain('old')
  })
})

describe('a damaged file beside a log that is whole', () => {
  /** @param statement what is in the log; a change of the schema puts the first page there */
  async function damagedBesideLog(statement: string): Promise<string> {
    const path = await database('wal', oldRows)
    const peer = await Peer.open(path)
    await peer.run('PRAGMA wal_autocheckpoint = 0', statement)
    await peer.kill()
    await writeFile(path, (await readFile(path)).fill('Dear diary, '))
    return path
  }
  const logs = [
    ['has the first page', 'CREATE TABLE u (n)'],
    ['has not', 'UPDATE t SET n = -n WHERE rowid = 15000'],
  ] as const

  it.each(logs)('that %s: they are the two that they were, until the content is replaced', async (_, statement) => {
    const path = await damagedBesideLog(statement)
    const both = () => Promise.all([sha256(path), sha256(`${path}-wal`)])
    const before = await both()
    for (const replaced of [false, true]) {
      const held = await take(path)
      expect(held.found).toMatchObject({ kind: 'damaged', reason: expect.stringMatching(/\w/) })
      expect(await both()).toEqual(before)
      if (replaced) await replaceContent(held, await replacement(1024), 'wal')
      await letGo(held, replaced)
      if (!replaced) expect(await both()).toEqual(before)
    }
    expect(contentOf(path)).toBe('new')
    expect(await inspectFile(path)).toMatchObject({ header: { journalMode: 'wal', pageSize: 1024 } })
    expect(await readdir(dirname(path))).toEqual(['app.db'])
  })

  it('a value that breaks a rule of its table is no damage: the log is emptied', async () => {
    const path = await database('wal', oldRows)
    const peer = await Peer.open(path)
    await peer.run(
      'CREATE TABLE u (n CHECK (n > 0))',
      'PRAGMA ignore_check_constraints = ON',
      'INSERT INTO u VALUES (-1)',
    )
    await peer.kill()
    expect((await take(path)).found).toEqual({ kind: 'database', journalMode: 'wal' })
  })
})

describe('a journal that has got its name before the process was killed', () => {
  it.each(modes)('is the new content for whoever opens the database next, in %s mode', async mode => {
    for (const written of [0, 0.3, 1.5]) {
      const path = await database(mode, oldRows)
      const source = await replacement(8192)
      await setHeaderMode(source, mode)
      await writeRedoJournal(path, source)
      await rename(unfinishedJournal(path), `${path}-journal`)
      // As far as the killed process had got with playing it back.
      const part = Buffer.alloc(Math.floor((await readFile(source)).length * written), 'half ')
      await writeFile(path, part.length === 0 ? Buffer.from('Dear diary') : part)
      expect(await inspectFile(path)).toMatchObject({ kind: 'database' })
      const peer = await Peer.open(path)
      expect(await peer.run('SELECT count(*) FROM new')).toEqual([[newRows]])
      await peer.close()
      expect(contentOf(path)).toBe('new')
      expect(await inspectFile(path)).toMatchObject({ header: { journalMode: mode, pageSize: 8192 } })
    }
  })
})
