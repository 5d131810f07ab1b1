/**
 * Directives: what a migration asks for in comments (`-- allow-row-loss: old_logs`), or, for files that belong to another
 * tool and cannot be edited, in `lockkeeper.json` beside them: `{"<version>": {"allow-row-loss": ["old_logs"]}}`.
 */

/** What was said; an absent field was not. */
export interface RawDirectives {
  description?: string
  dependencies?: string[]
  transaction?: boolean
  foreignKeys?: boolean
  allowRowLoss?: string[]
  compatible?: boolean
}

const names = ['description', 'depends', 'transaction', 'foreign_keys', 'allow-row-loss', 'compatible'] as const
type Name = (typeof names)[number]

/** Reads one comment line; an ordinary comment is left alone. @throws Error for a value that the directive does not take. */
export function readDirective(into: RawDirectives, line: string): void {
  const match = /^([a-z_-]+):\s*(.*?)\s*$/i.exec(line)
  const name = match?.[1]?.toLowerCase()
  if (match === null || name === undefined || !isName(name)) return
  set(into, name, match[2] ?? '')
}

/**
 * The content of `lockkeeper.json`, by version.
 * @throws Error with what is wrong with it.
 */
export function parseDirectivesFile(content: string): Map<string, RawDirectives> {
  const document: unknown = JSON.parse(content)
  if (!isObject(document)) throw new Error('it is not an object from version to directives')
  const result = new Map<string, RawDirectives>()
  for (const [version, entry] of Object.entries(document)) {
    if (version === '$schema') continue
    if (!isObject(entry)) throw new Error(`"${version}" is not an object`)
    const directives: RawDirectives = {}
    for (const [name, value] of Object.entries(entry)) {
      if (!isName(name)) throw new Error(`"${version}" has an unknown directive "${name}" (known: ${names.join(', ')})`)
      set(directives, name, Array.isArray(value) ? value.join(',') : String(value))
    }
    result.set(version, directives)
  }
  return result
}

function set(into: RawDirectives, name: Name, value: string): void {
  switch (name) {
    case 'description':
      into.description = value
      break
    case 'depends':
      into.dependencies = [...(into.dependencies ?? []), ...list(value)]
      break
    case 'transaction':
      into.transaction = onOff(name, value)
      break
    case 'foreign_keys':
      into.foreignKeys = onOff(name, value)
      break
    case 'allow-row-loss':
      into.allowRowLoss = [...(into.allowRowLoss ?? []), ...list(value)]
      break
    case 'compatible':
      into.compatible = onOff(name, value)
      break
  }
}

function onOff(name: Name, value: string): boolean {
  if (/^(on|true|yes)$/i.test(value)) return true
  if (/^(off|false|no)$/i.test(value)) return false
  throw new Error(`the directive "${name}: ${value}" takes on or off`)
}

function list(value: string): string[] {
  return value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

function isName(name: string): name is Name {
  return (names as readonly string[]).includes(name)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
