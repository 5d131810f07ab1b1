/** The rules that look at single statements: `if-not-exists`, `rename-in-use`, `non-deterministic`. */
import { fold } from '../schema/model.ts'
import { nameOf, significantTokens, type Token } from '../schema/tokens.ts'
import type { Found } from './finding.ts'
import type { ObservedStatement } from './observe.ts'
import { oldTables, type Replayed, tableChanges } from './replayed.ts'

export function* ifNotExists({ statements }: Replayed): Generator<Found> {
  for (const { line, made, statement } of statements) {
    const { head } = statement
    const at = head.indexOf('IF')
    if (head[0] !== 'CREATE' || at === -1 || head[at + 1] !== 'NOT' || head.some(word => /^TEMP(ORARY)?$/.test(word)))
      continue
    const what = `${head.slice(0, at).join(' ')} IF NOT EXISTS`
    const message =
      made === 0
        ? `${what} does nothing: there is one of that name`
        : `${what} would pass over another one of that name`
    yield { rule: 'if-not-exists', line, message }
  }
}

export function* renamesInUse(replayed: Replayed): Generator<Found> {
  const made = new Set(tableChanges(replayed).flatMap(({ change }) => (change.kind === 'create' ? [change.table] : [])))
  for (const { accesses, line, rewritten, statement } of replayed.statements) {
    if (rewritten.length === 0 || statement.head[0] !== 'ALTER') continue
    const table = accesses.find(({ action }) => action === 'ALTER_TABLE')?.second ?? ''
    if (made.has(fold(table)) || !oldTables(replayed).has(fold(table))) continue
    yield { rule: 'rename-in-use', line, message: `a name of ${table} changes that is used by ${rewritten.join(', ')}` }
  }
}

export function* nonDeterministic({ statements }: Replayed): Generator<Found> {
  for (const statement of statements) {
    if (!writesRows(statement)) continue
    const used = new Set(
      statement.accesses.flatMap(({ action, by, second }) =>
        action === 'FUNCTION' && by === null ? [second ?? ''] : [],
      ),
    )
    const tokens = significantTokens(statement.statement.sql)
    const odd = [...used].map(fold).filter(name => random.has(name) || (ofTime.has(name) && saysNow(tokens, name)))
    if (odd.length === 0) continue
    const { line } = statement
    yield {
      rule: 'non-deterministic',
      line,
      message: `writes rows with ${odd.join(', ')}, so that each run writes others`,
    }
  }
}

const random = new Set(['random', 'randomblob', 'current_timestamp', 'current_date', 'current_time'])
const ofTime = new Set(['date', 'time', 'datetime', 'julianday', 'strftime', 'unixepoch', 'timediff'])

function writesRows({ accesses, statement }: ObservedStatement): boolean {
  const [first] = statement.head
  if (first === 'CREATE') return statement.head[1] === 'TABLE' && accesses.some(({ action }) => action === 'READ')
  return accesses.some(({ action, by, schema }) => by === null && schema === 'main' && /^(INSERT|UPDATE)$/.test(action))
}

/** `datetime('now')`, or without a time, which means the same. */
function saysNow(tokens: readonly Token[], name: string): boolean {
  if (tokens.some(({ kind, text }) => kind === 'string' && nameOf(text).toLowerCase() === 'now')) return true
  return tokens.some(
    ({ text }, at) => fold(text) === name && tokens[at + 1]?.text === '(' && tokens[at + 2]?.text === ')',
  )
}
