/**
 * Directives: what a migration asks for in comments (`-- allow-row-loss: old_logs`), or, for files that belong to another
 * tool and cannot be edited, in `lockkeeper.json` beside them: `{"<version>": {"allow-row-loss": ["old_logs"]}}`.
 */
import { meantName } from './misspelt.ts'
import { type Directives, defaultDirectives, type LintIgnore, type Migration } from './model.ts'

/** The name of that file. */
export const directivesFile = 'lockkeeper.json'

/** What was said; an absent field was not. */
export interface RawDirectives {
  description?: string
  dependencies?: readonly string[]
  transaction?: boolean
  foreignKeys?: boolean
  allowRowLoss?: readonly string[]
  compatible?: boolean
  doubleQuotedStrings?: boolean
  lintIgnore?: readonly LintIgnore[]
}

export const directiveNames = [
  'description',
  'depends',
  'transaction',
  'foreign_keys',
  'allow-row-loss',
  'compatible',
  'double_quoted_strings',
  'lint-ignore',
] as const
export type DirectiveName = (typeof directiveNames)[number]

/**
 * Reads a comment, without what marks it as one. An ordinary comment is left alone, also one of the form `word: ...`;
 * a word that is nearly a directive's name is not, for then something was asked for that nobody would hear.
 * @throws Error for a misspelt name, a value that the directive does not take, and one that was said differently before.
 */
export function readDirective(into: RawDirectives, comment: string): void {
  const said = nameAndValue(comment)
  if (said === undefined) return
  const { word, separator, value } = said
  const name = word.toLowerCase()
  if (isName(name) && separator === ':') set(into, name, value)
  else {
    const meant = isName(name) ? name : meantName(name, directiveNames)
    if (meant !== undefined) throw new Error(`"${word}${separator}" is no directive: write "${meant}: ..."`)
  }
}

/**
 * Whether a comment is meant to change how the migration runs, and would be without effect after the first statement.
 * Other comments there may well begin with "description:".
 */
export function looksEffective(comment: string): boolean {
  const said = nameAndValue(comment)
  const name = said?.word.toLowerCase()
  if (name === 'allow-row-loss' || name === 'lint-ignore') return true
  return (
    /^(transaction|foreign_keys|compatible|double_quoted_strings)$/.test(name ?? '') &&
    onOff(said?.value ?? '') !== undefined
  )
}

/** What a folder says of its files. */
export interface FolderDirectives {
  /** By version. */
  readonly directives: ReadonlyMap<string, RawDirectives>
  /** `"$unmarked": "up"`: an SQL file without a marker is a migration, all of it. Default false: it is an error. */
  readonly unmarkedIsUp: boolean
}

/**
 * The content of `lockkeeper.json`.
 * @throws Error with what is wrong with it.
 */
export function parseDirectivesFile(content: string): FolderDirectives {
  const document: unknown = JSON.parse(content)
  if (!isObject(document)) throw new Error('it is not an object from version to directives')
  const { $schema: _, $unmarked, ...versions } = document
  if ($unmarked !== undefined && $unmarked !== 'up') throw new Error('"$unmarked" takes "up" and nothing else')
  const directives = new Map(
    Object.entries(versions).map(([version, entry]) => [version, directivesOf(version, entry)]),
  )
  return { directives, unmarkedIsUp: $unmarked === 'up' }
}

function directivesOf(version: string, entry: unknown): RawDirectives {
  if (!isObject(entry)) throw new Error(`"${version}" is not an object`)
  const directives: RawDirectives = {}
  for (const [name, value] of Object.entries(entry)) {
    if (!isName(name)) throw new Error(`"${version}" has an unknown directive "${name}"${suggestion(name)}`)
    if (!isValue(value)) throw new Error(`"${name}" of "${version}" takes a text, a list of texts, true or false`)
    try {
      set(directives, name, value)
    } catch (error) {
      throw new Error(`"${version}": ${(error as Error).message}`)
    }
  }
  return directives
}

/** What was said, over what was said elsewhere: lists add up, of anything else the later word counts. */
export function mergeDirectives(first: RawDirectives, second: RawDirectives): RawDirectives {
  const dependencies = [...(first.dependencies ?? []), ...(second.dependencies ?? [])]
  const allowRowLoss = [...(first.allowRowLoss ?? []), ...(second.allowRowLoss ?? [])]
  const lintIgnore = [...(first.lintIgnore ?? []), ...(second.lintIgnore ?? [])]
  return {
    ...first,
    ...second,
    ...(lintIgnore.length === 0 ? {} : { lintIgnore }),
    ...(dependencies.length === 0 ? {} : { dependencies: [...new Set(dependencies)] }),
    ...(allowRowLoss.length === 0 ? {} : { allowRowLoss: [...new Set(allowRowLoss)] }),
  }
}

/** With what holds where nothing was said. */
export function settled(said: RawDirectives): Directives {
  return {
    transaction: said.transaction ?? defaultDirectives.transaction,
    foreignKeys: said.foreignKeys ?? defaultDirectives.foreignKeys,
    allowRowLoss: said.allowRowLoss ?? defaultDirectives.allowRowLoss,
    compatible: said.compatible ?? defaultDirectives.compatible,
    doubleQuotedStrings: said.doubleQuotedStrings ?? defaultDirectives.doubleQuotedStrings,
  }
}

/** What of a migration directives decide. */
export function directed(
  said: RawDirectives,
): Pick<Migration, 'dependencies' | 'description' | 'directives' | 'lintIgnore'> {
  return {
    description: said.description ?? '',
    dependencies: said.dependencies ?? [],
    directives: settled(said),
    lintIgnore: said.lintIgnore ?? [],
  }
}

/** @throws Error for a value that is neither on nor off. */
export function switchOf(name: string, value: string): boolean {
  const on = onOff(value)
  if (on === undefined) throw new Error(`"${name}: ${value}" takes on or off`)
  return on
}

function set(into: RawDirectives, name: DirectiveName, value: string | boolean | readonly string[]): void {
  switch (name) {
    case 'description':
      if (typeof value !== 'string') throw new Error('"description" takes a text')
      into.description = value
      break
    case 'depends':
      into.dependencies = [...(into.dependencies ?? []), ...listOf(name, value)]
      break
    case 'allow-row-loss':
      into.allowRowLoss = [...(into.allowRowLoss ?? []), ...listOf(name, value)]
      break
    case 'lint-ignore':
      into.lintIgnore = [...(into.lintIgnore ?? []), ...ignoredIn(value)]
      break
    case 'transaction':
      into.transaction = once(name, into.transaction, value)
      break
    case 'foreign_keys':
      into.foreignKeys = once(name, into.foreignKeys, value)
      break
    case 'compatible':
      into.compatible = once(name, into.compatible, value)
      break
    case 'double_quoted_strings':
      into.doubleQuotedStrings = once(name, into.doubleQuotedStrings, value)
      break
  }
}

function once(name: DirectiveName, before: boolean | undefined, value: string | boolean | readonly string[]): boolean {
  if (typeof value === 'object') throw new Error(`"${name}" takes on or off`)
  const now = switchOf(name, String(value))
  if (before !== undefined && before !== now) throw new Error(`"${name}" is said twice, once on and once off`)
  return now
}

/** Names between commas; one with a comma in it goes into double quotes, as in SQL. */
function listOf(name: DirectiveName, value: string | boolean | readonly string[]): readonly string[] {
  if (typeof value === 'boolean') throw new Error(`"${name}" takes names`)
  const items = typeof value === 'string' ? value.match(/"(?:[^"]|"")*"|[^,"]+/g) : value
  const names = (items ?? []).map(item => item.trim()).filter(item => item !== '')
  if (names.length === 0) throw new Error(`"${name}:" names nothing`)
  return typeof value === 'string' ? names.map(unquoted) : names
}

/** `rule: reason`; a reason may well have commas in it. */
function ignoredIn(value: string | boolean | readonly string[]): LintIgnore[] {
  return [value].flat().map(text => {
    const [, rule, reason] = /^([\w-]+)\s*:\s*(\S.*)$/s.exec(String(text).trim()) ?? []
    if (rule === undefined || reason === undefined)
      throw new Error(
        `"lint-ignore: ${text}" needs a rule and a reason: "lint-ignore: no-down: the old rows are archived"`,
      )
    return { rule, reason }
  })
}

function unquoted(name: string): string {
  return /^".+"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"') : name
}

function onOff(value: string): boolean | undefined {
  if (/^(on|true|yes)$/i.test(value)) return true
  return /^(off|false|no)$/i.test(value) ? false : undefined
}

function nameAndValue(comment: string) {
  const match = /^\s*([a-z][a-z _-]*?)\s*([:=])\s*(.*?)\s*$/i.exec(comment)
  return match === null ? undefined : { word: match[1] ?? '', separator: match[2] ?? '', value: match[3] ?? '' }
}

function suggestion(name: string): string {
  const meant = meantName(name, directiveNames)
  return meant === undefined ? ` (known: ${directiveNames.join(', ')})` : `; did you mean "${meant}"?`
}

function isName(name: string): name is DirectiveName {
  return (directiveNames as readonly string[]).includes(name)
}

function isValue(value: unknown): value is string | boolean | readonly string[] {
  if (Array.isArray(value)) return value.every(item => typeof item === 'string')
  return typeof value === 'string' || typeof value === 'boolean'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
