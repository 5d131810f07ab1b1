import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fileSize, fileUri, inspectFile, realDatabasePath } from '../../src/database/location.ts'
import { ask, database, everything, freshFolder, makeDatabase, modes } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'
import { sqlite3 } from '../support/peers.ts'

describe('a file URI', () => {
  it('names the very file to SQLite, whatever is in its name', async () => {
    const folder = await freshFolder()
    const names = fc
      .string({ minLength: 1, maxLength: 30, unit: 'grapheme' })
      .filter(name => !/[/\0]/.test(name) && !['.', '..'].includes(name) && Buffer.byteLength(name) < 200)
    const awkward = [
      'a b.db',
      '100%.db',
      '%41.db',
      'what?mode=ro',
      'a#b',
      'größe 数据库.db',
      "it's",
      '"',
      'a&b=c',
      'x+y',
      '\\',
      'a\nb',
    ]
    await fc.assert(
      fc.asyncProperty(names, async name => {
        const path = join(folder, name)
        const opened = new DatabaseSync(fileUri(path, { mode: 'rwc' }))
        opened.exec('PRAGMA user_version = 7')
        opened.close()
        expect((await readFile(path)).readUInt32BE(60)).toBe(7)
        execFileSync('rm', ['--', path])
      }),
      { numRuns: 60, examples: awkward.map(name => [name]) },
    )
    expect(await everything(folder)).toEqual({})
  })

  it('keeps its parameters apart from the path', async () => {
    const path = join(await freshFolder(), 'new?mode=rwc')
    expect(() => new DatabaseSync(fileUri(path, { mode: 'rw' }))).toThrow('unable to open database file')
    expect(await fileSize(path)).toBeUndefined()
  })
})

describe('inspectFile', () => {
  it('finds nothing where nothing is', async () => {
    const folder = await freshFolder()
    expect(await inspectFile(join(folder, 'app.db'))).toEqual({ kind: 'missing' })
    expect(await inspectFile(join(folder, 'no such folder', 'app.db'))).toEqual({ kind: 'missing' })
  })

  it('takes a file of 0 bytes for an empty database', async () => {
    const path = join(await freshFolder(), 'app.db')
    await writeFile(path, '')
    expect(await inspectFile(path)).toEqual({ kind: 'empty', bytes: 0 })
  })

  it.each([true, false])('reads the header, in this process: %s', async inProcess => {
    const folder = await freshFolder()
    for (const mode of modes)
      for (const pageSize of [512, 4096, 65536]) {
        const path = makeDatabase(
          join(folder, `${mode}${pageSize}`),
          'rollback',
          `PRAGMA page_size = ${pageSize}`,
          'VACUUM',
        )
        if (mode === 'wal') sqlite3(path, 'PRAGMA journal_mode = WAL;')
        sqlite3(path, 'CREATE TABLE t (a);')
        expect(await inspectFile(path, { inProcess })).toEqual({
          kind: 'database',
          bytes: 2 * pageSize,
          header: { pageSize, journalMode: mode, encoding: 'UTF-8' },
        })
      }
    const utf16 = makeDatabase(join(folder, 'utf16'), 'rollback', "PRAGMA encoding = 'UTF-16'", 'CREATE TABLE t (a)')
    expect(await inspectFile(utf16, { inProcess })).toMatchObject({ header: { encoding: 'UTF-16' } })
  })

  it('leaves the locks of the process that it runs in alone, and everything else as well', async () => {
    const path = await database('rollback')
    const own = new DatabaseSync(path)
    onTestFinished(() => own.close())
    own.exec('BEGIN EXCLUSIVE')
    const before = await everything(join(path, '..'))
    // What `everything` does to the file takes the lock away: take it anew.
    own.exec('ROLLBACK; BEGIN EXCLUSIVE')
    expect(await inspectFile(path)).toMatchObject({ kind: 'database' })
    const peer = await Peer.open(path)
    expect(await peer.refusal('SELECT * FROM t')).toBe('database is locked')
    own.exec('ROLLBACK')
    expect(await everything(join(path, '..'))).toEqual(before)
  })

  it('refuses what cannot be a database before anybody opens it', async () => {
    const folder = await freshFolder()
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    for (const [path, what] of [
      [folder, 'a folder'],
      [pipe, 'not a regular file'],
      ['/dev/null', 'not a regular file'],
    ] as const)
      for (const inProcess of [true, false])
        await expect(inspectFile(path, { inProcess })).rejects.toMatchObject({
          code: 'invalid',
          message: `${path} is ${what}, not a database`,
          hint: expect.stringContaining('DATABASE_URL'),
        })
  })

  it('refuses a file that is no database', async () => {
    const folder = await freshFolder()
    const good = makeDatabase(join(folder, 'good'), 'rollback', 'CREATE TABLE t (a)')
    const [short, garbage, zeros] = ['short', 'garbage', 'zeros'].map(name => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await copyFile(good, short)
    await truncate(short, 99)
    await writeFile(garbage, 'This is not a database.'.repeat(1000))
    await writeFile(zeros, Buffer.alloc(8192))
    for (const path of [short, garbage, zeros])
      await expect(inspectFile(path)).rejects.toMatchObject({
        code: 'invalid',
        message: `${path} is not a SQLite database`,
        hint: expect.stringContaining('lockkeeper restore --latest'),
      })
  })

  it('says which file cannot be read', async () => {
    const path = await database('rollback')
    await expect(inspectFile(join(path, 'below a file'))).rejects.toMatchObject({ code: 'missing' })
  })
})

describe('beside what is left of another database', () => {
  it.each(['-wal', '-journal'])('an empty or missing file is refused, and its %s is not touched', async suffix => {
    const mode = suffix === '-wal' ? 'wal' : 'rollback'
    const path = await database(mode, 2000)
    const peer = await Peer.open(path)
    await peer.run('PRAGMA cache_size = 1', 'BEGIN', 'UPDATE t SET n = -n')
    if (mode === 'wal') await peer.run('COMMIT')
    await peer.kill()
    const left = await readFile(path + suffix)
    expect(left.length).toBeGreaterThan(1000)
    for (const state of ['has 0 bytes', 'is not there']) {
      if (state === 'has 0 bytes') await truncate(path)
      else execFileSync('rm', [path])
      await expect(inspectFile(path)).rejects.toMatchObject({
        code: 'invalid',
        message: `${path} ${state}, but ${path}${suffix} has ${left.length} bytes of it`,
        hint: expect.stringContaining('keep a copy of it elsewhere'),
        details: { path, journal: path + suffix },
      })
      expect(await readFile(path + suffix)).toEqual(left)
    }
  })

  it('a first transaction that was broken off leaves an empty database, at whatever moment', async () => {
    const path = join(await freshFolder(), 'app.db')
    const peer = await Peer.open(path)
    await peer.run('BEGIN', 'CREATE TABLE t (n)', 'INSERT INTO t VALUES (1)')
    await peer.kill()
    expect((await fileSize(`${path}-journal`)) ?? 0).toBeGreaterThan(0)
    expect(await inspectFile(path)).toEqual({ kind: 'empty', bytes: 0 })

    const second = await Peer.open(path)
    const many =
      'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000) INSERT INTO t SELECT randomblob(500) FROM c'
    await second.run('PRAGMA cache_size = 5', 'BEGIN', 'CREATE TABLE t (n)', many)
    await second.kill()
    const start = (await readFile(path)).subarray(0, 100)
    expect(start.length).toBe(100)
    expect(start.every(byte => byte === 0)).toBe(true)
    expect(await inspectFile(path)).toEqual({ kind: 'empty', bytes: await fileSize(path) })
    // SQLite thinks so as well.
    expect(ask(path, 'SELECT count(*) FROM sqlite_schema')).toEqual([[0]])
  })
})

describe('realDatabasePath', () => {
  it('finds the file behind links of files and of folders, there or not', async () => {
    const folder = await freshFolder()
    await mkdir(join(folder, 'real'))
    await symlink('real', join(folder, 'current'))
    const path = makeDatabase(join(folder, 'real', 'app.db'), 'rollback', 'CREATE TABLE t (a)')
    await symlink('current/app.db', join(folder, 'link.db'))
    expect(await realDatabasePath(join(folder, 'link.db'))).toBe(path)
    expect(await realDatabasePath(join(folder, 'current', 'new.db'))).toBe(join(folder, 'real', 'new.db'))
    expect(await inspectFile(join(folder, 'link.db'))).toMatchObject({ kind: 'database' })
  })

  it('names a link to nothing and links in a circle', async () => {
    const folder = await freshFolder()
    const [dangling, one, two] = ['dangling', 'one', 'two'].map(name => join(folder, name)) as [string, string, string]
    await symlink('../gone/app.db', dangling)
    await symlink('two', one)
    await symlink('one', two)
    for (const look of [realDatabasePath, inspectFile]) {
      await expect(look(dangling)).rejects.toMatchObject({
        code: 'missing',
        message: `${dangling} is a symbolic link to ../gone/app.db, which is not there`,
        hint: expect.stringContaining('mounted'),
      })
      await expect(look(one)).rejects.toMatchObject({
        code: 'invalid',
        message: `${one} leads nowhere: its symbolic links go in a circle`,
      })
    }
  })

  it('sees the log beside the real file, not beside the link', async () => {
    const path = await database('wal')
    const peer = await Peer.open(path)
    await peer.run('INSERT INTO t VALUES (2)')
    await peer.kill()
    const link = join(await freshFolder(), 'link.db')
    await symlink(path, link)
    await truncate(path)
    await expect(inspectFile(link)).rejects.toMatchObject({ code: 'invalid', details: { journal: `${path}-wal` } })
  })
})
