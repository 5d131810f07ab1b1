/**
 * Compares the schema that ought to be there with the one that is. What makes no difference to SQLite makes none here:
 * the order of columns, the case of names, the names of UNIQUE and foreign key constraints, and how a definition is
 * spaced, commented and quoted. A text in quotes, a default and a collation do.
 */
import { compareTables, pairs } from './compare-table.ts'
import { aroundDifference, type Difference, ignorer, sorted } from './difference.ts'
import { fold, type Schema, type Trigger, type View } from './model.ts'

export { type Difference, splitDifferences } from './difference.ts'

export interface CompareOptions {
  /**
   * Names of objects, or of tables with everything on them, that are not looked at. `*` and `?` stand for other
   * characters; a column is `table.column`. Default none.
   */
  readonly ignore?: readonly string[]
}

/**
 * Every difference, in a fixed order: by table, then by kind of object, then by name. A table that is missing or extra
 * is one difference, whatever is on it.
 */
export function compareSchemas(expected: Schema, actual: Schema, { ignore = [] }: CompareOptions = {}): Difference[] {
  const differences: Difference[] = []
  /** Tables of which there is nothing to compare. */
  const onOneSide = new Set<string>()
  for (const [key, wanted, found] of pairs(expected.tables, actual.tables, table => fold(table.name))) {
    if (wanted !== undefined && found !== undefined) differences.push(...compareTables(wanted, found))
    else {
      onOneSide.add(key)
      differences.push(whole('table', (wanted ?? found)!, wanted === undefined))
    }
  }
  differences.push(...compareBodies('view', expected.views, actual.views))
  const onBothSides = ({ table }: Trigger) => !onOneSide.has(fold(table))
  differences.push(
    ...compareBodies('trigger', expected.triggers.filter(onBothSides), actual.triggers.filter(onBothSides)),
  )
  const ignored = ignorer(ignore)
  return sorted(differences.filter(difference => !ignored(difference)))
}

/** Everything that has a name of its own, as `compareSchemas` would name it: which objects does a schema know? */
export function objectsOf(schema: Schema): Pick<Difference, 'object' | 'name' | 'table'>[] {
  return [
    ...schema.tables.flatMap(({ name: table, indexes }) => [
      { object: 'table' as const, name: table, table },
      ...indexes.map(({ name }) => ({ object: 'index' as const, name, table })),
    ]),
    ...schema.triggers.map(({ name, table }) => ({ object: 'trigger' as const, name, table })),
    ...schema.views.map(({ name }) => ({ object: 'view' as const, name, table: undefined })),
  ]
}

type Body = View | Trigger

function compareBodies(object: 'view' | 'trigger', expected: readonly Body[], actual: readonly Body[]): Difference[] {
  return pairs(expected, actual, ({ name }) => fold(name)).flatMap(([, wanted, found]) => {
    if (wanted === undefined || found === undefined) return [whole(object, (wanted ?? found)!, wanted === undefined)]
    if (wanted.definition === found.definition) return []
    const [should, does] = aroundDifference(wanted.definition, found.definition)
    const { name } = wanted
    return [
      {
        kind: 'differs',
        object,
        name,
        table: tableOf(object, wanted),
        message: `${object} ${name}: expected ${should}, found ${does}`,
      },
    ]
  })
}

function whole(object: 'table' | 'view' | 'trigger', item: { readonly name: string }, extra: boolean): Difference {
  const table = tableOf(object, item)
  const on = object === 'trigger' ? ` on ${table}` : ''
  const where = extra ? 'is in the database but in no migration' : 'is in the migrations but not in the database'
  return {
    kind: extra ? 'extra' : 'missing',
    object,
    name: item.name,
    table,
    message: `${object} ${item.name}${on} ${where}`,
  }
}

function tableOf(object: string, item: { readonly name: string; readonly table?: string }): string | undefined {
  if (object === 'view') return undefined
  return object === 'table' ? item.name : item.table
}
