import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findDamage } from '../../src/validation/damage.ts'
import { openConnection, withDatabase } from '../support/connection.ts'
import { freshFolder } from '../support/folder.ts'
import { pythonSql } from '../support/peers.ts'

const rows = 'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)'

/** Without the defences of node:sqlite, which let nobody write the schema. */
async function made(sql: string): Promise<string> {
  const path = join(await freshFolder(), 'app.db')
  pythonSql(path, sql)
  return path
}

async function damagedAt(page: number, ...statements: string[]): Promise<string> {
  const path = await made(statements.join(';\n'))
  const bytes = await readFile(path)
  bytes.fill(0xa5, (page - 1) * 4096, page * 4096)
  await writeFile(path, bytes)
  return path
}

async function damageOf(path: string): Promise<string | undefined> {
  const connection = openConnection(path)
  try {
    return await findDamage(connection)
  } finally {
    await connection.close()
  }
}

describe('damage', () => {
  it('is a page that does not fit', async () => {
    const path = await damagedAt(5, 'CREATE TABLE t (n)', `${rows} INSERT INTO t SELECT i FROM c`)
    expect(await damageOf(path)).toMatch(/page 5|malformed/)
  })

  it('is a schema that cannot be read', async () => {
    const path = await made(
      "CREATE TABLE t (n); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99 WHERE name = 't'",
    )
    expect(await damageOf(path)).toMatch(/malformed|invalid rootpage/)
  })

  it('is found although thousands of values are wrong as well', async () => {
    const path = await damagedAt(
      50,
      'CREATE TABLE a (n INTEGER)',
      'CREATE TABLE b (n)',
      `${rows} INSERT INTO a SELECT NULL FROM c`,
      ...Array(30).fill(`${rows} INSERT INTO b SELECT i FROM c`),
      `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE a (n INTEGER NOT NULL)' WHERE name = 'a'`,
    )
    expect(await damageOf(path)).toMatch(/page 50|malformed/)
  })

  it('is found in tables beside one that only the application can read', async () => {
    const path = await damagedAt(
      6,
      'CREATE TABLE t (n)',
      `${rows} INSERT INTO t SELECT i FROM c`,
      'CREATE TABLE own (name TEXT COLLATE NOCASE)',
      'CREATE INDEX own_by_name ON own (name)',
      `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'OWN') WHERE name = 'own'`,
    )
    expect(await damageOf(path)).toMatch(/page 6|malformed/)
  })
})

describe('no damage', () => {
  it.each([
    ['a new database', 'SELECT 1'],
    [
      'a row that breaks a CHECK',
      'CREATE TABLE t (n CHECK (n > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (-1)',
    ],
    ['a CHECK that only the application can judge', 'CREATE TABLE t (n CHECK (n IS NOT 7)); INSERT INTO t VALUES (1)'],
    [
      'a full-text index of other content',
      "CREATE TABLE c (x); CREATE VIRTUAL TABLE f USING fts5(x, content = 'c'); INSERT INTO c VALUES ('hello')",
    ],
  ])('is %s', async (_, sql) => {
    expect(await withDatabase(sql, findDamage)).toBeUndefined()
  })

  it('leaves the connection as it was', async () => {
    await withDatabase('CREATE TABLE t (n CHECK (n > 0))', async connection => {
      await findDamage(connection)
      await expect(connection.exec('INSERT INTO t VALUES (-1)')).rejects.toThrow('CHECK constraint failed')
    })
  })
})
