/** A place in a list of tokens, and the few ways of moving on that reading a definition needs. */
import { nameOf, type Token } from './tokens.ts'

export class Cursor {
  readonly #tokens: readonly Token[]
  /** Keywords in capitals and punctuation. A name in quotes keeps them, and so is never taken for a keyword. */
  readonly #symbols: readonly string[]
  #at: number

  constructor(tokens: readonly Token[], at = 0) {
    this.#tokens = tokens
    this.#symbols = tokens.map(({ text }) => text.toUpperCase())
    this.#at = at
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length
  }

  /** The next token as a keyword in capitals, or as punctuation; empty at the end. */
  get symbol(): string {
    return this.#symbols[this.#at] ?? ''
  }

  sees(symbol: string, following?: string): boolean {
    if (this.#symbols[this.#at] !== symbol) return false
    return following === undefined || this.#symbols[this.#at + 1] === following
  }

  /** Moves past these tokens if they come next. */
  takes(symbol: string, following?: string): boolean {
    if (!this.sees(symbol, following)) return false
    this.#at += following === undefined ? 1 : 2
    return true
  }

  /** Moves past one token. */
  skip(): void {
    this.#at++
  }

  /** Moves past one token and returns the name in it. */
  name(): string {
    return nameOf(this.#tokens[this.#at++]?.text ?? '')
  }

  /** The same in capitals. */
  word(): string {
    return this.name().toUpperCase()
  }

  /** Moves past `( ... )` and returns what is inside; nothing, if no parenthesis comes next. */
  parenthesised(): Token[] {
    if (!this.takes('(')) return []
    const inside = this.#upTo('')
    this.skip()
    return inside
  }

  /** Moves past what is left. */
  rest(): Token[] {
    const rest = this.#tokens.slice(this.#at)
    this.#at = this.#tokens.length
    return rest
  }

  /** Moves to the next comma outside of parentheses, or to the parenthesis that closes the one we are in. */
  item(): Token[] {
    return this.#upTo(',')
  }

  #upTo(stop: string): Token[] {
    const from = this.#at
    for (let depth = 0; !this.done; this.#at++) {
      const symbol = this.#symbols[this.#at]
      if (depth === 0 && (symbol === ')' || (symbol === stop && stop !== ''))) break
      if (symbol === '(') depth++
      else if (symbol === ')') depth--
    }
    return this.#tokens.slice(from, this.#at)
  }
}

/** A list in parentheses, cut at its commas. */
export function items(list: readonly Token[]): Token[][] {
  const cursor = new Cursor(list)
  const found: Token[][] = []
  while (!cursor.done) {
    found.push(cursor.item())
    cursor.skip()
  }
  return found
}
