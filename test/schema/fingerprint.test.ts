import { describe, expect, it } from 'vitest'
import type { Connection } from '../../src/database/connection.ts'
import { schemaFingerprint } from '../../src/schema/fingerprint.ts'
import { withDatabase } from '../support/connection.ts'

const fingerprint = (sql: string, exclude: readonly string[] = []) =>
  withDatabase(sql, connection => schemaFingerprint(connection, { exclude }))
const base = 'CREATE TABLE t(a); CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT a FROM t;'

describe('a fingerprint', () => {
  it('is a SHA-256 in hex', async () => {
    expect(await fingerprint(base)).toMatch(/^[0-9a-f]{64}$/)
  })

  it('stays the same while only rows change, also over a VACUUM, an ANALYZE or a use of AUTOINCREMENT', async () => {
    await withDatabase(`${base} CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT)`, async connection => {
      const before = await schemaFingerprint(connection)
      await connection.exec('INSERT INTO t VALUES(1); INSERT INTO n DEFAULT VALUES; ANALYZE; VACUUM')
      expect(await schemaFingerprint(connection)).toBe(before)
    })
  })

  it('does not depend on the order in which objects were made, nor on the encoding', async () => {
    const one = 'CREATE TABLE "é"(a); CREATE TABLE "\u{1F600}"(a); CREATE TABLE "\uFF41"(a)'
    const other = 'CREATE TABLE "\uFF41"(a); CREATE TABLE "\u{1F600}"(a); CREATE TABLE "é"(a)'
    expect(await fingerprint(other)).toBe(await fingerprint(one))
    expect(await fingerprint(`PRAGMA encoding='UTF-16le'; ${other}`)).toBe(await fingerprint(one))
  })

  const changes = [
    'CREATE TABLE u(a)',
    'ALTER TABLE t ADD b',
    'ALTER TABLE t RENAME a TO b',
    'DROP INDEX i',
    'DROP INDEX i; CREATE INDEX i ON t(a DESC)',
    'DROP VIEW v',
    'CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END',
    'CREATE VIRTUAL TABLE f USING fts5(a)',
  ]
  it.each(changes)('changes with %s', async change => {
    expect(await fingerprint(`${base} ${change}`)).not.toBe(await fingerprint(base))
  })

  it('leaves out tables that are excluded, in any case, with what hangs on them', async () => {
    const more = `${base} CREATE TABLE Book(v PRIMARY KEY, x UNIQUE); CREATE INDEX bi ON Book(x);
      CREATE TRIGGER bg AFTER INSERT ON book BEGIN SELECT 1; END`
    expect(await fingerprint(more, ['BOOK', 'not there'])).toBe(await fingerprint(base))
    expect(await fingerprint(more)).not.toBe(await fingerprint(base))
  })

  it('takes an excluded name as it is, not as a pattern', async () => {
    expect(await fingerprint(base, ['_', '%', 't*', 'i'])).toBe(await fingerprint(base))
  })

  it('does not look at temporary tables', async () => {
    expect(await fingerprint(`${base} CREATE TEMP TABLE x(a)`)).toBe(await fingerprint(base))
  })

  it('takes one query', async () => {
    await withDatabase(base, async connection => {
      let queries = 0
      const counting: Connection = {
        ...connection,
        all: (sql, ...params) => {
          queries++
          return connection.all(sql, ...params)
        },
      }
      await schemaFingerprint(counting, { exclude: ['a', 'b'] })
      expect(queries).toBe(1)
    })
  })
})
