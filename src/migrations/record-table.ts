/** Which of its two names Lockkeeper's record gets in a database that has none yet. */
import { type Bookkeeping, otherName, ownName } from './bookkeeping.ts'
import type { Migration, Script } from './model.ts'
import { split } from './split.ts'
import { tableChangeOf } from './table-changes.ts'

/**
 * The name of the table of versions: where one of these migrations makes a table of the usual name itself (it came from
 * another tool, most likely), that one is the application's, and the record is called otherwise.
 */
export function recordTable({ exists, table }: Bookkeeping, toRun: readonly Migration[]): string {
  if (exists || table !== ownName) return table
  return toRun.some(({ up }) => makes(up, ownName)) ? otherName : ownName
}

function makes(script: Script, name: string): boolean {
  if (script.kind === 'module' || !script.sql.toLowerCase().includes(name)) return false
  for (const statement of split(script.sql)) {
    const change = tableChangeOf(statement)
    if (change?.kind === 'create' && change.table === name) return true
    if (change?.kind === 'rename' && change.to === name) return true
  }
  return false
}
