/**
 * A row in every table, for what only shows where there are rows. Each is as bare as the table allows: NULL where that is
 * allowed, the default where there is one, otherwise something of the declared type, or what a CHECK mentions.
 */
import { quoteName, SqliteError, type Workspace } from '../database/connection.ts'
import { type Column, fold, type Schema, type Table } from '../schema/model.ts'
import { significantTokens } from '../schema/tokens.ts'

/** So many rows are tried for a table before it is left without one. */
const attempts = 64

/** Tables that take none of the rows that are tried stay as they are. */
export async function addSampleRows(workspace: Workspace, { tables }: Schema): Promise<void> {
  const ordinary = tables.filter(({ virtual }) => virtual === null)
  for (const table of ordinary) await addRow(workspace, table)
  // Triggers that the later ones fired may have taken earlier ones away.
  for (const table of ordinary) if (await isEmpty(workspace, table)) await addRow(workspace, table)
}

async function isEmpty(workspace: Workspace, { name }: Table): Promise<boolean> {
  return (await workspace.all(`SELECT 1 FROM main.${quoteName(name)} LIMIT 1`)).length === 0
}

async function addRow(workspace: Workspace, table: Table): Promise<void> {
  const needed = table.columns.filter(column => isNeeded(column, table))
  const choices = needed.map(column => [sampleOf(column.type), ...mentioned(column, table)])
  const names = needed.map(({ name }) => quoteName(name)).join(', ')
  for (const values of combinations(choices)) {
    const into = `INSERT INTO main.${quoteName(table.name)}`
    try {
      await workspace.exec(
        needed.length === 0 ? `${into} DEFAULT VALUES` : `${into} (${names}) VALUES (${values.join(', ')})`,
      )
      return
    } catch (error) {
      if (!(error instanceof SqliteError)) throw error
    }
  }
}

function isNeeded({ notNull, generated, default: standard, primaryKey }: Column, table: Table): boolean {
  if (generated !== null || standard !== null) return false
  return primaryKey > 0 ? table.primaryKey?.rowid !== true : notNull
}

/** By affinity (https://www.sqlite.org/datatype3.html), and what applications keep in dates and JSON. */
function sampleOf(type: string): string {
  const name = type.toUpperCase()
  if (/INT|BOOL/.test(name)) return '1'
  if (/JSON/.test(name)) return `'{}'`
  if (/DATE|TIME/.test(name)) return `'2024-02-29 12:00:00'`
  if (/REAL|FLOA|DOUB|NUM|DEC/.test(name)) return '1.5'
  return /BLOB/.test(name) ? `x'00'` : `'x'`
}

/** The literals of CHECKs that name the column. */
function mentioned({ name }: Column, { checks }: Table): string[] {
  const tokens = checks.map(check => significantTokens(check.expression))
  const concerned = tokens.filter(list => list.some(({ text }) => fold(text) === fold(name)))
  return concerned.flatMap(list =>
    list.filter(({ kind }) => kind === 'string' || kind === 'number').map(({ text }) => text),
  )
}

/** One value of each list, the first ones first. */
function* combinations(choices: readonly (readonly string[])[]): Generator<string[]> {
  const all = choices.reduce((product, list) => product * list.length, 1)
  for (let number = 0; number < Math.min(all, attempts); number++) {
    let rest = number
    yield choices.map(list => {
      const value = list[rest % list.length]!
      rest = Math.floor(rest / list.length)
      return value
    })
  }
}
