/**
 * SQL text in a form in which two texts are equal when they mean the same to SQLite's parser: no comments, one way of
 * spacing, keywords and names in lower case, quotes only where a name needs them. String literals stay as they are.
 */
import { fold } from './model.ts'
import { nameOf, significantTokens, type Token } from './tokens.ts'

export interface NameRules {
  /** Whether there is a column or another thing of this (folded) name, so that `"x"` is the name x and not the string 'x'. */
  readonly isName: (folded: string) => boolean
}

const anyName: NameRules = { isName: () => true }

/** Unquoted these are values, so that quotes around them make a difference. */
const values = new Set(['null', 'true', 'false', 'current_date', 'current_time', 'current_timestamp'])
const plain = /^[a-z_$\u0080-\uffff][a-z0-9_$\u0080-\uffff]*$/

/**
 * @param tokens without spaces and comments
 * @param rules tell names in double quotes from strings in double quotes; by default all of them are names
 */
export function normalise(tokens: readonly Token[], rules: NameRules = anyName): string {
  let text = ''
  let previous = ''
  let isSign = false
  for (const [at, token] of tokens.entries()) {
    const written = spelling(tokens, at, token, rules)
    text += isSign || isClose(previous, written) ? written : ` ${written}`
    isSign = /^[+-]$/.test(written) && /^[(,]?$/.test(previous)
    previous = written
  }
  return text
}

function isClose(previous: string, written: string): boolean {
  if (/^[(.]?$/.test(previous) || /^[,;).]$/.test(written)) return true
  return written === '(' && /^[\w$"\u0080-\uffff]+$/.test(previous)
}

/** The same for text. */
export function normaliseText(sql: string, rules: NameRules = anyName): string {
  return normalise(significantTokens(sql), rules)
}

/**
 * A column's default. A lone name is a string to SQLite here, TRUE and FALSE are 1 and 0, and NULL is what a column
 * without a default has.
 */
export function normaliseDefault(sql: string | null): string | null {
  if (sql === null) return null
  const tokens = significantTokens(sql)
  const [only] = tokens
  if (only === undefined || tokens.length > 1) return normalise(tokens)
  const word = only.kind === 'word' ? fold(only.text) : ''
  if (word === 'null') return null
  if (word === 'true' || word === 'false') return word === 'true' ? '1' : '0'
  if ((only.kind === 'word' && !values.has(word)) || only.kind === 'quoted') return asString(nameOf(only.text))
  return normalise(tokens)
}

/** Rules for the text of a view or a trigger, in which names come from the whole schema and from the text itself. */
export function rulesForBody(tokens: readonly Token[], schemaNames: ReadonlySet<string>): NameRules {
  const own = new Set<string>()
  for (const [at, { kind, text }] of tokens.entries()) {
    if (kind === 'word') own.add(fold(text))
    else if (kind === 'quoted' && (isQualified(tokens, at) || givesAlias(tokens[at - 1]))) own.add(fold(nameOf(text)))
  }
  return { isName: name => own.has(name) || schemaNames.has(name) }
}

function spelling(tokens: readonly Token[], at: number, { kind, text }: Token, { isName }: NameRules): string {
  if (kind === 'string' || kind === 'variable') return text
  if (kind !== 'quoted') return fold(text)
  const name = nameOf(text)
  const folded = fold(name)
  if (text.startsWith('"') && !isName(folded) && !isQualified(tokens, at) && !names(tokens, at)) return asString(name)
  return plain.test(folded) && !values.has(folded) ? folded : `"${folded.replaceAll('"', '""')}"`
}

function isQualified(tokens: readonly Token[], at: number): boolean {
  return tokens[at - 1]?.text === '.' || tokens[at + 1]?.text === '.'
}

/** A collation or a function. */
function names(tokens: readonly Token[], at: number): boolean {
  return fold(tokens[at - 1]?.text ?? '') === 'collate' || tokens[at + 1]?.text === '('
}

/** What follows AS or the end of an operand is an alias. */
function givesAlias(before: Token | undefined): boolean {
  if (before === undefined) return false
  const { kind, text } = before
  return fold(text) === 'as' || text === ')' || kind === 'number' || kind === 'string' || kind === 'quoted'
}

function asString(name: string): string {
  return `'${name.replaceAll("'", "''")}'`
}
