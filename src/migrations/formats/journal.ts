/**
 * Drizzle's folder with a journal: `meta/_journal.json` lists the migrations in their order, and each is a file beside it.
 * `--> statement-breakpoint` in a file ends a statement, with or without a semicolon before it.
 */
import { join } from 'node:path'
import { messageOf, systemCode } from '../../errors.ts'
import type { Migration } from '../model.ts'
import { readText } from '../text.ts'
import { commentOrQuoted } from './markers.ts'
import { type Found, type Source, type TextFile, wholeMigration } from './source.ts'

const journalFile = join('meta', '_journal.json')

/** Undefined where there is no journal. */
export function journalledIn(folder: string): Found | undefined {
  const file = join(folder, journalFile)
  let text: string
  try {
    text = readText(file)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    return { sources: [], problems: [`${file}: ${messageOf(error)}`] }
  }
  try {
    return listed(folder, JSON.parse(text))
  } catch (error) {
    return { sources: [], problems: [`${file}: ${messageOf(error)}`] }
  }
}

function listed(folder: string, journal: unknown): Found {
  const { dialect, entries } = (journal ?? {}) as { readonly dialect?: unknown; readonly entries?: unknown }
  if (!Array.isArray(entries)) throw new Error('it has no list of entries')
  if (dialect !== undefined && dialect !== 'sqlite' && dialect !== 'turso')
    throw new Error(`these migrations are for ${dialect}`)
  const sources: Source[] = []
  const problems: string[] = []
  for (const entry of entries) {
    const { tag, when } = (entry ?? {}) as { readonly tag?: unknown; readonly when?: unknown }
    if (typeof tag !== 'string' || /[/\\]|^\.|^$/.test(tag)) throw new Error(`${JSON.stringify(entry)} names no file`)
    const path = join(folder, `${tag}.sql`)
    try {
      const up = { file: path, text: readText(path) }
      sources.push({ version: tag, recordedAs: String(when), up, parse: parseDrizzle })
    } catch (error) {
      problems.push(`${path}, which is in the journal: ${messageOf(error)}`)
    }
  }
  return { sources, problems, sequence: sources.map(({ version }) => version) }
}

export function parseDrizzle(version: string, up: TextFile): Migration {
  const { text } = up
  const ends: number[] = []
  if (text.includes('--> statement-breakpoint'))
    for (const { 0: part, index } of text.matchAll(commentOrQuoted))
      if (part.startsWith('--> statement-breakpoint')) ends.push(index)
  return wholeMigration(version, up, undefined, { ends })
}
