/** Puts rows that were given as values into a managed database; what is there already stays as it is. */

import type { Workspace } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { bookkeepingTables, readBookkeeping } from '../migrations/bookkeeping.ts'
import { countRows } from '../migrations/rows.ts'
import { changeRows, type RowsJobOptions, type RowsResult } from './rows/change.ts'
import type { NewRow, RowsPlan } from './rows/model.ts'
import { planRows } from './rows/plan.ts'
import { LateValues, putRows } from './rows/put.ts'
import { readStored, type StoredColumns, type StoredRow } from './rows/stored.ts'

/** What the rows that are there already have to be like, where a table is to get new ones. */
export interface Condition extends StoredColumns {
  /** Throws a `LockkeeperError` where they are not. */
  readonly require: (rows: readonly StoredRow[]) => void
}

/** @throws LockkeeperError as `changeRows`, `planRows` and `putRows`, and of a condition */
export function importRows(
  options: RowsJobOptions,
  rows: readonly NewRow[],
  conditions: readonly Condition[] = [],
): Promise<RowsResult<RowsPlan>> {
  const late = new LateValues()
  const onProgress = (done: number, total: number) =>
    options.listener({ kind: 'progress', step: 'import', done, total, unit: 'rows' })
  return changeRows(options, {
    action: 'import',
    plan: async connection => {
      const plan = await planRows(connection, rows)
      for (const condition of conditions)
        if (newRows(plan).has(condition.table)) condition.require(await readStored(connection, condition))
      return plan
    },
    amounts: newRows,
    describe: ({ tables }) => {
      const all = Object.values(tables)
      const sum = (what: 'new' | 'there') => all.reduce((total, table) => total + table[what], 0)
      return `${sum('new')} new rows, ${sum('there')} there already`
    },
    prepare: plan => late.prepare(plan.rows, onProgress, options.signal),
    write: async (db, plan) => {
      const before = await countAll(db)
      await putRows(db, plan.rows, late, onProgress)
      refuseOtherCounts(before, await countAll(db), newRows(plan))
    },
  })
}

function newRows({ tables }: RowsPlan): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(tables).flatMap(([name, { new: count }]) => (count === 0 ? [] : [[name, count] as const])),
  )
}

async function countAll(db: Workspace) {
  return countRows(db, bookkeepingTables(await readBookkeeping(db)))
}

/** Exactly the new rows more where they were put, and nowhere fewer than before. @throws LockkeeperError `invalid` */
function refuseOtherCounts(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  added: ReadonlyMap<string, number>,
): void {
  const wrong = [...before].flatMap(([table, rows]) => {
    const now = after.get(table) ?? 0
    const wanted = rows + (added.get(table) ?? 0)
    const right = added.has(table) ? now === wanted : now >= wanted
    return right ? [] : [`${table} has ${now} rows, and should have ${wanted}`]
  })
  if (wrong.length > 0)
    throw new LockkeeperError('invalid', `not every row is there: ${wrong.join('; ')}`, {
      hint: 'Everything was rolled back. Look at the triggers of these tables.',
    })
}
