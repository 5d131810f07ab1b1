import { copyFile, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Connection, quoteName, type SqliteError } from '../../src/database/connection.ts'
import { inspectFile } from '../../src/database/location.ts'
import { LockkeeperError } from '../../src/errors.ts'
import { inspectCopy, toRollbackMode } from '../../src/sandbox/inspect.ts'
import { integrityCheck } from '../../src/validation/integrity.ts'
import { freshFolder, makeDatabase, modes } from '../support/folder.ts'

const filled = [
  'CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT)',
  'CREATE INDEX i ON t (s)',
  "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) INSERT INTO t SELECT i, 'text ' || i FROM c",
]

async function make(...statements: string[]): Promise<string> {
  return makeDatabase(join(await freshFolder(), 'copy 1%.db'), 'rollback', ...statements)
}

const count = (db: Connection) => db.all('SELECT count(*) AS n FROM t')

async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(bytes, 0, bytes.length, at)
  await file.close()
}

describe('a copy that came back', () => {
  it.each(modes)('in %s mode is checked in the sandbox, and is in rollback mode then', async mode => {
    const path = makeDatabase(join(await freshFolder(), 'copy.db'), mode, ...filled)
    const before = await readFile(path)
    expect(await inspectCopy(path, integrityCheck)).toEqual({ how: 'in the sandbox', value: [] })
    expect(await inspectCopy(path, count)).toEqual({ how: 'in the sandbox', value: [{ n: 5000 }] })
    expect(await readdir(dirname(path))).toEqual(['copy.db'])
    const after = await readFile(path)
    expect([after[18], after[19]]).toEqual([1, 1])
    before.set([1, 1], 18)
    expect(after.equals(before)).toBe(true)
  })

  it('uses what the sandbox has: FTS5, generated columns, STRICT, JSON', async () => {
    const path = await make(
      ...filled,
      'CREATE VIRTUAL TABLE words USING fts5(text)',
      "INSERT INTO words VALUES ('a few words')",
      "CREATE TABLE strict_one (a TEXT, b TEXT AS (json_extract(a, '$.b')) STORED) STRICT",
    )
    expect(await inspectCopy(path, integrityCheck)).toEqual({ how: 'in the sandbox', value: [] })
    const found = await inspectCopy(path, db => db.all("SELECT text FROM words WHERE words MATCH 'few'"))
    expect(found.value).toEqual([{ text: 'a few words' }])
  })

  it.each([
    ['UTF-16', "PRAGMA encoding = 'UTF-16le'"],
    ['UTF-16', "PRAGMA encoding = 'UTF-16be'"],
    ['no such module: rtree', 'CREATE VIRTUAL TABLE places USING rtree (id, a, b)'],
    ['no such module: fts4', 'CREATE VIRTUAL TABLE words USING fts4 (text)'],
    ['no such module: fts3', 'CREATE VIRTUAL TABLE words USING fts3 (text)'],
  ])('is checked natively where the sandbox lacks something: %s', async (lacking, statement) => {
    const path = await make(statement, ...filled)
    for (const read of [integrityCheck, count]) {
      const { how } = await inspectCopy<unknown>(path, read)
      expect(how).toMatch(/^natively, because the sandbox cannot: /)
      expect(how).toContain(lacking)
    }
    expect((await inspectCopy(path, integrityCheck)).value).toEqual([])
    expect((await inspectCopy(path, count)).value).toEqual([{ n: 5000 }])
  })

  it('is checked natively when the sandbox has too little memory, whatever the reader makes of that', async () => {
    const path = await make(...filled)
    const reader = async (db: Connection) => {
      const options = await db.all<{ compile_options: string }>('PRAGMA compile_options')
      if (options.some(option => option.compile_options === 'ENABLE_RTREE')) return 'enough memory'
      // WebAssembly has 2 GiB at most.
      return db
        .all("SELECT length(zeroblob(900000000) || ''), length(zeroblob(900000001) || '')")
        .catch(() => 'a finding')
    }
    expect(await inspectCopy(path, reader)).toEqual({
      how: 'natively, because the sandbox cannot: out of memory',
      value: 'enough memory',
    })
  })

  it('with a module that only its application has is checked all the same', async () => {
    const path = await make(...filled, 'CREATE VIRTUAL TABLE own USING fts5 (text)')
    const bytes = await readFile(path)
    await writeFile(path, Buffer.from(bytes.toString('latin1').replace('USING fts5', 'USING mine'), 'latin1'))
    const { how, value } = await inspectCopy(path, integrityCheck)
    expect(how).toContain('no such module: mine')
    expect(value.filter(finding => finding.severity === 'fail')).toEqual([])
  })

  it('is refused when it is no database', async () => {
    const path = join(await freshFolder(), 'copy.db')
    await writeFile(path, 'no database '.repeat(1000))
    await expect(inspectCopy(path, integrityCheck)).rejects.toMatchObject({ code: 'invalid' })
  })

  it('passes on what its reader throws', async () => {
    const path = await make(...filled)
    const thrown = new RangeError('the reader’s own')
    await expect(inspectCopy(path, () => Promise.reject(thrown))).rejects.toBe(thrown)
    await expect(inspectCopy(path, db => db.all('SELECT * FROM gone'))).rejects.toMatchObject({
      name: 'SqliteError',
      message: 'no such table: gone',
    })
  })

  it('is left with the reason of the signal of its job', async () => {
    const path = await make(...filled)
    const stop = new AbortController()
    const reason = new Error('stopped')
    const endless = (db: Connection) => {
      const answer = db.all('WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c')
      stop.abort(reason)
      return answer
    }
    await expect(inspectCopy(path, endless, stop.signal)).rejects.toBe(reason)
    await expect(inspectCopy(path, count, stop.signal)).rejects.toBe(reason)
  })
})

describe('a damaged copy', () => {
  /** Every page, as a job that reads everything does. */
  async function damage(path: string): Promise<string> {
    try {
      const { value } = await inspectCopy(path, async db => {
        const findings = await integrityCheck(db)
        for (const { name } of await db.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'"))
          await db.all(`SELECT count(*) FROM ${quoteName(String(name))}`).catch(ofItsOwn)
        return findings
      })
      return value.length === 0 ? 'sound' : 'findings'
    } catch (error) {
      if (!(error instanceof LockkeeperError)) return `not explained: ${error}`
      expect(error.hint).toBeDefined()
      return error.code
    }
  }

  /** Damage can make names that lead nowhere: SQLITE_ERROR. */
  function ofItsOwn(error: SqliteError): void {
    if (error.errcode !== 1) throw error
  }

  it('with a number in its header that no SQLite knows is invalid', async () => {
    const path = await make(...filled)
    await overwrite(path, 44, Buffer.from([0, 0, 0, 99]))
    await expect(inspectCopy(path, count)).rejects.toMatchObject({
      code: 'invalid',
      message: `${path} is damaged: unsupported file format`,
    })
  })

  it('has findings, or is invalid', async () => {
    const path = await make(...filled)
    await overwrite(path, 3 * 4096, Buffer.alloc(4096))
    expect(await damage(path)).not.toBe('sound')
    const { value } = await inspectCopy(path, integrityCheck)
    expect(value.map(finding => finding.severity)).toContain('fail')
  })

  it.each([0.3, 0.5, 0.99])('is not sound when only %d of it is there', async part => {
    const path = await make(...filled)
    await truncate(path, Math.floor((await stat(path)).size * part))
    expect(['invalid', 'findings']).toContain(await damage(path))
  })

  it('is invalid when it ends after its header', async () => {
    const path = await make(...filled)
    for (const size of [4096, 512, 100, 99]) {
      await truncate(path, size)
      expect(await damage(path), `${size} bytes`).toBe('invalid')
    }
  })

  it('comes to an end and harms nothing, whatever bytes are in it', async () => {
    const sound = await make(
      ...filled,
      'CREATE VIRTUAL TABLE words USING fts5(text)',
      "INSERT INTO words VALUES ('some words')",
    )
    const { size } = await stat(sound)
    const path = join(dirname(sound), 'damaged.db')
    const edits = fc.array(
      fc.record({
        // The first page has the schema; pages begin with what says how to read them.
        at: fc.oneof(
          fc.integer({ min: 16, max: 4095 }),
          fc.integer({ min: 1, max: size / 4096 - 1 }).map(page => page * 4096),
          fc.nat(size - 1),
        ),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
      }),
      { minLength: 1, maxLength: 20 },
    )
    await fc.assert(
      fc.asyncProperty(edits, async changes => {
        await copyFile(sound, path)
        for (const { at, bytes } of changes) await overwrite(path, at, bytes)
        expect(['sound', 'findings', 'invalid']).toContain(await damage(path))
      }),
      { numRuns: 12, endOnFailure: true },
    )
  })
})

describe('toRollbackMode', () => {
  it('changes two bytes of a database in WAL mode, and nothing of any other', async () => {
    for (const mode of modes) {
      const path = makeDatabase(join(await freshFolder(), 'copy.db'), mode, ...filled)
      expect(await toRollbackMode(path)).toBe('UTF-8')
      expect(await inspectFile(path)).toMatchObject({ header: { journalMode: 'rollback' } })
    }
  })
})
