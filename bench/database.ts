/** A database like an application's: identifiers, times, sentences, numbers, some incompressible bytes, three indexes. */

import { randomBytes, randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

const words =
  'pump station dispenser meter calibration work order visit fuel grade unleaded diesel premium store'.split(' ')

/** Above this it is made of copies with other identifiers: indexes over random ones would take hours. */
const megabytesOfOwn = 1000

/** Makes it, of about so many megabytes. */
export function makeDatabase(path: string, megabytes: number): void {
  // Otherwise SQLite would not do without a journal.
  const database = new DatabaseSync(path, { defensive: false })
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -250000;
    CREATE TABLE visits(id INTEGER PRIMARY KEY, uuid TEXT, at TEXT, price REAL, note TEXT, photo BLOB);
    CREATE INDEX visits_uuid ON visits(uuid); CREATE INDEX visits_at ON visits(at)`)
  const pages = database.prepare('PRAGMA page_count')
  const size = () => (Number(pages.get()?.['page_count']) * 4096) / 1e6
  for (let row = 0; size() < Math.min(megabytes, megabytesOfOwn); row += 1000) addRows(database, row, 1000)
  for (let copy = 1; size() < megabytes; copy++)
    database.exec(
      `CREATE TABLE visits_${copy} AS SELECT id * 1000 + ${copy} AS id, uuid, at, price + ${copy} AS price, note, photo FROM visits`,
    )
  database.close()
}

/** Adds rows behind the last one. */
export function addRows(database: DatabaseSync, from: number, count: number): void {
  const insert = database.prepare('INSERT INTO visits VALUES (NULL, ?, ?, ?, ?, ?)')
  database.exec('BEGIN')
  for (let row = from; row < from + count; row++) {
    const length = 5 + ((row * 7919) % 40)
    const note = Array.from({ length }, () => words[(Math.random() * words.length) | 0]).join(' ')
    const at = new Date(1.7e12 + row * 977).toISOString()
    insert.run(randomUUID(), at, Math.random() * 1000, note, row % 10 === 0 ? randomBytes(100) : null)
  }
  database.exec('COMMIT')
}
