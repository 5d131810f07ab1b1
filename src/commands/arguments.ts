/**
 * Arguments as values. The usual ones are understood here without commander, which takes a third of the time of a run
 * with nothing to do; a request for help, a mistake, and whatever else is out of the ordinary is left to commander.
 */
import type { Setting } from '../config/setting.ts'
import { optionName, type SettingName, settings } from '../config/settings.ts'
import { type Command, generalSettings } from './command.ts'

/** Values of flags by their name, as commander names and types them. */
export type Values = Readonly<Record<string, string | boolean | undefined>>

export interface Given {
  readonly command: Command
  /** Settings as the text that the environment variable would hold. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>
  /** The command's own options; a flag without a value is `true`. */
  readonly options: Readonly<Record<string, string | true | undefined>>
  readonly json: boolean
}

export const jsonFlag = '--json'

/** The settings that a command takes. */
export function settingsOf({ settings: own }: Command): SettingName[] {
  return [...own, ...generalSettings]
}

/**
 * The name of one of these commands, and then only flags of it in full, each at most once, as `--flag value` or
 * `--flag=value`. Undefined for anything else.
 */
export function plainArguments(args: readonly string[], commands: readonly Command[]): Given | undefined {
  const [name, ...rest] = args
  const command = commands.find(
    each => name !== undefined && each.group === undefined && (each.name === name || each.alias === name),
  )
  if (command === undefined) return undefined
  const flags = new Map(
    [jsonFlag, ...(command.options ?? []).map(each => each.flags), ...settingsOf(command).flatMap(flagsOf)].map(
      each => [each.split(' ')[0], each] as const,
    ),
  )
  const values: Record<string, string | boolean> = {}
  while (rest.length > 0) {
    const [, written = '', attached] = /^(--[a-z0-9-]+)(?:=(.*))?$/s.exec(rest.shift() ?? '') ?? []
    const flag = flags.get(written)
    if (flag === undefined) return undefined
    const takesValue = flag.includes('<')
    const value = takesValue ? (attached ?? rest.shift()) : !flag.startsWith('--no-')
    if (value === undefined || (!takesValue && attached !== undefined)) return undefined
    if (attached === undefined && typeof value === 'string' && value.startsWith('-')) return undefined
    if (optionName(flag) in values) return undefined
    values[optionName(flag)] = value
  }
  return given(command, values)
}

/** @param argument what the command acts on, where it takes such a thing and it was given */
export function given(command: Command, values: Values, argument?: string): Given {
  const options: Record<string, string | true | undefined> = {}
  if (command.argument !== undefined) options[command.argument.name] = argument
  for (const { flags } of command.options ?? [])
    options[optionName(flags)] = values[optionName(flags)] as string | true | undefined
  return { command, settings: givenSettings(settingsOf(command), values), options, json: values['json'] === true }
}

/** None for a setting that only the environment has. */
function flagsOf(name: SettingName): string[] {
  const { environmentOnly = false, flags }: Setting<unknown> = settings[name]
  return environmentOnly ? [] : [flags]
}

function givenSettings(names: readonly SettingName[], values: Values) {
  const found: Partial<Record<SettingName, string>> = {}
  for (const name of names) {
    const { flags } = settings[name]
    const value = values[optionName(flags)]
    // Of a flag that begins with --no-, commander keeps the opposite.
    if (flags.startsWith('--no-')) {
      if (value === false) found[name] = 'true'
    } else if (value !== undefined) found[name] = String(value)
  }
  return found
}
