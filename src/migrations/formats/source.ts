/** A migration as it lies in a folder, before it is parsed: which files it has, and who wrote them. */
import { leadingSqlComments } from '../comments.ts'
import { directed, looksEffective, type RawDirectives, readDirective } from '../directives.ts'
import type { Migration } from '../model.ts'
import { checksumOf, lineAt } from '../text.ts'
import { commentOrQuoted, isFirstOnLine } from './markers.ts'

export interface TextFile {
  /** Its path. */
  readonly file: string
  /** As `readText` returns it. */
  readonly text: string
}

/** What a file says in its own way, read by whoever knows that way. @throws Error with what is wrong; the caller names the file */
export type Parse = (version: string, up: TextFile, down: TextFile | undefined) => Migration

export interface Source {
  readonly version: string
  /** What that tool's record of it says where that is not its name or number. */
  readonly recordedAs?: string
  readonly up: TextFile
  /** Where the down is a file of its own. */
  readonly down?: TextFile
  readonly parse: Parse
}

/** What one tool's way of laying out a folder finds in it. */
export interface Found {
  readonly sources: readonly Source[]
  /** Files that ought to be migrations and are not, a sentence each, with the path. */
  readonly problems: readonly string[]
  /** Versions in the order in which that tool runs them, where that is an order of its own. */
  readonly sequence?: readonly string[]
}

/** Of a text of another tool: the up and the down of it, as SQL. */
interface Scripts {
  readonly up: string
  readonly down?: string | undefined
  /** Line of the file on which each begins, from 1. Default 1. */
  readonly upLine?: number
  readonly downLine?: number
  /** Default true. */
  readonly transaction?: boolean
}

/**
 * A migration of another tool. Its description is the rest of its name. Of its comments only those are directives that
 * change how it runs: what else may look like one was not written for us.
 */
export function foreignMigration(
  version: string,
  up: TextFile,
  down: TextFile | undefined,
  scripts: Scripts,
): Migration {
  const { transaction = true } = scripts
  const said: RawDirectives = transaction ? {} : { transaction }
  // Other linters have a lint-ignore of their own.
  for (const comment of leadingSqlComments(up.text))
    if (looksEffective(comment) && !/^\s*lint-ignore/i.test(comment)) readDirective(said, comment)
  const description = version.replace(/^[\d_-]+/, '').replaceAll(/[_-]+/g, ' ')
  const downSql = down?.text ?? scripts.down
  return {
    ...directed({ description, doubleQuotedStrings: true, ...said }),
    version,
    file: up.file,
    checksum: checksumOf(up.text),
    up: { kind: 'sql', sql: scripts.up, line: scripts.upLine ?? 1 },
    down:
      downSql === undefined
        ? undefined
        : {
            kind: 'sql',
            sql: downSql,
            line: scripts.downLine ?? 1,
            ...(down === undefined ? {} : { file: down.file }),
          },
  }
}

/** The words of a comment by which many tools, and people without one, begin a down, in small letters and without signs. */
const downWords =
  /^(?:(?:migrat(?:e|ion)|rambler|goose) ?)?(?:downs?|undo|rollback|revert|downgrade)(?: (?:migration|script|no ?transaction))?$/

/** Offset of a comment between two statements that says that a down begins, with a statement after it. */
function downIn(text: string): number | undefined {
  let between = true
  let end = 0
  for (const { 0: part, index } of text.matchAll(commentOrQuoted)) {
    const isComment = /^(--|\/\*)/.test(part)
    const code = text.slice(end, index).trim()
    if (code !== '' || !isComment) between = isComment && code.endsWith(';')
    end = index + part.length
    const isPlain = isComment && !part.includes('\n')
    if (!isPlain || !between || !isFirstOnLine(text, index)) continue
    const [head = ''] = part.replace(/^\/\*|\*\/$/g, '').split(/:(?=\s)/)
    const words = head
      .toLowerCase()
      .replaceAll(/[^a-z]+/g, ' ')
      .trim()
    if (downWords.test(words) && hasStatement(text.slice(end))) return index
  }
  return undefined
}

function hasStatement(text: string): boolean {
  return /[^\s;]/.test(text.replaceAll(commentOrQuoted, part => (/^(--|\/\*)/.test(part) ? '' : 'x')))
}

/**
 * One of which the whole text is the up.
 * @param how `ends`: offsets at which its tool ends a statement; `transaction`: default true
 * @throws Error where something in it looks like the beginning of a down, which would run directly after the up
 */
export function wholeMigration(
  version: string,
  up: TextFile,
  down: TextFile | undefined,
  { ends = [], transaction = true }: { readonly ends?: readonly number[]; readonly transaction?: boolean },
): Migration {
  const { text } = up
  const found = downIn(text)
  if (found !== undefined)
    throw new Error(
      `line ${lineAt(text, found)} looks like the beginning of a down, but all of the file would run as the up`,
    )
  return foreignMigration(version, up, down, { up: ended(text, 0, text.length, ends), transaction })
}

/** A piece of a text, with a semicolon wherever its tool ends a statement by a comment alone. */
export function ended(text: string, start: number, end: number, ends: readonly number[]): string {
  let [sql, at] = ['', start]
  for (const place of ends) {
    if (place < start || place >= end) continue
    sql += `${text.slice(at, place)};`
    at = place
  }
  return sql + text.slice(at, end)
}
