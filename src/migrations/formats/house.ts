/**
 * The house format: `NAME.sql` with `-- migrate:up` and `-- migrate:down` (dbmate's markers), and `NAME.ts` or `NAME.js`
 * that exports `description`, `dependencies`, `up(db)` and `down(db)`. Directives are comments before the first statement.
 */
import { leadingComments } from '../comments.ts'
import { directed, mergeDirectives, type RawDirectives, readDirective, switchOf } from '../directives.ts'
import type { Migration } from '../model.ts'
import type { ModuleExports } from '../modules.ts'
import { checksumOf } from '../text.ts'
import { type Marker, sectionsOf } from './markers.ts'

/**
 * @param text as `decodeText` returns it
 * @throws Error with what is wrong with the file; the caller names the file.
 */
export function parseSqlMigration(version: string, file: string, text: string): Migration {
  const { comments, up, down } = sectionsOf(text)
  const directives: RawDirectives = {}
  for (const comment of comments) readDirective(directives, comment)
  const transaction = transactionOf(up, down)
  if (transaction !== undefined) readDirective(directives, `transaction: ${transaction ? 'on' : 'off'}`)
  const script = ({ start, end, line }: Marker) => ({ kind: 'sql' as const, sql: text.slice(start, end), line })
  return {
    ...directed(directives),
    version,
    file,
    checksum: checksumOf(text),
    up: script(up),
    down: down === undefined ? undefined : script(down),
  }
}

/**
 * @param text as `decodeText` returns it
 * @param exported what the module exports, see `inspectModules`
 * @param url of the module, for the one that runs it
 * @throws Error with what is wrong with it
 */
export function parseModuleMigration(
  version: string,
  file: string,
  text: string,
  url: string,
  { up, down, description, dependencies, byDefault }: ModuleExports,
): Migration {
  if (up !== 'function')
    throw new Error(
      `it exports no function up(db)${byDefault ? ': write "export function up", not "export default"' : ''}`,
    )
  if (down !== 'function' && down !== 'undefined') throw new Error('its down is not a function')
  if (description !== undefined && typeof description !== 'string') throw new Error('its description is not a string')
  if (dependencies !== undefined && !isStrings(dependencies))
    throw new Error('its dependencies are not an array of strings')
  const said: RawDirectives = {}
  for (const comment of leadingComments(text)) readDirective(said, comment)
  const directives = mergeDirectives(said, {
    ...(description === undefined ? {} : { description }),
    ...(dependencies === undefined ? {} : { dependencies }),
  })
  return {
    ...directed(directives),
    version,
    file,
    checksum: checksumOf(text),
    up: { kind: 'module', call: { url, function: 'up' } },
    down: down === 'function' ? { kind: 'module', call: { url, function: 'down' } } : undefined,
  }
}

/** What dbmate writes behind its markers, `-- migrate:up transaction:false`. Ours holds for both directions. */
function transactionOf(up: Marker, down: Marker | undefined): boolean | undefined {
  const [forUp, forDown] = [up, down].map(marker => (marker === undefined ? undefined : optionOf(marker)))
  if (forDown === false && forUp !== false)
    throw new Error(
      'only its down has transaction:false: say "-- transaction: off" before the first statement, for both',
    )
  return forUp
}

function optionOf({ options }: Marker): boolean | undefined {
  let transaction: boolean | undefined
  for (const [, name = '', value = ''] of options.matchAll(/([\w-]+):\s*(\S*)/g)) {
    if (name.toLowerCase() !== 'transaction') throw new Error(`a marker takes transaction:false, not "${name}:"`)
    transaction = switchOf('transaction', value)
  }
  return transaction
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
