/** The text of a migration's file: read strictly, since a character that was replaced would go into the database. */
import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/**
 * The text of a file, see `decodeText`. What is not UTF-8 leaves U+FFFD where it is read as if it were, so that only a
 * file with that character in it has to be looked at byte by byte.
 */
export function readText(file: string): string {
  const text = readFileSync(file, 'utf8')
  return /^\uFEFF|\uFFFD/.test(text) ? decodeText(readFileSync(file)) : withoutNul(normaliseText(text))
}

/**
 * The bytes as text, without a byte order mark and with LF for CRLF. A lone CR stays: SQLite takes it for a space, and
 * in a string it is data.
 * @throws Error for bytes that are not UTF-8, and for a NUL, at which SQLite would stop reading: in which line.
 */
export function decodeText(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new Error(whyNotUtf8(bytes))
  return withoutNul(normaliseText(new TextDecoder().decode(bytes)))
}

function withoutNul(text: string): string {
  const nul = text.indexOf('\0')
  if (nul !== -1)
    throw new Error(`line ${lineAt(text, nul)} contains a NUL character, at which SQLite would stop reading`)
  return text
}

/** Without a byte order mark and with LF for CRLF. */
export function normaliseText(text: string): string {
  return text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
}

/** SHA-256 (hex) over the normalised text: the same whatever the line ends, and with or without a byte order mark. */
export function checksumOf(text: string): string {
  return hash('sha256', normaliseText(text), 'hex')
}

/** Lines count from 1. */
export function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line++
  return line
}

function whyNotUtf8(bytes: Uint8Array): string {
  const [first, second] = bytes
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return 'it is UTF-16 text: save it as UTF-8'
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.length : newline
    if (!isUtf8(bytes.subarray(start, end))) break
    start = end + 1
  }
  return `line ${line} is not UTF-8: save the file as UTF-8`
}
