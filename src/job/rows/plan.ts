/** Which of the given rows are in the database already, and which are new. Reads only. */
import { type Connection, quoteName, type Value } from '../../database/connection.ts'
import { LockkeeperError } from '../../errors.ts'
import type { Cell, NewRow, PlannedRow, Reference, RowsPlan } from './model.ts'

type Values = Readonly<Record<string, Value>>

/**
 * @throws LockkeeperError `invalid` where a table or column is not there, or a row of somebody else has a value that may
 * be there only once; and what a late cell's `check` throws
 */
export async function planRows(connection: Connection, rows: readonly NewRow[]): Promise<RowsPlan> {
  await requireColumns(connection, rows)
  const lookUp = references(connection)
  const planned: PlannedRow[] = []
  const tables: Record<string, { new: number; there: number }> = {}
  const notes: string[] = []
  for (const [table, group] of Map.groupBy(rows, row => row.table)) {
    const counts = { new: 0, there: 0 }
    tables[table] = counts
    const left = await countKeys(connection, table, Object.keys(group[0]?.key ?? {}))
    const identities = await identitiesOf(connection, table, group[0]?.identity)
    for (const row of group) {
      const key = await resolve(row.key, lookUp)
      const text = textOf(Object.values(key))
      const found = left.get(text) ?? 0
      const values = { ...key, ...(await resolve(row.values, lookUp)) }
      if (found > 0) {
        left.set(text, found - 1)
        counts.there++
        if (row.tellDifference && (await differs(connection, table, key, values)))
          notes.push(`${row.source}: a row of ${table} is there already, with other values; it is left as it is`)
        continue
      }
      if (row.identity !== undefined && identities.has(values[row.identity] ?? null)) {
        counts.there++
        continue
      }
      counts.new++
      await refuseTaken(connection, row, values)
      for (const { check } of Object.values(row.late ?? {})) check?.()
      planned.push({ table, values, late: row.late ?? {}, source: row.source })
    }
  }
  return { rows: planned, tables, notes }
}

/** How many rows of a table have which key. */
async function countKeys(connection: Connection, table: string, columns: readonly string[]) {
  const names = columns.map(quoteName).join(', ')
  const found = await connection.all<Values & { readonly lockkeeper_n: number }>(
    `SELECT ${names}, count(*) AS lockkeeper_n FROM main.${quoteName(table)} GROUP BY ${names}`,
  )
  const counts = new Map<string, number>()
  for (const row of found) {
    const text = textOf(columns.map(name => row[name] ?? null))
    counts.set(text, (counts.get(text) ?? 0) + row.lockkeeper_n)
  }
  return counts
}

async function identitiesOf(connection: Connection, table: string, column: string | undefined): Promise<Set<Value>> {
  if (column === undefined) return new Set()
  const rows = await connection.all<{ readonly identity: Value }>(
    `SELECT ${quoteName(column)} AS identity FROM main.${quoteName(table)}`,
  )
  return new Set(rows.map(({ identity }) => identity))
}

type LookUp = (reference: Reference) => Promise<Value>

/** Each table that is referred to is read once. */
function references(connection: Connection): LookUp {
  const read = new Map<string, Map<string, Value>>()
  return async ({ column, otherwise, table, where }) => {
    const columns = Object.keys(where)
    const name = textOf([table, column, ...columns])
    let known = read.get(name)
    if (known === undefined) {
      const names = [...columns, column].map(quoteName).join(', ')
      const rows = await connection.all<Values>(`SELECT ${names} FROM main.${quoteName(table)}`)
      known = new Map(rows.map(row => [textOf(columns.map(each => row[each] ?? null)), row[column] ?? null]))
      read.set(name, known)
    }
    return known.get(textOf(Object.values(where))) ?? otherwise
  }
}

async function resolve(cells: Readonly<Record<string, Cell>>, lookUp: LookUp): Promise<Values> {
  const values: Record<string, Value> = {}
  for (const [name, cell] of Object.entries(cells)) values[name] = isReference(cell) ? await lookUp(cell) : cell
  return values
}

function isReference(cell: Cell): cell is Reference {
  return typeof cell === 'object' && cell !== null && !(cell instanceof Uint8Array)
}

async function differs(connection: Connection, table: string, key: Values, values: Values): Promise<boolean> {
  const names = Object.keys(values)
  const [there] = await connection.all<Values>(
    `SELECT ${names.map(quoteName).join(', ')} FROM main.${quoteName(table)} WHERE ${whereOf(key)} LIMIT 1`,
    ...Object.values(key),
  )
  return there !== undefined && names.some(name => there[name] !== values[name])
}

async function refuseTaken(connection: Connection, { source, table, unique }: NewRow, values: Values): Promise<void> {
  if (unique === undefined) return
  const found = await connection.all(
    `SELECT 1 FROM main.${quoteName(table)} WHERE ${quoteName(unique)} = ? COLLATE NOCASE LIMIT 1`,
    values[unique] ?? null,
  )
  if (found.length === 0) return
  throw new LockkeeperError('invalid', `${source}: another row of ${table} has the same ${unique} under another key`, {
    hint: 'Nothing was touched. Find out which of the two is right, and correct or remove the other.',
    details: { table, source },
  })
}

/** @throws LockkeeperError `invalid` */
async function requireColumns(connection: Connection, rows: readonly NewRow[]): Promise<void> {
  const wanted = new Map<string, Set<string>>()
  for (const { key, late = {}, table, values } of rows) {
    const names = wanted.get(table) ?? new Set()
    for (const name of [key, values, late].flatMap(cells => Object.keys(cells))) names.add(name)
    wanted.set(table, names)
  }
  const missing: string[] = []
  for (const [table, names] of wanted) {
    const there = await connection.all<{ name: string }>(`SELECT name FROM pragma_table_info(?, 'main')`, table)
    const columns = new Set(there.map(({ name }) => name))
    if (columns.size === 0) missing.push(table)
    else missing.push(...[...names].filter(name => !columns.has(name)).map(name => `${table}.${name}`))
  }
  if (missing.length > 0)
    throw new LockkeeperError('invalid', `the database does not have what is needed: ${missing.join(', ')}`, {
      hint: 'Nothing was touched. lockkeeper run brings the database to its level first; is DATABASE_URL right?',
      details: { missing },
    })
}

export function whereOf(values: Values): string {
  return Object.keys(values)
    .map(name => `${quoteName(name)} IS ?`)
    .join(' AND ')
}

function textOf(values: readonly Value[]): string {
  return JSON.stringify(values)
}
