/** The reference application's rows, written by another program. */

import { insertRows, type Level } from '../fixtures/fossawork/rows.ts'
import { databaseAt } from '../fossawork/migration-files.ts'
import { tablesIn } from '../fossawork/structure.ts'
import { python } from './peers.ts'

const insert = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('PRAGMA journal_mode = ' + sys.argv[2])
for table, rows in json.load(sys.stdin).items():
    for row in rows:
        names = ', '.join(row)
        db.execute(f'INSERT OR REPLACE INTO {table} ({names}) VALUES ({", ".join("?" * len(row))})', list(row.values()))
db.commit()
if sys.argv[3] == 'close': db.close()
else: import os; os._exit(0)
`

/** As an application does that ends well, or as one that is killed and leaves its log behind. */
export type Ending = 'close' | 'vanish'

/** Writes the made-up rows of a level into a database at that level with Python's sqlite3. */
export function fillByPython(database: string, level: Level, mode: 'delete' | 'wal', ending: Ending = 'close'): void {
  const source = databaseAt(level)
  insertRows(source, level)
  // What belongs to the search is written by its triggers.
  const tables = tablesIn(source).filter(name => !name.startsWith('work_orders_fts'))
  const rows = tables.map(name => [name, source.prepare(`SELECT * FROM ${name}`).all()])
  python(insert, [database, mode, ending], JSON.stringify(Object.fromEntries(rows)))
}
