/**
 * The house format: `NAME.sql` with `-- migrate:up` and `-- migrate:down` (dbmate's markers), and `NAME.ts` or `NAME.js`
 * that exports `description`, `dependencies`, `up(db)` and `down(db)`. Directives are comments before the first statement.
 */
import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { messageOf } from '../errors.ts'
import { type RawDirectives, readDirective } from './directives.ts'
import { defaultDirectives, type Migration } from './model.ts'

/** SHA-256 (hex) over the text without a byte order mark and with LF line ends. */
export function checksumOf(text: string): string {
  return createHash('sha256').update(normalise(text)).digest('hex')
}

const marker = /^--[ \t]*migrate:(up|down)\b(.*)$/gim

/** @throws Error with what is wrong with the file; the caller names the file. */
export function parseSqlMigration(version: string, file: string, content: string): Migration {
  const text = normalise(content)
  const markers = [...text.matchAll(marker)]
  const ups = markers.filter(match => match[1]?.toLowerCase() === 'up')
  const downs = markers.filter(match => match[1]?.toLowerCase() === 'down')
  const [up] = ups
  const [down] = downs
  if (up === undefined) throw new Error('it has no line "-- migrate:up"')
  if (ups.length > 1 || downs.length > 1) throw new Error('it has more than one "-- migrate:up" or "-- migrate:down"')
  if (down !== undefined && down.index < up.index) throw new Error('"-- migrate:down" comes before "-- migrate:up"')
  const upText = text.slice(up.index, down?.index)
  const downText = down === undefined ? undefined : text.slice(down.index)
  const directives: RawDirectives = {}
  for (const line of leadingComments(text.slice(0, up.index))) readDirective(directives, line)
  for (const line of leadingComments(upText)) readDirective(directives, line)
  // dbmate writes it behind the marker.
  if (/\btransaction:\s*false\b/i.test(up[2] ?? '')) directives.transaction = false
  return {
    version,
    description: directives.description ?? '',
    dependencies: directives.dependencies ?? [],
    file,
    checksum: checksumOf(content),
    up: { kind: 'sql', sql: upText, line: lineAt(text, up.index) },
    down:
      downText === undefined || down === undefined
        ? undefined
        : { kind: 'sql', sql: downText, line: lineAt(text, down.index) },
    directives: { ...defaultDirectives, ...settled(directives) },
  }
}

/** Imports the module to learn what it exports. @throws Error with what is wrong with it. */
export async function readModuleMigration(version: string, file: string, content: string): Promise<Migration> {
  const url = pathToFileURL(file).href
  let module: Record<string, unknown>
  try {
    module = (await import(url)) as Record<string, unknown>
  } catch (error) {
    throw new Error(`it cannot be imported: ${messageOf(error)}`)
  }
  if (typeof module['up'] !== 'function') throw new Error('it exports no function up(db)')
  const directives: RawDirectives = {}
  for (const line of leadingComments(normalise(content))) readDirective(directives, line)
  const { description, dependencies } = module
  if (description !== undefined && typeof description !== 'string') throw new Error('its description is not a string')
  if (dependencies !== undefined && !isStrings(dependencies))
    throw new Error('its dependencies are not an array of strings')
  return {
    version,
    description: description ?? directives.description ?? '',
    dependencies: dependencies ?? directives.dependencies ?? [],
    file,
    checksum: checksumOf(content),
    up: { kind: 'module', call: { url, function: 'up' } },
    down: typeof module['down'] === 'function' ? { kind: 'module', call: { url, function: 'down' } } : undefined,
    directives: { ...defaultDirectives, ...settled(directives) },
  }
}

/** The part of the raw directives that `Directives` has. */
export function settled({ transaction, foreignKeys, allowRowLoss, compatible }: RawDirectives) {
  return {
    ...(transaction === undefined ? {} : { transaction }),
    ...(foreignKeys === undefined ? {} : { foreignKeys }),
    ...(allowRowLoss === undefined ? {} : { allowRowLoss }),
    ...(compatible === undefined ? {} : { compatible }),
  }
}

/** The text of the comment lines before the first statement. */
function* leadingComments(text: string): Generator<string> {
  for (const line of text.split('\n')) {
    const comment = /^\s*(?:--|\/\/)\s?(.*)$/.exec(line)
    if (comment !== null) yield comment[1] ?? ''
    else if (line.trim() !== '') return
  }
}

function normalise(text: string): string {
  return text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
