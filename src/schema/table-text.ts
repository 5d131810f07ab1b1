/** Parts of the text of a CREATE TABLE, as they were written. */
import { quoteName } from '../database/connection.ts'
import { items } from './cursor.ts'
import { fold } from './model.ts'
import { nameOf, significantTokens, type Token } from './tokens.ts'

/** A column with its type and constraints, `email TEXT NOT NULL DEFAULT ''`; undefined where there is none of that name. */
export function columnText(sql: string, column: string): string | undefined {
  const tokens = significantTokens(sql)
  const opening = tokens.findIndex(({ text }) => text === '(')
  const item = items(insideOf(tokens, opening)).find(([first]) => fold(nameOf(first?.text ?? '')) === fold(column))
  const last = item?.at(-1)
  if (item === undefined || last === undefined) return undefined
  return sql.slice(item[0]!.start, last.start + last.text.length)
}

/** The same table under another name. SQLite stores `CREATE TABLE name ...`, whatever was written before the name. */
export function renamedTable(sql: string, name: string): string {
  const token = significantTokens(sql)[2]!
  return sql.slice(0, token.start) + quoteName(name) + sql.slice(token.start + token.text.length)
}

/** Up to the parenthesis that closes the one at this place. */
function insideOf(tokens: readonly Token[], opening: number): Token[] {
  let depth = 0
  for (let at = opening; at < tokens.length; at++) {
    const { text } = tokens[at]!
    if (text === '(') depth++
    else if (text === ')' && --depth === 0) return tokens.slice(opening + 1, at)
  }
  return []
}
