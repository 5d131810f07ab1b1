/** Two tables of the same name. */
import {
  describeCheck,
  describeColumn,
  describeForeignKey,
  describeIndex,
  describePrimaryKey,
  describeUnique,
} from './describe.ts'
import type { Difference } from './difference.ts'
import { type Column, fold, type Index, type Table } from './model.ts'

export function compareTables(expected: Table, actual: Table): Difference[] {
  if (expected.virtual !== actual.virtual) return [tableDiffers(expected, kindOf(expected), kindOf(actual))]
  return [
    ...compareOptions(expected, actual),
    ...compareColumns(expected, actual),
    ...comparePrimaryKeys(expected, actual),
    ...compareConstraints(expected, actual),
    ...compareIndexes(expected, actual),
  ]
}

function kindOf({ virtual }: Table): string {
  return virtual === null ? 'an ordinary table' : `a virtual table USING ${virtual}`
}

function tableDiffers({ name }: Table, wanted: string, found: string): Difference {
  const message = `table ${name}: expected ${wanted}, found ${found}`
  return { kind: 'differs', object: 'table', name, table: name, message }
}

function compareOptions(expected: Table, actual: Table): Difference[] {
  const rowid = ({ withoutRowid }: Table) => (withoutRowid ? 'a WITHOUT ROWID table' : 'a table with rowid')
  const strict = (table: Table) => (table.strict ? 'a STRICT table' : 'a table that is not STRICT')
  return [rowid, strict].flatMap(say =>
    say(expected) === say(actual) ? [] : [tableDiffers(expected, say(expected), say(actual))],
  )
}

function compareColumns(expected: Table, actual: Table): Difference[] {
  const differences: Difference[] = []
  const add = (kind: Difference['kind'], column: Column, message: string) => {
    const name = `${expected.name}.${column.name}`
    differences.push({ kind, object: 'column', name, table: expected.name, message: `column ${name}${message}` })
  }
  for (const [, wanted, found] of pairs(expected.columns, actual.columns, column => fold(column.name))) {
    if (found === undefined) add('missing', wanted!, ' is in the migrations but not in the database')
    else if (wanted === undefined) add('differs', found, ' is in the database but in no migration')
    else {
      const inDatabase = describeColumn(found, isRowid(actual, found) || isRowid(expected, wanted))
      const parts = describeColumn(wanted, isRowid(expected, wanted) || isRowid(actual, found)).flatMap((part, at) =>
        part === inDatabase[at] ? [] : [`expected ${part}, found ${inDatabase[at]}`],
      )
      if (parts.length > 0) add('differs', wanted, `: ${parts.join('; ')}`)
    }
  }
  return differences
}

function isRowid({ primaryKey }: Table, { primaryKey: position }: Column): boolean {
  return position > 0 && primaryKey?.rowid === true
}

function comparePrimaryKeys(expected: Table, actual: Table): Difference[] {
  const wanted = describePrimaryKey(expected.primaryKey)
  const found = describePrimaryKey(actual.primaryKey)
  if (wanted === found) return []
  const { name } = expected
  const message = `primary key of ${name}: expected ${wanted}, found ${found}`
  return [{ kind: 'differs', object: 'constraint', name: `${name}.primary key`, table: name, message }]
}

/** A constraint as `compareConstraints` sees it. */
interface Described {
  readonly what: string
  /** Two that share one of these are the same constraint, perhaps in another form. */
  readonly identities: readonly string[]
  readonly text: string
}

/**
 * The names of UNIQUE and foreign key constraints don't count, since SQLite makes nothing of them. A CHECK's does: it
 * is in the error that the application gets, and ALTER TABLE can drop the constraint by it.
 */
function describeConstraints({ checks, uniques, foreignKeys }: Table): Described[] {
  return [
    ...checks.map(check => ({
      what: 'constraint',
      identities: [`check ${check.expression}`, ...(check.name === null ? [] : [`name ${fold(check.name)}`])],
      text: describeCheck(check),
    })),
    ...uniques.map(unique => ({
      what: 'constraint',
      identities: [`unique ${unique.columns.map(({ name }) => fold(name ?? '')).join(', ')}`],
      text: describeUnique(unique),
    })),
    ...foreignKeys.map(key => ({
      what: 'foreign key',
      identities: [`key ${key.columns.map(fold).join(', ')}`],
      text: describeForeignKey(key),
    })),
  ]
}

function compareConstraints(expected: Table, actual: Table): Difference[] {
  const wanted = describeConstraints(expected)
  const found = describeConstraints(actual)
  const without = (list: Described[], others: Described[]) => {
    const texts = new Set(others.map(({ text }) => text))
    return list.filter(({ text }) => !texts.has(text))
  }
  const table = expected.name
  const difference = (kind: Difference['kind'], text: string, message: string): Difference => ({
    kind,
    object: 'constraint',
    name: `${table}.${text}`,
    table,
    message,
  })
  // Several constraints may be called the same: they pair off one by one.
  const unpaired = without(found, wanted)
  const differences = without(wanted, found).map(({ what, identities, text }) => {
    const at = unpaired.findIndex(other => other.identities.some(identity => identities.includes(identity)))
    if (at === -1)
      return difference('missing', text, `${what} ${text} of ${table} is in the migrations but not in the database`)
    const [other] = unpaired.splice(at, 1)
    return difference('differs', text, `${what} of ${table}: expected ${text}, found ${other!.text}`)
  })
  for (const { what, text } of unpaired)
    differences.push(difference('differs', text, `${what} ${text} of ${table} is in the database but in no migration`))
  return differences
}

function compareIndexes(expected: Table, actual: Table): Difference[] {
  const table = expected.name
  const differences: Difference[] = []
  const add = (kind: Difference['kind'], { name }: Index, message: string) =>
    differences.push({ kind, object: 'index', name, table, message: `index ${name}${message}` })
  for (const [, wanted, found] of pairs(expected.indexes, actual.indexes, index => fold(index.name))) {
    if (found === undefined)
      add('missing', wanted!, ` on ${table} ${describeIndex(wanted!)} is in the migrations but not in the database`)
    else if (wanted === undefined)
      add('extra', found, ` on ${table} ${describeIndex(found)} is in the database but in no migration`)
    else if (describeIndex(wanted) !== describeIndex(found))
      add('differs', wanted, `: expected ${describeIndex(wanted)}, found ${describeIndex(found)}`)
  }
  return differences
}

/** Every key of either list with its item in the one and in the other. */
export function pairs<T>(
  expected: readonly T[],
  actual: readonly T[],
  keyOf: (item: T) => string,
): (readonly [string, T | undefined, T | undefined])[] {
  const wanted = new Map(expected.map(item => [keyOf(item), item]))
  const found = new Map(actual.map(item => [keyOf(item), item]))
  return [...new Set([...wanted.keys(), ...found.keys()])].map(key => [key, wanted.get(key), found.get(key)])
}
