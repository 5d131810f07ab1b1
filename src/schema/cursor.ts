/** A place in a list of tokens, and the few ways of moving on that reading a definition needs. */
import { nameOf, type Token } from './tokens.ts'

export class Cursor {
  readonly #tokens: readonly Token[]
  #at: number

  constructor(tokens: readonly Token[], at = 0) {
    this.#tokens = tokens
    this.#at = at
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length
  }

  /** Whether the next tokens are these: keywords in capitals, or punctuation. A name in quotes is no keyword. */
  sees(...texts: readonly string[]): boolean {
    return texts.every((text, ahead) => {
      const token = this.#tokens[this.#at + ahead]
      return token !== undefined && token.kind !== 'quoted' && token.text.toUpperCase() === text
    })
  }

  /** Moves past these tokens if they come next. */
  takes(...texts: readonly string[]): boolean {
    if (!this.sees(...texts)) return false
    this.#at += texts.length
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
    const inside = this.#upTo(() => false)
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
    return this.#upTo(() => this.sees(','))
  }

  #upTo(stop: () => boolean): Token[] {
    const from = this.#at
    let depth = 0
    for (; !this.done; this.skip()) {
      if (depth === 0 && (this.sees(')') || stop())) break
      if (this.sees('(')) depth++
      else if (this.sees(')')) depth--
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
