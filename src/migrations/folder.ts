/**
 * What a folder of migrations has in it, whichever tool's it is: each file, or folder, is recognised by what it is, so that
 * a team that comes from another tool leaves its files as they are and goes on in the house format beside them.
 */
import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LockkeeperError, messageOf, systemCode } from '../errors.ts'
import { directivesFile, type FolderDirectives, parseDirectivesFile, type RawDirectives } from './directives.ts'
import { flatIn, isMigration, versionOf } from './formats/flat.ts'
import { goStepsIn } from './formats/goose.ts'
import { journalledIn } from './formats/journal.ts'
import { nestedIn, prismaLock } from './formats/nested.ts'
import type { Source, TextFile } from './formats/source.ts'
import { readText } from './text.ts'

export interface Folder {
  readonly sources: readonly Source[]
  /** Of all that is there, also of what could not be read. */
  readonly versions: ReadonlySet<string>
  /** Versions in an order that a tool has of its own. */
  readonly sequence: readonly string[]
  /** What `lockkeeper.json` says, by version. */
  readonly directives: ReadonlyMap<string, RawDirectives>
  /** Everything that is wrong, a sentence each. */
  readonly problems: readonly string[]
}

/** @throws LockkeeperError `config` when it is missing, cannot be read, or has no migration */
export function readFolder(folder: string): Folder {
  const entries = listOf(folder)
  const names = entries.map(({ name }) => name)
  const problems: string[] = []
  const { directives, unmarkedIsUp } = names.includes(directivesFile)
    ? said(join(folder, directivesFile), problems)
    : nothingSaid
  const journalled = names.includes('meta') ? journalledIn(folder) : undefined
  const hasLock = entries.some(entry => entry.name === prismaLock && !entry.isDirectory())
  const nested = nestedIn(folder, foldersIn(folder, entries), hasLock)
  const taken = new Set(journalled?.sources.map(({ up }) => up.file))
  const mine = entries.filter(({ name }) => isMigration(name) && !taken.has(join(folder, name)))
  const othersSay = journalled !== undefined || nested.sources.length > 0
  const unreadable: string[] = []
  const flat = flatIn(readFiles(folder, mine, problems, unreadable), { unmarkedIsUp, othersSay })
  const found = [...(journalled === undefined ? [] : [journalled]), nested, flat]
  const sources = found.flatMap(each => each.sources).sort((a, b) => (a.up.file < b.up.file ? -1 : 1))
  problems.push(...found.flatMap(each => each.problems))
  problems.push(...goStepsIn(folder, names, sources))
  const versions = new Set([...sources.map(({ version }) => version), ...unreadable])
  if (versions.size === 0 && problems.length === 0) throw nothingIn(folder)
  return { sources, versions, sequence: found.flatMap(({ sequence = [] }) => sequence), directives, problems }
}

function nothingIn(folder: string): LockkeeperError {
  return new LockkeeperError('config', `there is no migration in ${folder}`, {
    hint: 'Migrations are files such as v001_initial_schema.sql. Name their folder with --migrations or LOCKKEEPER_MIGRATIONS.',
  })
}

/** In the order of their names. */
function listOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    throw new LockkeeperError('config', `the folder of migrations cannot be read: ${messageOf(error)}`, {
      hint:
        systemCode(error) === 'ENOENT'
          ? 'Mount it there, or name another with --migrations or LOCKKEEPER_MIGRATIONS.'
          : 'Check its permissions.',
      cause: error,
    })
  }
}

function foldersIn(folder: string, entries: readonly Dirent[]): string[] {
  return entries
    .filter(entry => !entry.name.startsWith('.') && !isMigration(entry.name) && isFolder(folder, entry))
    .map(({ name }) => name)
}

function isFolder(folder: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  try {
    return statSync(join(folder, entry.name)).isDirectory()
  } catch {
    // It leads nowhere, or to itself.
    return false
  }
}

/** One after the other and at once: for small files that is ten times as fast as asking for many and waiting for them. */
function readFiles(folder: string, entries: readonly Dirent[], problems: string[], unreadable: string[]): TextFile[] {
  const files: TextFile[] = []
  for (const entry of entries) {
    const file = join(folder, entry.name)
    try {
      refuseOther(file, entry)
      files.push({ file, text: readText(file) })
    } catch (error) {
      problems.push(`${file}: ${messageOf(error)}`)
      unreadable.push(versionOf(entry.name))
    }
  }
  return files
}

/** A folder of that name is what a container runtime makes where the file that was to be mounted is missing. */
function refuseOther(file: string, entry: Dirent): void {
  if (entry.isFile()) return
  const info = statSync(file)
  if (info.isDirectory()) throw new Error('it is a folder, not a file: was there nothing to mount?')
  if (!info.isFile()) throw new Error('it is not a regular file')
}

const nothingSaid: FolderDirectives = { directives: new Map(), unmarkedIsUp: false }

function said(file: string, problems: string[]): FolderDirectives {
  try {
    return parseDirectivesFile(readText(file))
  } catch (error) {
    problems.push(`${file}: ${messageOf(error)}`)
    return nothingSaid
  }
}
