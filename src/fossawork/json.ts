/** JSON of files that are to be kept exactly: whatever JavaScript would drop or change without a word is an error. */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** @returns the text without a byte order mark; undefined where it is not UTF-8 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** What was read, or a sentence about what is wrong that shows nothing of the content but the name of a key. */
export function readJson(bytes: Uint8Array): { readonly value: Json } | { readonly wrong: string } {
  const text = decodeText(bytes)
  if (text === undefined) return { wrong: 'is not UTF-8' }
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (error) {
    return { wrong: `is not JSON${placeOf(error)}` }
  }
  const twice = keyTwice(text)
  if (twice !== undefined) return { wrong: `has the key ${JSON.stringify(twice)} twice in the same object` }
  return isInexact(text) ? { wrong: 'has a number that is too large to be kept exactly' } : { value }
}

/** V8 repeats a part of the text, which may be a password. */
function placeOf(error: unknown): string {
  const [, line, column] = /\(line (\d+) column (\d+)\)$/.exec(error instanceof Error ? error.message : '') ?? []
  return line === undefined ? '' : ` at line ${line}, column ${column}`
}

/** `JSON.parse` keeps the last of two values and says nothing. @param text JSON that was parsed */
function keyTwice(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  let isKey = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '{' || character === '[') {
      isKey = character === '{'
      open.push(isKey ? new Set() : undefined)
    } else if (character === '}' || character === ']') {
      open.pop()
      isKey = false
    } else if (character === ',') isKey = open.at(-1) !== undefined
    else if (character === '"') {
      const end = endOfString(text, at)
      if (isKey) {
        const written = text.slice(at + 1, end)
        const key = written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written
        if (open.at(-1)?.has(key)) return key
        open.at(-1)?.add(key)
      }
      isKey = false
      at = end
    }
  }
  return undefined
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

/** Whether a number is another one in JavaScript than it is in the text. @param text JSON that was parsed */
function isInexact(text: string): boolean {
  // Most files have none that could be, and asking for each takes longer than parsing.
  if (!/\d{16}|\de\+?\d{3}/i.test(text)) return false
  let inexact = false
  const look = (_: string, value: Json, { source }: { readonly source?: string }) => {
    if (typeof value !== 'number' || source === undefined) return value
    // Also as JavaScript itself writes it: the fewest digits that lead back to the same number.
    const isSame = source === String(value) || !/^-?\d+$/.test(source)
    if (!Number.isFinite(value) || !(isSame || BigInt(source) === BigInt(value))) inexact = true
    return value
  }
  JSON.parse(text, look as Parameters<typeof JSON.parse>[1])
  return inexact
}

/**
 * For a column of type JSON: null as NULL, and what is neither object nor list in an object, as SQLite would make a
 * number of a text that looks like one.
 */
export function jsonCell(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null
  return JSON.stringify(typeof value === 'object' ? value : { value })
}
