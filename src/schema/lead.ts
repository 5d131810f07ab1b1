/** From one schema to another: the SQL that leads there, where it can be said, tried out in memory. */
import { quoteName, SqliteError } from '../database/connection.ts'
import { openMemory } from '../database/memory.ts'
import { compareSchemas, type Difference } from './compare.ts'
import { type Described, definitionOf, definitionsOn, scriptOf } from './definitions.ts'
import { changeTable, type Manner } from './lead-table.ts'
import { fold } from './model.ts'
import { readSchema } from './read.ts'

export interface LeadOptions {
  /** Whole tables, indexes, views and triggers that are only on the side that is left: kept, or dropped with what is in them. */
  readonly extras: 'keep' | 'drop'
  /** See `CompareOptions.ignore`. */
  readonly ignore?: readonly string[]
}

/** Statements, without the `;` between them, and what they are for. */
export interface Lead {
  readonly difference: Difference
  readonly statements: readonly string[]
}

export interface Way {
  /** In the order in which they have to run. */
  readonly leads: readonly Lead[]
  /** What no SQL is known for that would keep the rows. */
  readonly left: readonly Difference[]
}

/** As a script, a statement a line. */
export function scriptOfStatements(statements: readonly string[]): string {
  return statements.map(statement => `${statement};`).join('\n')
}

/** @param from the side that is left; `compareSchemas` calls it the actual one, and `to` the expected one */
export async function leadFrom(from: Described, to: Described, options: LeadOptions): Promise<Way> {
  const differences = compareSchemas(to.schema, from.schema, { ignore: options.ignore ?? [] })
  for (const manner of ['alter', 'rebuild'] as const) {
    const way = wayBy(manner, from, to, differences, options)
    if (await leadsThere(from, to, way, options)) return way
  }
  return { leads: [], left: differences }
}

/** First what is in the way goes, then tables, then what hangs on them. */
const phases = ['drop', 'table', 'change', 'drop table', 'index', 'view', 'trigger'] as const
type Phase = (typeof phases)[number]

function wayBy(
  manner: Manner,
  from: Described,
  to: Described,
  differences: readonly Difference[],
  { extras }: LeadOptions,
): Way {
  const parts: (Lead & { readonly phase: Phase })[] = []
  const left: Difference[] = []
  const add = (phase: Phase, difference: Difference, ...statements: string[]) => {
    if (statements.length > 0) parts.push({ phase, difference, statements })
  }
  /** Folded names of tables and views that are made anew with everything on them, or not at all. */
  const settled = new Set<string>()
  for (const [table, list] of Map.groupBy(differences.filter(isOfTable), ({ table = '' }) => fold(table))) {
    const [first] = list
    const change = changeTable(from, to, table, list, manner, extras)
    if (change === undefined || change.anew) settled.add(table)
    if (change === undefined) left.push(...list)
    else if (first!.kind === 'extra') add('drop table', first!, ...(extras === 'drop' ? change.statements : []))
    else add(first!.object === 'table' && first!.kind === 'missing' ? 'table' : 'change', first!, ...change.statements)
  }
  for (const difference of differences) {
    const { kind, name, object, table } = difference
    if (object !== 'index' && object !== 'trigger' && object !== 'view') continue
    if (table !== undefined && settled.has(fold(table))) continue
    const drop = `DROP ${object.toUpperCase()} ${quoteName(name)}`
    if (kind === 'differs' || (kind === 'extra' && extras === 'drop')) add('drop', difference, drop)
    if (kind === 'extra') continue
    add(object, difference, definitionOf(to, object, name)!.sql)
    if (object !== 'view' || kind !== 'differs') continue
    settled.add(fold(name))
    add('trigger', difference, ...definitionsOn(to, name, 'trigger'))
  }
  return { leads: parts.toSorted((a, b) => phases.indexOf(a.phase) - phases.indexOf(b.phase)), left }
}

function isOfTable({ object }: Difference): boolean {
  return object === 'table' || object === 'column' || object === 'constraint'
}

async function leadsThere(
  from: Described,
  to: Described,
  { leads, left }: Way,
  { extras, ignore = [] }: LeadOptions,
): Promise<boolean> {
  const memory = await openMemory({ scripts: false })
  try {
    await memory.exec(scriptOf(from))
    for (const { statements } of leads) for (const statement of statements) await memory.exec(statement)
    const rest = compareSchemas(to.schema, await readSchema(memory), { ignore })
    const known = new Set(left.map(({ table = '' }) => fold(table)))
    return rest.every(({ kind, table = '' }) => known.has(fold(table)) || (extras === 'keep' && kind === 'extra'))
  } catch (error) {
    if (error instanceof SqliteError) return false
    throw error
  } finally {
    await memory.close()
  }
}
