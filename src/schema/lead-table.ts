/** From one form of a table to another. */
import { quoteName } from '../database/connection.ts'
import type { Difference } from './compare.ts'
import { type Described, definitionOf, definitionsOn } from './definitions.ts'
import { type Column, fold, type Schema, type Table } from './model.ts'
import { normaliseDefault } from './normalise.ts'
import { columnText, renamedTable } from './table-text.ts'
import { significantTokens } from './tokens.ts'

/** `alter`: by ALTER TABLE where only columns come or go; `rebuild`: by making the table anew in any case. */
export type Manner = 'alter' | 'rebuild'

export interface TableChange {
  readonly statements: readonly string[]
  /** Indexes and triggers are made with it. */
  readonly anew: boolean
}

/**
 * @param name folded
 * @param differences all that there are between the two forms
 * @returns undefined where there is no way that keeps the rows
 */
export function changeTable(
  from: Described,
  to: Described,
  name: string,
  differences: readonly Difference[],
  manner: Manner,
  extras: 'keep' | 'drop',
): TableChange | undefined {
  const before = tableOf(from.schema, name)
  const after = tableOf(to.schema, name)
  if (after === undefined)
    return { statements: [`-- What is in it is lost.\nDROP TABLE ${quoteName(before?.name ?? name)}`], anew: true }
  const definition = definitionOf(to, 'table', name)?.sql
  if (definition === undefined) return undefined
  const onIt = [...definitionsOn(to, name, 'index'), ...definitionsOn(to, name, 'trigger')]
  if (before === undefined) return { statements: [definition, ...onIt], anew: true }
  if (before.virtual !== null || after.virtual !== null) return undefined
  const onlyColumns = differences.every(({ object }) => object === 'column')
  const altered = manner === 'alter' && onlyColumns ? alter(before, after, definition) : undefined
  if (altered !== undefined) return { statements: altered, anew: false }
  const rebuilt = rebuild(before, after, definition)
  if (rebuilt === undefined) return undefined
  const kept = extras === 'keep' ? keptObjects(from, to, name) : []
  return { statements: [...rebuilt, ...onIt, ...kept], anew: true }
}

function tableOf({ tables }: Schema, name: string): Table | undefined {
  return tables.find(table => fold(table.name) === name)
}

/** Undefined where another change than that of whole columns is needed. */
function alter(before: Table, after: Table, definition: string): string[] | undefined {
  const had = namesOf(before)
  const has = namesOf(after)
  const added = after.columns.filter(({ name }) => !had.has(fold(name)))
  const dropped = before.columns.filter(({ name }) => !has.has(fold(name)))
  const texts = added.map(column => (canBeAdded(column) ? columnText(definition, column.name) : undefined))
  if (texts.includes(undefined)) return undefined
  const table = quoteName(after.name)
  return [
    ...texts.map(text => `ALTER TABLE ${table} ADD COLUMN ${text}`),
    ...dropped.map(({ name }) => `-- What is in it is lost.\nALTER TABLE ${table} DROP COLUMN ${quoteName(name)}`),
  ]
}

/** SQLite refuses others, some of them only where there are rows. */
function canBeAdded({ default: standard, generated, notNull, primaryKey }: Column): boolean {
  if (primaryKey > 0 || generated?.kind === 'stored') return false
  if (notNull && standard === null && generated === null) return false
  return standard === null || isConstant(standard)
}

function isConstant(standard: string): boolean {
  const tokens = significantTokens(standard)
  if (/^[+-]$/.test(tokens[0]?.text ?? '')) tokens.shift()
  return tokens.length === 1 && !/^current_/i.test(tokens[0]!.text)
}

/** SQLite's own recipe (https://www.sqlite.org/lang_altertable.html#otheralter). */
function rebuild(before: Table, after: Table, definition: string): string[] | undefined {
  const had = namesOf(before)
  const isCopied = ({ generated, name }: Column) => generated === null && had.has(fold(name))
  const needsValue = ({ default: standard, generated, name, notNull, primaryKey }: Column) =>
    notNull && standard === null && generated === null && !had.has(fold(name)) && primaryKey === 0
  if (after.columns.some(needsValue)) return undefined
  const has = namesOf(after)
  const lost = before.columns.filter(({ generated, name }) => generated === null && !has.has(fold(name)))
  const copied = after.columns.filter(isCopied)
  if (copied.length === 0) return undefined
  const nullable = new Set(before.columns.filter(({ notNull }) => !notNull).map(({ name }) => fold(name)))
  const names = copied.map(({ name }) => quoteName(name)).join(', ')
  const values = copied.map(({ default: standard, name, notNull }) =>
    notNull && standard !== null && nullable.has(fold(name))
      ? `coalesce(${quoteName(name)}, ${normaliseDefault(standard)})`
      : quoteName(name),
  )
  const temporary = `${after.name}_new`
  const warning = lost.length === 0 ? '' : `-- What is in ${lost.map(({ name }) => name).join(', ')} is lost.\n`
  return [
    renamedTable(definition, temporary),
    `${warning}INSERT INTO ${quoteName(temporary)} (${names}) SELECT ${values.join(', ')} FROM ${quoteName(before.name)}`,
    `DROP TABLE ${quoteName(before.name)}`,
    // Or else views that use the table would be in the way.
    'PRAGMA legacy_alter_table = ON',
    `ALTER TABLE ${quoteName(temporary)} RENAME TO ${quoteName(after.name)}`,
    'PRAGMA legacy_alter_table = OFF',
  ]
}

/** What only the old side has on the table would go with it. */
function keptObjects(from: Described, to: Described, name: string): string[] {
  return (['index', 'trigger'] as const).flatMap(type =>
    from.definitions
      .filter(
        each => each.type === type && fold(each.table) === name && definitionOf(to, type, each.name) === undefined,
      )
      .map(({ sql }) => sql),
  )
}

function namesOf({ columns }: Table): ReadonlySet<string> {
  return new Set(columns.map(({ name }) => fold(name)))
}
