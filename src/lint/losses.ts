/** The rules `row-loss` and `column-loss`. */

import { Cursor } from '../schema/cursor.ts'
import { fold } from '../schema/model.ts'
import { significantTokens } from '../schema/tokens.ts'
import type { Found } from './finding.ts'
import type { ObservedStatement } from './observe.ts'
import { oldTables, type Replayed, survivors, tableChanges } from './replayed.ts'

export function* rowLosses(replayed: Replayed): Generator<Found> {
  const { applied, losses, migration } = replayed
  const permitted = new Set(migration.directives.allowRowLoss.map(fold))
  const isPermitted = (table: string) => permitted.has(table) || permitted.has(applied.renames.get(table) ?? table)
  const said = new Set<string>()
  for (const { statement, line, accesses } of replayed.statements) {
    if (statement.head[0] === 'DROP' || statement.head[0] === 'ALTER') continue
    for (const { action, by, first, schema } of accesses) {
      const table = fold(first ?? '')
      if (action !== 'DELETE' || schema !== 'main' || !oldTables(replayed).has(table) || isPermitted(table)) continue
      said.add(table)
      const how = by === null ? 'deletes rows of' : `fires the trigger ${by}, which deletes rows of`
      yield { rule: 'row-loss', line, message: `${how} ${first} without a permission` }
    }
  }
  const dropped = new Set(replayed.before.tables.map(({ name }) => fold(name)))
  for (const [table] of survivors(replayed)) dropped.delete(fold(table.name))
  const gone = [...dropped].filter(table => !isPermitted(table))
  for (const table of gone)
    yield {
      rule: 'row-loss',
      line: lineOfDrop(replayed, table),
      message: `drops the table ${table} without a permission`,
    }
  for (const { after, table } of losses) {
    const name = fold(table)
    if (after === undefined || said.has(name) || said.has(applied.renames.get(name) ?? name)) continue
    const line = lineOfDrop(replayed, name)
    yield {
      rule: 'row-loss',
      line,
      message: `does not bring along every row of ${table}: of one row, ${after} are left`,
    }
  }
}

export function* columnLosses(replayed: Replayed): Generator<Found> {
  const renamed = new Set(replayed.statements.map(({ statement }) => renamedColumn(statement.sql)))
  for (const [before, after] of survivors(replayed)) {
    const left = new Set(after.columns.map(({ name }) => fold(name)))
    for (const { name } of before.columns) {
      if (left.has(fold(name)) || renamed.has(`${fold(before.name)}.${fold(name)}`)) continue
      if (renamed.has(`${fold(after.name)}.${fold(name)}`)) continue
      const line = lineOfColumn(replayed, before.name) ?? lineOfDrop(replayed, fold(before.name))
      yield { rule: 'column-loss', line, message: `the column ${before.name}.${name} is gone, with what is in it` }
    }
  }
}

/** `table.column` of an `ALTER TABLE table RENAME COLUMN column`, folded. */
function renamedColumn(sql: string): string | undefined {
  const cursor = new Cursor(significantTokens(sql))
  if (!cursor.takes('ALTER', 'TABLE')) return undefined
  let table = cursor.name()
  if (cursor.takes('.')) table = cursor.name()
  if (!cursor.takes('RENAME')) return undefined
  cursor.takes('COLUMN')
  return cursor.sees('TO') ? undefined : `${fold(table)}.${fold(cursor.name())}`
}

/** Of the statement that dropped a table of this name, or renamed it away. */
function lineOfDrop(replayed: Replayed, table: string): number | undefined {
  const changes = tableChanges(replayed).toReversed()
  const drop = changes.find(({ change }) => change.kind === 'drop' && change.table === table)
  const rename = changes.find(({ change }) => change.kind === 'rename' && change.from === table)
  return (drop ?? rename)?.statement.line
}

function lineOfColumn({ statements }: Replayed, table: string): number | undefined {
  const drops = ({ accesses, statement }: ObservedStatement) =>
    statement.head.includes('DROP') &&
    accesses.some(({ action, second }) => action === 'ALTER_TABLE' && fold(second ?? '') === fold(table))
  return statements.find(drops)?.line
}
