/**
 * SQL as SQLite's own tokenizer sees it (src/tokenize.c): where a token starts, where it ends, and what sort it is.
 * Nothing is parsed here. Whatever needs to look into SQL text, to split a script or to compare two definitions, does it
 * on these tokens, so that a `;` in a string or a keyword in a comment is never mistaken for the real thing.
 */

/**
 * - `word`: a keyword or a name without quotes; SQLite, too, tells them apart only in the parser
 * - `quoted`: a name in `"x"`, `` `x` `` or `[x]` (where SQLite finds no such name, it may take `"x"` for a string)
 * - `string`, `blob`, `number`, `variable` (`?1`, `:a`, `@a`, `$a`, `#a`)
 * - `operator`: operators and punctuation, `;` included
 * - `space`, `comment`: what SQLite skips; a byte order mark counts as space
 * - `illegal`: what SQLite refuses, an unterminated string for example
 */
export type TokenKind =
  | 'word'
  | 'quoted'
  | 'string'
  | 'blob'
  | 'number'
  | 'variable'
  | 'operator'
  | 'space'
  | 'comment'
  | 'illegal'

export interface Token {
  readonly kind: TokenKind
  /** As it stands in the source, quotes included. */
  readonly text: string
  /** Offset in UTF-16 units, as in every JavaScript string. */
  readonly start: number
}

const SPACE = 1
const DIGIT = 2
const HEX = 4
const NAME = 8
/** An operator by itself, whatever follows. */
const ALONE = 16

/** What a character may be part of; everything from U+0080 on may be part of a name. */
const classes = new Uint8Array(128)
for (const c of '\t\n\v\f\r ') classes[c.charCodeAt(0)]! |= SPACE
for (const c of '0123456789') classes[c.charCodeAt(0)]! |= DIGIT | HEX | NAME
for (const c of 'abcdefABCDEF') classes[c.charCodeAt(0)]! |= HEX
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$') classes[c.charCodeAt(0)]! |= NAME

for (const c of '+*%,&~();') classes[c.charCodeAt(0)]! |= ALONE

const pairs = new Set(['<=', '<>', '<<', '>=', '>>', '!=', '==', '||'])
const others = new Set('-/=<>|.')
const isVariable = new Set('$@:#')

/**
 * Walks through SQL one token at a time without making an object or a string for each: `next()`, then `kind`, `start`
 * and `end`. Together the tokens cover the text without a gap. A NUL, where SQLite stops reading, is `illegal`.
 */
export class Scanner {
  readonly sql: string
  kind: TokenKind = 'space'
  start = 0
  end = 0

  constructor(sql: string) {
    this.sql = sql
  }

  /** False at the end of the text. */
  next(): boolean {
    const at = this.end
    if (at >= this.sql.length) return false
    this.start = at
    this.end = this.#scan(at, this.sql.charCodeAt(at))
    return true
  }

  get text(): string {
    return this.sql.slice(this.start, this.end)
  }

  #scan(at: number, c: number): number {
    const { sql } = this
    if (c > 127) {
      // A byte order mark is space where a token may start, and part of a name inside one.
      return c === 0xfeff ? this.#is('space', at + 1) : this.#is('word', this.#while(at + 1, NAME))
    }
    const sort = classes[c]!
    const following = sql.charCodeAt(at + 1)
    if (sort & ALONE) return this.#is('operator', at + 1)
    // A vertical tab continues white space but cannot begin it.
    if (sort & SPACE && c !== 0x0b) return this.#is('space', this.#while(at + 1, SPACE))
    if (sort & DIGIT) return this.#number(at)
    if (sort & NAME && c !== 0x24) {
      if ((c === 0x78 || c === 0x58) && following === 0x27) return this.#blob(at)
      return this.#is('word', this.#while(at + 1, NAME))
    }
    if (c === 0x27 || c === 0x22 || c === 0x60) return this.#quoted(at, c)
    if (c === 0x5b) return this.#until(at + 1, ']', 'quoted')
    if (c === 0x2d && following === 0x2d) {
      const newline = sql.indexOf('\n', at + 2)
      return this.#is('comment', newline === -1 ? sql.length : newline)
    }
    // `/*` as the very last characters is a division and a star to SQLite.
    if (c === 0x2f && following === 0x2a && at + 2 < sql.length) {
      const closing = sql.indexOf('*/', at + 2)
      return this.#is('comment', closing === -1 ? sql.length : closing + 2)
    }
    if (c === 0x2e && this.#has(at + 1, DIGIT)) return this.#number(at)
    if (c === 0x3f) return this.#is('variable', this.#while(at + 1, DIGIT))
    return this.#operator(at)
  }

  #operator(at: number): number {
    const { sql } = this
    const c = sql.charAt(at)
    if (isVariable.has(c)) return this.#variable(at)
    if (sql.startsWith('->', at)) return this.#is('operator', sql.charAt(at + 2) === '>' ? at + 3 : at + 2)
    if (pairs.has(sql.slice(at, at + 2))) return this.#is('operator', at + 2)
    return this.#is(others.has(c) ? 'operator' : 'illegal', at + 1)
  }

  #is(kind: TokenKind, end: number): number {
    this.kind = kind
    return end
  }

  #has(at: number, mask: number): boolean {
    const c = this.sql.charCodeAt(at)
    return c > 127 ? mask === NAME : (classes[c]! & mask) !== 0
  }

  #while(from: number, mask: number): number {
    let at = from
    while (this.#has(at, mask)) at++
    return at
  }

  #until(from: number, closing: string, kind: TokenKind): number {
    const found = this.sql.indexOf(closing, from)
    return found === -1 ? this.#is('illegal', this.sql.length) : this.#is(kind, found + 1)
  }

  #quoted(at: number, quote: number): number {
    const { sql } = this
    const mark = sql.charAt(at)
    let closing = sql.indexOf(mark, at + 1)
    while (closing !== -1 && sql.charCodeAt(closing + 1) === quote) closing = sql.indexOf(mark, closing + 2)
    if (closing === -1) return this.#is('illegal', sql.length)
    return this.#is(quote === 0x27 ? 'string' : 'quoted', closing + 1)
  }

  #blob(at: number): number {
    const end = this.#while(at + 2, HEX)
    if (this.sql.charCodeAt(end) === 0x27 && (end - at) % 2 === 0) return this.#is('blob', end + 1)
    return this.#until(end, "'", 'illegal')
  }

  /** A number swallows the letters that follow it: `12abc` is one illegal token, `1_000` a number. */
  #number(at: number): number {
    const { sql } = this
    let end = at
    if (/[xX]/.test(sql.charAt(at + 1)) && sql.charAt(at) === '0' && this.#has(at + 2, HEX)) {
      end = this.#digits(at + 2, HEX)
    } else {
      end = this.#digits(at, DIGIT)
      if (sql.charCodeAt(end) === 0x2e) end = this.#digits(end + 1, DIGIT)
      const exponent = /[eE]/.test(sql.charAt(end))
      if (exponent && this.#has(end + 1, DIGIT)) end = this.#digits(end + 1, DIGIT)
      else if (exponent && /[+-]/.test(sql.charAt(end + 1)) && this.#has(end + 2, DIGIT)) {
        end = this.#digits(end + 2, DIGIT)
      }
    }
    const all = this.#while(end, NAME)
    return this.#is(all === end ? 'number' : 'illegal', all)
  }

  #digits(from: number, mask: number): number {
    let at = from
    while (this.#has(at, mask) || this.sql.charCodeAt(at) === 0x5f) at++
    return at
  }

  /** Also Tcl's `$a::b(anything but spaces)`, which may contain a `;`. */
  #variable(at: number): number {
    const { sql } = this
    let end = at + 1
    let letters = 0
    for (; end < sql.length; end++) {
      if (this.#has(end, NAME)) letters++
      else if (sql.charCodeAt(end) === 0x28 && letters > 0) {
        do end++
        while (end < sql.length && !this.#has(end, SPACE) && sql.charCodeAt(end) !== 0x29)
        return sql.charCodeAt(end) === 0x29 ? this.#is('variable', end + 1) : this.#is('illegal', end)
      } else if (sql.startsWith('::', end)) end++
      else break
    }
    return this.#is(letters > 0 ? 'variable' : 'illegal', end)
  }
}

/** Every token of some SQL, spaces and comments included, one after the other without a gap. */
export function* tokenize(sql: string): Generator<Token, void> {
  const scanner = new Scanner(sql)
  while (scanner.next()) yield { kind: scanner.kind, text: scanner.text, start: scanner.start }
}

/** The tokens that mean something: without spaces and comments. */
export function significantTokens(sql: string): Token[] {
  return firstTokens(sql, Number.POSITIVE_INFINITY)
}

/** The first of them, at most so many. */
export function firstTokens(sql: string, most: number): Token[] {
  const tokens: Token[] = []
  const scanner = new Scanner(sql)
  while (tokens.length < most && scanner.next()) {
    const { kind, text, start } = scanner
    if (kind !== 'space' && kind !== 'comment') tokens.push({ kind, text, start })
  }
  return tokens
}

/** The name that a token stands for: without its quotes, a doubled quote as one. A word stays what it is. */
export function nameOf(text: string): string {
  const quote = text.charAt(0)
  if (quote === '[') return text.slice(1, -1)
  if (quote !== '"' && quote !== '`' && quote !== "'") return text
  return text.slice(1, -1).replaceAll(quote + quote, quote)
}
