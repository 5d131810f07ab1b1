/** Puts planned rows in, and sees that each is there as it was given. Inside the caller's transaction. */
import { type Connection, quoteName, SqliteError, type Value } from '../../database/connection.ts'
import { LockkeeperError } from '../../errors.ts'
import type { LateCell, PlannedRow } from './model.ts'

/** A late value is made once, before anybody is locked out. */
export class LateValues {
  readonly #made = new Map<LateCell, Value>()

  /** @param onProgress is told after each */
  async prepare(rows: readonly PlannedRow[], onProgress: (done: number, total: number) => void, signal?: AbortSignal) {
    const cells = rows.flatMap(({ late }) => Object.values(late)).filter(cell => !this.#made.has(cell))
    for (const [at, cell] of cells.entries()) {
      signal?.throwIfAborted()
      this.#made.set(cell, await cell.make())
      onProgress(at + 1, cells.length)
    }
  }

  /** All values of a row that was prepared. */
  of({ late, values }: PlannedRow): Record<string, Value> {
    const made = Object.entries(late).map(([name, cell]) => [name, this.#made.get(cell) ?? null] as const)
    return { ...values, ...Object.fromEntries(made) }
  }
}

/**
 * @throws LockkeeperError `invalid` where SQLite refuses a row, or it is not there afterwards as it was given
 * @param onProgress is told now and then; each row counts twice, the second time for the comparison
 */
export async function putRows(
  db: Connection,
  rows: readonly PlannedRow[],
  late: LateValues,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const total = rows.length * 2
  const rowids = await inOrder(
    rows,
    row => insert(db, row, late.of(row)),
    done => onProgress(done, total),
  )
  // Only now: a trigger that a later row fires could change an earlier one.
  await inOrder(
    rows,
    (row, at) => compare(db, row, rowids[at]!, late.of(row)),
    done => onProgress(rows.length + done, total),
  )
}

/** The database does one after the other; some are sent at once, so that it need not wait for the next. */
const atOnce = 100

async function inOrder<T, Result>(
  items: readonly T[],
  work: (item: T, at: number) => Promise<Result>,
  onDone: (done: number) => void,
): Promise<Result[]> {
  const results: Result[] = []
  while (results.length < items.length) {
    const start = results.length
    const some = items.slice(start, start + atOnce)
    results.push(...(await Promise.all(some.map((item, at) => work(item, start + at)))))
    onDone(results.length)
  }
  return results
}

async function insert(db: Connection, { source, table }: PlannedRow, values: Record<string, Value>): Promise<number> {
  const names = Object.keys(values)
  try {
    const [row] = await db.all<{ rowid: number }>(
      `INSERT INTO main.${quoteName(table)} (${names.map(quoteName).join(', ')})
       VALUES (${names.map(() => '?').join(', ')}) RETURNING rowid AS rowid`,
      ...Object.values(values),
    )
    if (row !== undefined) return row.rowid
  } catch (error) {
    if (!(error instanceof SqliteError) || !refusals.has(error.primary)) throw error
    throw notThere(`${source} could not be put into ${table}: ${error.message}`, table, error)
  }
  throw notThere(`${source} was not put into ${table}: a trigger of it refused the row`, table)
}

/** SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH. */
const refusals = new Set([1, 19, 20])

/** Strictly: a text that SQLite has made a number of, or a trigger has changed, is another value. */
async function compare(
  db: Connection,
  { source, table }: PlannedRow,
  rowid: number,
  values: Record<string, Value>,
): Promise<void> {
  const names = Object.keys(values)
  const [there] = await db.all<Record<string, Value>>(
    `SELECT ${names.map(quoteName).join(', ')} FROM main.${quoteName(table)} WHERE rowid = ?`,
    rowid,
  )
  if (there === undefined) throw notThere(`${source} is not in ${table} after it was put in`, table)
  const other = names.filter(name => there[name] !== values[name])
  if (other.length > 0)
    throw notThere(`${source} is in ${table} with another value than it was given: ${other.join(', ')}`, table)
}

function notThere(message: string, table: string, cause?: unknown): LockkeeperError {
  return new LockkeeperError('invalid', message, {
    hint: 'Everything was rolled back. Look at the triggers and constraints of that table, and at the record that is named.',
    details: { table },
    cause,
  })
}
