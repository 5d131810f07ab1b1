/**
 * What the values of a table ought to be: SQLite keeps what it is given, whatever the declared type says, and checks NOT
 * NULL and CHECK only when a row is written.
 */
import { quoteName } from '../database/connection.ts'
import { type Column, fold, type Table } from '../schema/model.ts'
import type { Finding } from './findings.ts'

export interface ValueRule {
  readonly part: 'constraints' | 'data'
  readonly severity: Finding['severity']
  /** SQL, true for a row that breaks it. The table is called `child`. */
  readonly broken: string
  /** What such rows do: `have no value in email, which is NOT NULL`. */
  readonly says: string
}

/** NOT NULL and CHECK, which a row can break that was written while they were not checked. */
export function constraintRules({ checks, columns }: Table): ValueRule[] {
  const rule = (broken: string, says: string): ValueRule => ({ part: 'constraints', severity: 'fail', broken, says })
  return [
    ...columns
      .filter(({ generated, notNull }) => notNull && generated === null)
      // SQLite would take IS NULL for false without looking.
      .map(({ name }) => rule(`typeof(${cellOf(name)}) = 'null'`, `have no value in ${name}, which is NOT NULL`)),
    ...checks.map(({ expression, name }) =>
      rule(`NOT (${expression})`, `break ${name === null ? '' : `${name} `}CHECK (${expression})`),
    ),
  ]
}

/** Values that do not fit the declared type. None of a STRICT table, which takes no others. */
export function typeRules({ columns, primaryKey, strict }: Table): ValueRule[] {
  if (strict) return []
  const isRowid = ({ name }: Column) =>
    primaryKey?.rowid === true && primaryKey.columns.some(column => fold(column.name ?? '') === fold(name))
  return columns
    .filter(column => column.generated === null && !isRowid(column))
    .flatMap(({ name, type }) => {
      const found = misfit(type, cellOf(name))
      if (found === undefined) return []
      const broken = `(${cellOf(name)} IS NOT NULL AND ${found.broken})`
      return [{ part: 'data', severity: 'warn', broken, says: `have in ${name} (${type}) ${found.what}` }]
    })
}

function cellOf(column: string): string {
  return `child.${quoteName(column)}`
}

/** By what SQLite makes of a type's name (https://www.sqlite.org/datatype3.html#determination_of_column_affinity). */
function misfit(type: string, value: string): { readonly broken: string; readonly what: string } | undefined {
  const name = type.toUpperCase()
  if (/JSON/.test(name)) return { broken: `NOT json_valid(${value}, 5)`, what: 'something that is no JSON' }
  if (/DATE|TIME/.test(name) && !/INT/.test(name))
    return { broken: noTime(value), what: 'a text that is no date or time' }
  if (/BOOL/.test(name))
    return { broken: `(typeof(${value}) <> 'integer' OR ${value} NOT IN (0, 1))`, what: 'something else than 0 or 1' }
  if (/INT/.test(name)) return { broken: `typeof(${value}) <> 'integer'`, what: 'something that is no integer' }
  if (/CHAR|CLOB|TEXT/.test(name)) return text(name, value)
  if (name === '' || /BLOB|ANY/.test(name)) return undefined
  return { broken: `typeof(${value}) NOT IN ('integer', 'real')`, what: 'something that is no number' }
}

/** Numbers are taken for days or seconds since some day. */
function noTime(value: string): string {
  const text = `typeof(${value}) = 'text' AND (julianday(${value}) IS NULL OR lower(${value}) LIKE 'now%')`
  return `(typeof(${value}) = 'blob' OR (${text}))`
}

function text(type: string, value: string) {
  const length = /\(\s*(\d+)\s*\)/.exec(type)?.[1]
  const isBlob = `typeof(${value}) = 'blob'`
  if (length === undefined) return { broken: isBlob, what: 'something that is no text' }
  return { broken: `(${isBlob} OR length(${value}) > ${length})`, what: 'something that is no text, or longer' }
}
