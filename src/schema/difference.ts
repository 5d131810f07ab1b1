/** One difference between two schemas, and what to make of a list of them. */
import { fold } from './model.ts'

export interface Difference {
  /**
   * - `missing`: the migrations describe it, the database has not got it
   * - `differs`: it is there, but not as described; so is a table with a column or a constraint that no migration made
   * - `extra`: an index, trigger, view or whole table that no migration made
   */
  readonly kind: 'missing' | 'differs' | 'extra'
  readonly object: 'table' | 'column' | 'constraint' | 'index' | 'trigger' | 'view'
  /** A column or a constraint with its table: `users.nickname`. */
  readonly name: string
  /** The table that it belongs to; undefined for a view. */
  readonly table: string | undefined
  /** One line for a person. */
  readonly message: string
}

export interface Verdict {
  /** What is missing or differs. */
  readonly fails: readonly Difference[]
  /** What is merely extra. */
  readonly warnings: readonly Difference[]
}

export function splitDifferences(differences: readonly Difference[]): Verdict {
  return {
    fails: differences.filter(({ kind }) => kind !== 'extra'),
    warnings: differences.filter(({ kind }) => kind === 'extra'),
  }
}

const order = ['table', 'column', 'constraint', 'index', 'trigger', 'view']

/** By table, then kind of object, then name; a view stands where a table of its name would. */
export function sorted(differences: readonly Difference[]): Difference[] {
  const key = ({ table, name, object, message }: Difference) =>
    [fold(table ?? name), String(order.indexOf(object)), fold(name), message].join('\0')
  return differences
    .map(difference => ({ difference, key: key(difference) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ difference }) => difference)
}

/**
 * Whether one of these patterns is the name of the object or of its table. `*` stands for any characters, `?` for one;
 * everything else, `_` included, for itself, the letters A to Z without regard to case.
 */
export function ignorer(globs: readonly string[]): (difference: Difference) => boolean {
  const patterns = globs.map(glob => new RegExp(`^${fold(glob).replace(/./gsu, patternOf)}$`, 'su'))
  const matches = (name: string) => patterns.some(pattern => pattern.test(fold(name)))
  return ({ name, table }) => matches(name) || (table !== undefined && matches(table))
}

function patternOf(character: string): string {
  if (character === '*') return '.*'
  if (character === '?') return '.'
  return /[\^$\\.+()[\]{}|/]/.test(character) ? `\\${character}` : character
}

/** Two long texts around the place where they part. */
export function aroundDifference(expected: string, found: string): readonly [string, string] {
  let at = 0
  while (at < expected.length && expected[at] === found[at]) at++
  // From a word's beginning, with a little of what stands before it.
  const from = at <= 30 ? 0 : Math.max(expected.lastIndexOf(' ', at - 20) + 1, at - 60)
  const part = (text: string) =>
    `${from > 0 ? '… ' : ''}${text.slice(from, at + 50)}${text.length > at + 50 ? ' …' : ''}` || 'nothing'
  return [part(expected), part(found)]
}
