/** A small application whose rows another program has written: customers and their orders. */

import { readFileSync, writeFileSync } from 'node:fs'
import { expectOk } from './cli.ts'
import { pythonSql } from './peers.ts'
import { newPlace, type Workplace } from './workplace.ts'

export const shopSchema = `-- description: customers and their orders

-- migrate:up
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  what TEXT
);
CREATE INDEX orders_by_customer ON orders (customer_id);

-- migrate:down
DROP TABLE orders;
DROP TABLE customers;
`

const rows = `
  INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Barbara');
  INSERT INTO orders VALUES (1, 1, 'engine'), (2, 1, 'cards'), (3, 2, 'compiler'), (4, 3, 'clu');
`

type Mode = 'delete' | 'wal'

/** The bytes of the database as they were made the first time: most tests begin with it. */
const made = new Map<Mode, Buffer>()

/** A workplace with the shop at its first migration, and its rows; no backup yet. */
export async function shop({ mode = 'delete' }: { mode?: Mode } = {}): Promise<Workplace> {
  const place = newPlace()
  place.migration('v001_shop', shopSchema)
  const bytes = made.get(mode)
  if (bytes === undefined) await make(place, mode)
  else writeFileSync(place.database, bytes)
  return place
}

async function make(place: Workplace, mode: Mode): Promise<void> {
  expectOk(await place.run(['run', '--no-backup']))
  pythonSql(place.database, `PRAGMA journal_mode = ${mode}; ${rows}`)
  made.set(mode, readFileSync(place.database))
}
