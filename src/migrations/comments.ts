/** The comments before a module's first statement, where directives may stand. */

/** What may come before it: white space, `#!`, comments, and imports, which are no statement of the migration's own. */
const space = /\s+/y
const hashbang = /#!.*/y
const line = /\/\/(.*)/y
const block = /\/\*([\s\S]*?)\*\//y
const importing = /import\b[^'";(]*(['"])[^'"\n]*\1[^\n;]*;?/y

/** Line by line, without what marks them as comments. */
export function leadingComments(code: string): string[] {
  const comments: string[] = []
  let at = 0
  const takes = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(code)
    if (match === null) return undefined
    at = pattern.lastIndex
    return match[1] ?? ''
  }
  takes(hashbang)
  for (;;) {
    const comment = takes(line) ?? takes(block)
    if (comment !== undefined) comments.push(...linesOf(comment))
    else if (takes(space) === undefined && takes(importing) === undefined) return comments
  }
}

const sqlComment = /\s*(?:--([^\n]*)|\/\*([\s\S]*?)\*\/)/y

/** What an SQL script says of itself before its first statement, line by line. */
export function leadingSqlComments(sql: string): string[] {
  const comments: string[] = []
  let at = 0
  for (;;) {
    sqlComment.lastIndex = at
    const match = sqlComment.exec(sql)
    if (match === null) return comments
    at = sqlComment.lastIndex
    comments.push(...linesOf(match[1] ?? match[2] ?? ''))
  }
}

/** The first line of that; empty where it says nothing. */
export function leadingSqlComment(sql: string): string {
  return (
    leadingSqlComments(sql)
      .map(text => text.trim())
      .find(text => text !== '') ?? ''
  )
}

/** The lines of a comment; the stars that decorate those of a block are left out. */
export function linesOf(comment: string): string[] {
  return comment.split('\n').map(text => text.replace(/^\s*\*?\s?/, ''))
}
