/** The rule `lost-object`: what a table had and does not have after it was made anew. */
import { describeForeignKey, describeIndex } from '../schema/describe.ts'
import { type ForeignKey, fold, type Table } from '../schema/model.ts'
import type { Found } from './finding.ts'
import { type Replayed, survivors, tableChanges } from './replayed.ts'

export function* lostObjects(replayed: Replayed): Generator<Found> {
  const changes = tableChanges(replayed)
  const droppedByName = new Set(droppedObjects(replayed))
  const rebuilt = new Map<string, number>()
  for (const { change, statement } of changes)
    if (change.kind !== 'create') {
      const name = change.kind === 'rename' ? change.from : change.table
      if (!rebuilt.has(name)) rebuilt.set(name, statement.line)
    }
  for (const [before, after] of survivors(replayed)) {
    const line = rebuilt.get(fold(before.name))
    if (line === undefined || fold(before.name) !== fold(after.name)) continue
    for (const lost of [...lostIndexes(before, after), ...lostTriggers(replayed, before)])
      if (!droppedByName.has(fold(lost.name))) yield found(line, before, lost.what)
    for (const what of lostKeys(before, after)) yield found(line, before, what)
    for (const [view, tables] of replayed.viewsOf)
      if (tables.includes(fold(before.name)) && !replayed.after.views.some(({ name }) => fold(name) === fold(view)))
        yield found(line, before, `the view ${view}`)
  }
}

function found(line: number, { name }: Table, what: string): Found {
  return { rule: 'lost-object', line, message: `${name} is made anew without ${what}` }
}

function droppedObjects({ statements }: Replayed): string[] {
  return statements.flatMap(({ accesses, statement }) =>
    statement.head[0] === 'DROP' && (statement.head[1] === 'INDEX' || statement.head[1] === 'TRIGGER')
      ? accesses.filter(({ action }) => /^DROP_(INDEX|TRIGGER)$/.test(action)).map(({ first }) => fold(first ?? ''))
      : [],
  )
}

/** An index that is there under another name is not lost. */
function lostIndexes(before: Table, after: Table) {
  const left = new Set(after.indexes.flatMap(index => [fold(index.name), describeIndex(index)]))
  return before.indexes
    .filter(index => !left.has(fold(index.name)) && !left.has(describeIndex(index)))
    .map(index => ({ name: index.name, what: `the index ${index.name} ${describeIndex(index)}` }))
}

function lostTriggers({ after, before }: Replayed, table: Table) {
  const left = new Set(after.triggers.map(({ name }) => fold(name)))
  return before.triggers
    .filter(trigger => fold(trigger.table) === fold(table.name) && !left.has(fold(trigger.name)))
    .map(({ name }) => ({ name, what: `the trigger ${name}` }))
}

function* lostKeys(before: Table, after: Table): Generator<string> {
  const columns = new Set(after.columns.map(({ name }) => fold(name)))
  for (const key of before.foreignKeys) {
    if (!key.columns.every(column => columns.has(fold(column)))) continue
    const same = after.foreignKeys.find(other => sameKey(key, other))
    if (same === undefined) yield `the foreign key ${describeForeignKey(key)}`
    else if (same.onDelete !== key.onDelete) yield `the ON DELETE ${key.onDelete} of its foreign key ${columnsOf(key)}`
    else if (same.onUpdate !== key.onUpdate) yield `the ON UPDATE ${key.onUpdate} of its foreign key ${columnsOf(key)}`
  }
}

function sameKey(a: ForeignKey, b: ForeignKey): boolean {
  return columnsOf(a) === columnsOf(b) && fold(a.parent) === fold(b.parent)
}

function columnsOf({ columns }: ForeignKey): string {
  return `(${columns.map(fold).join(', ')})`
}
