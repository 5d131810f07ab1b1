import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseHeader, parseJournal } from '../../src/database/header.ts'
import { database, freshFolder, makeDatabase } from '../support/folder.ts'
import { Peer } from '../support/peer.ts'

describe('the header of a database', () => {
  it.each([512, 1024, 4096, 32768, 65536])('says that its pages have %i bytes', async pageSize => {
    const statements = [`PRAGMA page_size = ${pageSize}`, 'CREATE TABLE t (a)']
    const path = makeDatabase(join(await freshFolder(), 'app.db'), 'rollback', ...statements)
    expect(parseHeader(await readFile(path))).toEqual({ pageSize, journalMode: 'rollback', encoding: 'UTF-8' })
  })

  it('says that it is in WAL mode', async () => {
    expect(parseHeader(await readFile(await database('wal')))).toMatchObject({ journalMode: 'wal' })
  })

  it.each(['UTF-16le', 'UTF-16be'])('says that its text is in %s', async encoding => {
    const path = makeDatabase(
      join(await freshFolder(), 'app.db'),
      'rollback',
      `PRAGMA encoding = '${encoding}'`,
      'CREATE TABLE t (a)',
    )
    expect(parseHeader(await readFile(path))).toMatchObject({ encoding: 'UTF-16' })
  })

  it('is nothing else', async () => {
    const start = (await readFile(await database('rollback'))).subarray(0, 100)
    expect(parseHeader(start)).toBeDefined()
    expect(parseHeader(start.subarray(0, 99))).toBeUndefined()
    fc.assert(
      fc.property(fc.nat(15), fc.uint8Array({ minLength: 1, maxLength: 1 }), (at, [byte]) => {
        const changed = Buffer.from(start)
        changed[at] = byte!
        expect(parseHeader(changed) === undefined).toBe(byte !== start[at])
      }),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => parseHeader(bytes) === undefined))
  })
})

describe('a rollback journal', () => {
  /** The journal of a transaction that is open, with so many rows there before. */
  async function journal(rowsBefore: number, cacheSize: number): Promise<Buffer> {
    const path = rowsBefore > 0 ? await database('rollback', rowsBefore) : join(await freshFolder(), 'app.db')
    const peer = await Peer.open(path)
    const many =
      'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) INSERT INTO u SELECT i FROM c'
    await peer.run(`PRAGMA cache_size = ${cacheSize}`, 'BEGIN', 'CREATE TABLE u (n)', many)
    return readFile(`${path}-journal`)
  }

  it('does nothing before its transaction has reached the file, and when it is over', async () => {
    expect(parseJournal(await journal(5000, 2000))).toBe('nothing')
    expect(parseJournal(Buffer.alloc(0))).toBe('nothing')
    const path = await database('rollback')
    const own = new DatabaseSync(path)
    own.exec('PRAGMA journal_mode = PERSIST; INSERT INTO t VALUES (2)')
    const kept = await readFile(`${path}-journal`)
    expect(kept.length).toBeGreaterThan(512)
    expect(parseJournal(kept)).toBe('nothing')
    own.close()
  })

  it('empties a new database, and restores one that had content', async () => {
    expect(parseJournal(await journal(0, 2))).toBe('empties')
    expect(parseJournal(await journal(5000, 2))).toBe('restores')
  })

  it('of which nobody can tell what it is counts as one that restores', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 28, maxLength: 600 }), bytes => {
        fc.pre(bytes.subarray(0, 12).some(byte => byte !== 0))
        return parseJournal(bytes) === 'restores'
      }),
    )
  })
})
