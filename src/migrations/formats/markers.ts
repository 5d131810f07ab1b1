/**
 * Where the up and the down of an SQL migration are. Markers are comments to SQLite, and only what SQLite takes for a
 * comment is a marker: a text in a string, or in a comment of several lines, is none.
 */
import { linesOf } from '../comments.ts'
import { looksEffective } from '../directives.ts'
import { lineAt } from '../text.ts'

export interface Marker {
  readonly direction: 'up' | 'down'
  /** What stands behind it on its line. */
  readonly options: string
  /** The part of the text that it begins, itself included. */
  readonly start: number
  readonly end: number
  /** Counts from 1. */
  readonly line: number
}

export interface Sections {
  /** Lines of the comments before the first statement, without what marks them as comments. */
  readonly comments: readonly string[]
  readonly up: Marker
  readonly down: Marker | undefined
}

const marker = /^--[ \t]*migrate:(up|down)(?=\s|$)([^\n]*)$/i
/** Meant for one, most likely; what follows an overlooked `migrate:down` would run as part of the up. */
const nearly = /^--+[ \t]*migrat(?:e|ion)\s*(?:[:=]\S|[:=]?\s*(?:up|down)\b)/i

/**
 * A comment, or something in one of the four sorts of quotes. Every file is read at every start, and of most of them
 * nothing is run: so this does not go through all tokens, which takes fifty times as long.
 */
export const commentOrQuoted = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]/g

/** Whether a text has a marker at the beginning of any of its lines. */
export function isMarked(text: string): boolean {
  return /^[ \t]*--[ \t]*migrate:(up|down)(?=\s|$)/im.test(text)
}

/** Whether a text has a marker, or what was meant for one, at the beginning of any of its lines. */
export function looksMarked(text: string): boolean {
  return /^[ \t]*--+[ \t]*migrat(?:e|ion)\s*(?:[:=]\S|[:=]?\s*(?:up|down)\b)/im.test(text)
}

/** @throws Error with what is wrong with the file */
export function sectionsOf(text: string): Sections {
  const comments: string[] = []
  const found: Omit<Marker, 'end'>[] = []
  /** Offset of the first thing that is no comment, before any marker. */
  let early: number | undefined
  /** Whether a statement has begun since the marker before, and whether we are between two. */
  let begun = false
  let between = true
  let end = 0
  for (const { 0: part, index: start } of text.matchAll(commentOrQuoted)) {
    const gap = text.slice(end, start)
    const code = gap.trim()
    const isComment = part.startsWith('-') || part.startsWith('/')
    if (code !== '' || !isComment) {
      if (found.length === 0) early ??= code === '' ? start : end + gap.indexOf(code)
      begun = true
      between = isComment && code.endsWith(';')
    }
    end = start + part.length
    if (!isComment) continue
    const line = () => lineAt(text, start)
    const match = marker.exec(part)
    if (match !== null && isFirstOnLine(text, start)) {
      const [, direction = '', options = ''] = match
      found.push({ direction: direction.toLowerCase() as 'up' | 'down', options, start, line: line() })
      begun = found.length > 1
      between = true
    } else if (nearly.test(part))
      throw new Error(
        `line ${line()} is nearly a marker: write "-- migrate:up" or "-- migrate:down" on a line of its own`,
      )
    else if (!begun) comments.push(...linesOf(withoutMarks(part)))
    else if (between && part.startsWith('--') && isFirstOnLine(text, start) && looksEffective(part.slice(2)))
      throw new Error(`line ${line()} is a directive, which has to stand before the first statement of the file`)
  }
  return { comments, ...upAndDown(text, found, early) }
}

function upAndDown(text: string, found: readonly Omit<Marker, 'end'>[], early: number | undefined) {
  const [up, down] = found
  if (!found.some(({ direction }) => direction === 'up')) throw new Error('it has no line "-- migrate:up"')
  if (found.length > 2 || up?.direction === down?.direction)
    throw new Error('it has more than one "-- migrate:up" or "-- migrate:down"')
  if (up?.direction !== 'up') throw new Error('"-- migrate:down" comes before "-- migrate:up"')
  if (early !== undefined)
    throw new Error(`line ${lineAt(text, early)} has a statement before "-- migrate:up", where it would never run`)
  return {
    up: { ...up, end: down?.start ?? text.length },
    down: down === undefined ? undefined : { ...down, end: text.length },
  }
}

export function isFirstOnLine(text: string, start: number): boolean {
  return text.slice(text.lastIndexOf('\n', start - 1) + 1, start).trim() === ''
}

function withoutMarks(comment: string): string {
  return comment.startsWith('--') ? comment.slice(2) : comment.slice(2).replace(/\*\/$/, '')
}
