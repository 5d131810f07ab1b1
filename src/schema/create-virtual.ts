/** The text of a CREATE VIRTUAL TABLE. */
import { fold } from './model.ts'
import { significantTokens, type Token } from './tokens.ts'

/** The module's name and, in parentheses, its arguments; undefined for any other text. SQLite stores it always like this. */
export function readCreateVirtual(sql: string): readonly Token[] | undefined {
  if (!/^CREATE VIRTUAL TABLE\b/i.test(sql)) return undefined
  const tokens = significantTokens(sql)
  const using = tokens.findIndex(({ kind, text }) => kind === 'word' && fold(text) === 'using')
  return tokens.slice(using + 1)
}
