/** What only the text of a CREATE INDEX says: the expressions that it indexes and its condition. */
import { Cursor, items } from './cursor.ts'
import { significantTokens, type Token } from './tokens.ts'

export interface IndexText {
  /** One for each column, without COLLATE, ASC and DESC, which the pragmas report. */
  readonly columns: readonly (readonly Token[])[]
  readonly where: readonly Token[] | null
}

export function readCreateIndex(sql: string): IndexText {
  const tokens = significantTokens(sql)
  const cursor = new Cursor(
    tokens,
    tokens.findIndex(token => token.text === '('),
  )
  const columns = items(cursor.parenthesised()).map(withoutOrder)
  return { columns, where: cursor.takes('WHERE') ? cursor.rest() : null }
}

function withoutOrder(item: readonly Token[]): readonly Token[] {
  const last = item.at(-1)?.text.toUpperCase()
  const unordered = item.length > 1 && (last === 'ASC' || last === 'DESC') ? item.slice(0, -1) : item
  const collated = unordered.length > 2 && unordered.at(-2)!.text.toUpperCase() === 'COLLATE'
  return collated ? unordered.slice(0, -2) : unordered
}
