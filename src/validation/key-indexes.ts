/** Foreign keys without an index: each time a parent is changed or deleted, SQLite reads the whole child table. */
import { quoteName } from '../database/connection.ts'
import { emptySchema, type ForeignKey, fold, type Schema, type Table } from '../schema/model.ts'
import type { Finding } from './findings.ts'

/** Pure. @param expected what ought to be there: an index in it that is missing is reported as that */
export function keysWithoutIndex({ tables }: Schema, expected: Schema = emptySchema): Finding[] {
  const others = new Map(expected.tables.map(table => [fold(table.name), table]))
  const isAnywhere = (table: Table, key: ForeignKey) =>
    [table, others.get(fold(table.name))].some(each => each !== undefined && isIndexed(each, key))
  return tables.flatMap(table =>
    table.foreignKeys
      .filter((key, at) => !isAnywhere(table, key) && at === firstLike(table, key))
      .map(({ columns, parent }) => ({
        part: 'indexes',
        severity: 'warn',
        message: `the foreign key of ${table.name} by ${columns.join(', ')} to ${parent} has no index: changing or deleting a row of ${parent} reads all of ${table.name}`,
        mend: `CREATE INDEX ${quoteName(`${table.name}_${columns.join('_')}`)} ON ${quoteName(table.name)} (${columns.map(quoteName).join(', ')});`,
      })),
  )
}

/** Two keys of the same columns need one index. */
function firstLike({ foreignKeys }: Table, key: ForeignKey): number {
  return foreignKeys.findIndex(other => setOf(other.columns) === setOf(key.columns))
}

/** An index that begins with its columns, in whatever order. */
function isIndexed({ indexes, primaryKey, uniques }: Table, { columns }: ForeignKey): boolean {
  const lists = [
    ...indexes.filter(({ where }) => where === null || onlyLeavesOutNull(where, columns)).map(index => index.columns),
    ...uniques.map(unique => unique.columns),
    ...(primaryKey === null ? [] : [primaryKey.columns]),
  ]
  const wanted = setOf(columns)
  return lists.some(list => setOf(list.slice(0, columns.length).map(({ name }) => name ?? '')) === wanted)
}

function onlyLeavesOutNull(where: string, columns: readonly string[]): boolean {
  return columns.some(column => where === `${fold(column)} is not null` || where === `${fold(column)} notnull`)
}

function setOf(columns: readonly string[]): string {
  return JSON.stringify(columns.map(fold).sort())
}
