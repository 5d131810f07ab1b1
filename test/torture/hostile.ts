/** Files that nobody wants to find where a database should be: each made from a sound one at its first migration. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { python } from '../support/peers.ts'

/** Makes one of a sound database in rollback mode. */
type Make = (database: string) => void

export const hostile: Readonly<Record<string, Make>> = {
  'cut off in the header': database => truncateSync(database, 60),
  'only its header': database => truncateSync(database, 100),
  'cut off in its first page': database => truncateSync(database, 2000),
  'only its first page': database => truncateSync(database, 4096),
  'cut off in the middle of a page': database => truncateSync(database, 4096 * 5 + 1234),
  'without its last page': database => truncateSync(database, readFileSync(database).length - 4096),
  'with another page size in its header': edit(bytes => bytes.writeUInt16BE(8192, 16)),
  'with a page size that there is not': edit(bytes => bytes.writeUInt16BE(4095, 16)),
  'with a page size of 65536': edit(bytes => bytes.writeUInt16BE(1, 16)),
  'with a format of the future': edit(bytes => bytes.fill(9, 18, 20)),
  'in WAL mode by its header only': edit(bytes => bytes.fill(2, 18, 20)),
  'with an encoding that there is not': edit(bytes => bytes.writeUInt32BE(77, 56)),
  'with a reserved space larger than its pages': edit(bytes => bytes.writeUInt8(255, 20)),
  'with a list of free pages that leads nowhere': edit(bytes => {
    bytes.writeUInt32BE(4_000_000, 32)
    bytes.writeUInt32BE(3, 36)
  }),
  'with its schema over-written': edit(bytes => bytes.fill(0xff, 100, 4096)),
  'with each second page turned over': edit(bytes => {
    for (let page = 1; page * 4096 < bytes.length; page += 2) bytes.subarray(page * 4096, (page + 1) * 4096).reverse()
  }),
  'with the first bytes of all pages changed': edit(bytes => {
    for (let at = 4096; at < bytes.length; at += 4096) bytes.writeUInt8((bytes[at] ?? 0) ^ 0xff, at)
  }),
  'with its pages in another order': edit(bytes => {
    const pages = Array.from({ length: bytes.length / 4096 - 1 }, (_, page) =>
      Buffer.from(bytes.subarray((page + 1) * 4096, (page + 2) * 4096)),
    )
    for (const [position, page] of pages.reverse().entries()) page.copy(bytes, (position + 1) * 4096)
  }),
  'with two tables in the same pages': schema(
    "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'orders') WHERE name = 'customers'",
  ),
  'with a table whose pages begin beyond its end': schema(
    "UPDATE sqlite_schema SET rootpage = 1000000 WHERE name = 'customers'",
  ),
  'with a table whose statement is none': schema(
    "UPDATE sqlite_schema SET sql = 'CREATE TABLE (' WHERE name = 'orders'",
  ),
  'with views that are made of each other': schema(
    "INSERT INTO sqlite_schema VALUES ('view', 'a', 'a', 0, 'CREATE VIEW a AS SELECT * FROM b'), ('view', 'b', 'b', 0, 'CREATE VIEW b AS SELECT * FROM a')",
  ),
  'with triggers that set each other off': sql(
    `CREATE TRIGGER a AFTER UPDATE ON customers BEGIN UPDATE orders SET what = what || '!'; END;
     CREATE TRIGGER b AFTER UPDATE ON orders BEGIN UPDATE customers SET name = name || '!'; END; PRAGMA recursive_triggers = ON`,
  ),
  'with a table of a module that is not there': schema(
    "INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING no_such_module(x)')",
  ),
  'with an index by a collation that is not there': schema(
    "UPDATE sqlite_schema SET sql = 'CREATE INDEX orders_by_customer ON orders (what COLLATE klingon)' WHERE name = 'orders_by_customer'",
  ),
  'with names of a megabyte': sql(`CREATE TABLE "${'n'.repeat(1_000_000)}" ("${'c'.repeat(1_000_000)}")`),
  'with 2,000 columns': sql(`CREATE TABLE wide (${Array.from({ length: 2000 }, (_, n) => `c${n} TEXT`).join(', ')})`),
  'with 1,500 tables': sql(
    `BEGIN; ${Array.from({ length: 1500 }, (_, n) => `CREATE TABLE t${n} (x);`).join('')} COMMIT`,
  ),
  'a named pipe': database => {
    rmSync(database)
    execFileSync('mkfifo', [database])
  },
  'a device': database => {
    rmSync(database)
    symlinkSync('/dev/zero', database)
  },
  'a link to nothing': database => {
    rmSync(database)
    symlinkSync('/nowhere/app.db', database)
  },
  'a link to itself': database => {
    rmSync(database)
    symlinkSync(database, database)
  },
  'a folder': database => {
    rmSync(database)
    mkdirSync(database)
  },
}

/** What SQLite takes for the database's own, as nothing in it says whose it is: whoever opens it for writing puts it in. */
export const strays: Readonly<Record<string, Make>> = {
  'the log of another database': database => leaveBehind(database, 'wal'),
  'the journal of another database': database => leaveBehind(database, 'journal'),
}

function edit(change: (bytes: Buffer) => unknown): Make {
  return database => {
    const bytes = readFileSync(database)
    change(bytes)
    writeFileSync(database, bytes)
  }
}

function sql(statements: string): Make {
  return database => {
    const db = new DatabaseSync(database)
    db.exec(statements)
    db.close()
  }
}

/** By a program that may write the schema table, which Node's SQLite does not allow. */
function schema(statement: string): Make {
  return database =>
    void python(
      `import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('PRAGMA writable_schema = ON')
db.execute(sys.argv[2])
db.commit()
db.close()`,
      [database, statement],
    )
}

/** What a program that was killed left of another, larger database. */
function leaveBehind(database: string, kind: 'wal' | 'journal'): void {
  const other = `${database}.other`
  python(
    `import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA journal_mode = ' + ('WAL' if sys.argv[2] == 'wal' else 'DELETE'))
db.execute('CREATE TABLE theirs (x)')
db.execute("INSERT INTO theirs WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) SELECT hex(randomblob(50)) FROM c")
if sys.argv[2] == 'journal':
    db.execute('PRAGMA cache_size = 5')
    db.execute('BEGIN')
    db.execute('UPDATE theirs SET x = upper(x) || 1')
os._exit(0)`,
    [other, kind],
  )
  if (kind === 'wal') edit(bytes => bytes.fill(2, 18, 20))(database)
  copyFileSync(`${other}-${kind}`, `${database}-${kind}`)
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(other + suffix, { force: true })
}
