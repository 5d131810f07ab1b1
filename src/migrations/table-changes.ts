/** What statements do to the names of tables, and what becomes of a table over several of them. */
import { Cursor } from '../schema/cursor.ts'
import { fold } from '../schema/model.ts'
import { firstTokens, significantTokens } from '../schema/tokens.ts'
import type { Statement } from './split.ts'

/** Names are folded, see `fold`. Temporary tables are of no account. */
export type TableChange =
  | { readonly kind: 'create' | 'drop'; readonly table: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

/** Undefined for a statement that leaves the names of tables as they are; so does renaming a column. */
export function tableChangeOf({ sql, head }: Statement): TableChange | undefined {
  const [first] = head
  if ((first !== 'CREATE' && first !== 'DROP' && first !== 'ALTER') || !head.includes('TABLE')) return undefined
  const cursor = new Cursor(significantTokens(sql), 1)
  if (first === 'CREATE') cursor.takes('VIRTUAL')
  // A temporary table has TEMP in this place.
  if (!cursor.takes('TABLE')) return undefined
  if (cursor.takes('IF')) {
    cursor.takes('NOT')
    cursor.takes('EXISTS')
  }
  let table = fold(cursor.name())
  if (cursor.takes('.')) {
    if (table !== 'main') return undefined
    table = fold(cursor.name())
  }
  if (first !== 'ALTER') return { kind: first === 'CREATE' ? 'create' : 'drop', table }
  return cursor.takes('RENAME', 'TO') ? { kind: 'rename', from: table, to: fold(cursor.name()) } : undefined
}

/** `INSERT OR IGNORE INTO main . name` */
const mostTokens = 7

/** The folded name of the table that a statement inserts into, as far as its text says. */
export function insertedInto({ sql, head }: Statement): string | undefined {
  if (head[0] !== 'INSERT' && head[0] !== 'REPLACE') return undefined
  const cursor = new Cursor(firstTokens(sql, mostTokens), 1)
  if (cursor.takes('OR')) cursor.skip()
  if (!cursor.takes('INTO')) return undefined
  const name = fold(cursor.name())
  return cursor.takes('.') ? fold(cursor.name()) : name
}

/**
 * Where each table that was there before went: from its name then to its name now, for those that were renamed. A table
 * that was made in between is not followed, nor one any further that was dropped: another of that name is not the same,
 * but for one that is renamed to it, as at the end of a rebuild.
 */
export function followRenames(changes: readonly TableChange[]): ReadonlyMap<string, string> {
  const went = new Map<string, string>()
  /** Who was there before, by the name that it has now, of those that were renamed. */
  const originals = new Map<string, string>()
  /** Names that whoever had them before has no more. */
  const vacated = new Set<string>()
  /** Those that were dropped under the name that they had before. */
  const dropped = new Set<string>()
  for (const change of changes) {
    if (change.kind === 'rename') {
      const { from, to } = change
      const original = originals.get(from) ?? (vacated.has(from) ? undefined : from)
      originals.delete(from)
      vacated.add(from).add(to)
      if (original !== undefined) {
        originals.set(to, original)
        went.set(original, to)
      } else if (dropped.delete(to)) originals.set(to, to)
    } else if (change.kind === 'create') vacated.add(change.table)
    else {
      if (originals.get(change.table) === change.table || !vacated.has(change.table)) dropped.add(change.table)
      originals.delete(change.table)
      vacated.add(change.table)
    }
  }
  return went
}

/** Where tables went that were renamed by one migration after another. */
export function composeRenames(
  first: ReadonlyMap<string, string>,
  second: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const went = new Map([...first].map(([name, now]) => [name, second.get(now) ?? now]))
  const moved = new Set(first.values())
  for (const [name, now] of second) if (!first.has(name) && !moved.has(name)) went.set(name, now)
  return went
}

/**
 * Whether a rename is the first step of a rebuild (rename the old table away, make the new one under its name, copy,
 * drop the old): what refers to the table then means the new one.
 * @param later the changes that follow
 */
export function makesRoom({ from, to }: { from: string; to: string }, later: readonly TableChange[]): boolean {
  const retaken = later.some(change => (change.kind === 'create' ? change.table : renamedTo(change)) === from)
  return retaken && later.some(change => change.kind === 'drop' && change.table === to)
}

/** Whether a name was that of a table earlier: one that was dropped or renamed away. */
export function wasVacated(name: string, earlier: readonly TableChange[]): boolean {
  return earlier.some(change => (change.kind === 'drop' ? change.table : renamedFrom(change)) === name)
}

function renamedTo(change: TableChange): string | undefined {
  return change.kind === 'rename' ? change.to : undefined
}

function renamedFrom(change: TableChange): string | undefined {
  return change.kind === 'rename' ? change.from : undefined
}
