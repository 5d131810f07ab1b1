/** One migration as the rules see it: the schema on both sides of it, and what it did in between. */
import type { Migration } from '../migrations/model.ts'
import type { RowLoss } from '../migrations/rows.ts'
import { type TableChange, tableChangeOf } from '../migrations/table-changes.ts'
import { fold, type Schema, type Table } from '../schema/model.ts'
import type { Observed, ObservedStatement } from './observe.ts'

export interface Replayed extends Observed {
  readonly migration: Migration
  readonly before: Schema
  readonly after: Schema
  /** With a row in every table: what fewer rows are left of. */
  readonly losses: readonly RowLoss[]
  /** Tables that each view of before reads, folded, by name; only where views are dropped. */
  readonly viewsOf: ReadonlyMap<string, readonly string[]>
}

/** Folded names of tables that were there before, with the names that they got meanwhile. */
export function oldTables({ applied, before }: Replayed): ReadonlySet<string> {
  return new Set([...before.tables.map(({ name }) => fold(name)), ...applied.renames.values()])
}

/** Tables that are there on both sides, with what they are called now. */
export function* survivors({ after, applied, before }: Replayed): Generator<readonly [Table, Table]> {
  const now = new Map(after.tables.map(table => [fold(table.name), table]))
  for (const table of before.tables) {
    const name = fold(table.name)
    const kept = now.get(applied.renames.get(name) ?? name) ?? now.get(name)
    if (kept !== undefined) yield [table, kept]
  }
}

export interface StatementChange {
  readonly statement: ObservedStatement
  readonly change: TableChange
}

/** The statements that make, drop or rename a table. */
export function tableChanges({ statements }: Observed): StatementChange[] {
  return statements.flatMap(statement => {
    const change = tableChangeOf(statement.statement)
    return change === undefined ? [] : [{ statement, change }]
  })
}
