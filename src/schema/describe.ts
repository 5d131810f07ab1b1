/** Parts of a schema in words, for messages, and as keys: two parts are equal when their descriptions are. */
import {
  type Check,
  type Column,
  type ForeignKey,
  fold,
  type Index,
  type IndexedColumn,
  type PrimaryKey,
  type Unique,
} from './model.ts'
import { normaliseDefault, normaliseText } from './normalise.ts'

/** `(a, b DESC, lower(c) COLLATE NOCASE)`. */
export function describeColumns(columns: readonly IndexedColumn[]): string {
  const list = columns.map(
    ({ name, expression, collation, descending }) =>
      `${name === null ? expression : fold(name)}${collation === 'BINARY' ? '' : ` COLLATE ${collation}`}${descending ? ' DESC' : ''}`,
  )
  return `(${list.join(', ')})`
}

export function describeIndex({ unique, columns, where }: Index): string {
  return `${unique ? 'UNIQUE ' : ''}${describeColumns(columns)}${where === null ? '' : ` WHERE ${where}`}`
}

export function describeUnique({ columns, onConflict }: Unique): string {
  return `UNIQUE ${describeColumns(columns)}${conflict(onConflict)}`
}

export function describePrimaryKey(key: PrimaryKey | null): string {
  if (key === null) return 'no primary key'
  const { columns, onConflict, autoincrement, rowid } = key
  const sort = autoincrement ? ' AUTOINCREMENT' : rowid ? ' as the rowid' : ''
  return `${describeColumns(columns)}${sort}${conflict(onConflict)}`
}

export function describeCheck({ name, expression }: Check): string {
  return `${name === null ? '' : `${fold(name)} `}CHECK (${expression})`
}

export function describeForeignKey({
  columns,
  parent,
  parentColumns,
  onUpdate,
  onDelete,
  deferred,
}: ForeignKey): string {
  const parts = [`(${columns.map(fold).join(', ')}) REFERENCES ${fold(parent)}`]
  if (parentColumns !== null) parts[0] += `(${parentColumns.map(fold).join(', ')})`
  if (onDelete !== 'NO ACTION') parts.push(`ON DELETE ${onDelete}`)
  if (onUpdate !== 'NO ACTION') parts.push(`ON UPDATE ${onUpdate}`)
  if (deferred) parts.push('DEFERRABLE INITIALLY DEFERRED')
  return parts.join(' ')
}

/** What can differ between two columns of the same name, each in words. Its place in the table and in keys is no part of it. */
export function describeColumn(column: Column, isRowid: boolean): readonly string[] {
  const { type, notNull, notNullConflict, collation, generated } = column
  const standard = normaliseDefault(column.default)
  return [
    type === '' ? 'no type' : `type ${normaliseText(type).toUpperCase()}`,
    // A rowid is never NULL, whether the column says so or not.
    isRowid ? '' : notNull ? `NOT NULL${conflict(notNullConflict)}` : 'NULL allowed',
    standard === null ? 'no default' : `DEFAULT ${standard}`,
    `COLLATE ${collation}`,
    generated === null ? 'not generated' : `${generated.kind.toUpperCase()} AS (${generated.expression})`,
  ]
}

function conflict(action: string | null): string {
  return action === null ? '' : ` ON CONFLICT ${action}`
}
