/**
 * A script, cut into statements where SQLite itself would stop reading one (the tail of `sqlite3_prepare`): at each `;`,
 * except at those inside a trigger's body. SQLite's grammar allows a `;` nowhere else, and it ends a body with an `END`
 * that directly follows one, which the `END` of a CASE never does.
 */
import { LockkeeperError } from '../errors.ts'
import { nameOf, Scanner, significantTokens } from '../schema/tokens.ts'

export interface Statement {
  /** From its first token to its `;` (which the last one of a script may lack); comments before it are left out. */
  readonly sql: string
  /** Offset of `sql` in the script, in UTF-16 units. */
  readonly start: number
  /** Line of the script on which it starts, from 1. */
  readonly line: number
  /**
   * Its first words, six at most, in capitals, up to the first token that is neither a word nor a name; quotes around
   * names and the dots between them left out: `['BEGIN', 'IMMEDIATE']`, `['PRAGMA', 'MAIN', 'FOREIGN_KEYS']`.
   */
  readonly head: readonly string[]
}

const headLength = 6

/**
 * The statements of a script, made as they are asked for. Empty ones, and comments that no statement follows, are none.
 * Text that SQLite would refuse is passed on, so that SQLite says why.
 *
 * @throws LockkeeperError `invalid` for a NUL character, before the first statement: SQLite would silently stop there.
 */
export function* split(script: string): Generator<Statement, void> {
  refuseNul(script)
  const scanner = new Scanner(script)
  let line = 1
  let newline = script.indexOf('\n')
  let before: readonly string[] = []
  while (skip(scanner)) {
    const { start } = scanner
    // The next line's end is remembered: looking for it anew would read a script of one long line again and again.
    for (; newline !== -1 && newline < start; newline = script.indexOf('\n', newline + 1)) line++
    const words = readStatement(scanner)
    // Of a million INSERTs there is one head.
    const head = isSame(words, before) ? before : words
    before = head
    yield { sql: script.slice(start, scanner.end), start, line, head }
  }
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((word, at) => word === right[at])
}

/** The pragma that a statement sets or asks, in lower case, or undefined when it is no pragma. */
export function pragmaOf(statement: Statement): { name: string; value: string | undefined } | undefined {
  if (statement.head[0] !== 'PRAGMA') return undefined
  const tokens = significantTokens(statement.sql).map(token => token.text)
  const nameAt = tokens[2] === '.' ? 3 : 1
  const name = nameOf(tokens[nameAt] ?? '').toLowerCase()
  const given = tokens.slice(nameAt + 1).filter(text => text !== ';')
  const value = given[0] === '=' ? given.slice(1) : given.slice(1, -1)
  return { name, value: value.length === 0 ? undefined : value.map(nameOf).join('').toLowerCase() }
}

function refuseNul(script: string): void {
  const at = script.indexOf('\0')
  if (at === -1) return
  const line = script.slice(0, at).split('\n').length
  throw new LockkeeperError('invalid', `line ${line} contains a NUL character, at which SQLite would stop reading`, {
    hint: 'Save the file as UTF-8 and remove the character.',
    details: { line, offset: at },
  })
}

/** Moves to the first token of a statement; false when there is none. */
function skip(scanner: Scanner): boolean {
  while (scanner.next()) if (!isSkipped(scanner) && !isSemicolon(scanner)) return true
  return false
}

/** Moves from the first token of a statement to its last, and returns the head. */
function readStatement(scanner: Scanner): string[] {
  const head: string[] = []
  let inHead = true
  let inBody = false
  let afterSemicolon = false
  let end = scanner.end
  do {
    if (isSkipped(scanner)) continue
    end = scanner.end
    const semicolon = isSemicolon(scanner)
    if (semicolon && !inBody) break
    if (inHead) inHead = extendHead(head, scanner)
    if (inBody) inBody = !(afterSemicolon && isWord(scanner, 'END'))
    else if (isWord(scanner, 'BEGIN')) inBody = createsTrigger(head)
    afterSemicolon = semicolon
  } while (scanner.next())
  scanner.end = end
  return head
}

function isSkipped({ kind }: Scanner): boolean {
  return kind === 'space' || kind === 'comment'
}

function isSemicolon({ kind, sql, start }: Scanner): boolean {
  return kind === 'operator' && sql.charCodeAt(start) === 0x3b
}

function isWord(scanner: Scanner, word: string): boolean {
  return scanner.kind === 'word' && scanner.end - scanner.start === word.length && scanner.text.toUpperCase() === word
}

/** False when the head is complete. */
function extendHead(head: string[], scanner: Scanner): boolean {
  const { kind } = scanner
  if (kind === 'operator') return scanner.text === '.'
  if (kind !== 'word' && kind !== 'quoted' && kind !== 'string') return false
  head.push(nameOf(scanner.text).toUpperCase())
  return head.length < headLength
}

/** The head suffices: a trigger's header has more words before its BEGIN. */
function createsTrigger(head: readonly string[]): boolean {
  let at = 0
  if (head[at] === 'EXPLAIN') at = head[1] === 'QUERY' ? 3 : 1
  if (head[at++] !== 'CREATE') return false
  if (head[at] === 'TEMP' || head[at] === 'TEMPORARY') at++
  return head[at] === 'TRIGGER'
}
