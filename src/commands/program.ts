/** The commands as a program for commander: options from the table of settings, help with examples and exit codes. */
import { type CommanderError, Option, Command as Program } from 'commander'
import { optionName, type SettingName, settings } from '../config/settings.ts'
import { exitCodes, LockkeeperError } from '../errors.ts'
import type { Command } from './command.ts'

type Execute = (
  command: Command,
  settings: Readonly<Partial<Record<SettingName, string>>>,
  given: Readonly<Record<string, string | true | undefined>>,
  json: boolean,
) => Promise<void>

type Write = (text: string) => unknown

const general: readonly SettingName[] = ['timeout', 'logFormat', 'terminationLog']

/**
 * Parsing rejects with a `LockkeeperError` of the code `usage` for what cannot be understood, which is not printed here,
 * and with a `CommanderError` of exit code 0 once help or the version was printed.
 */
export function program(
  commands: readonly Command[],
  version: string,
  writeOut: Write,
  writeErr: Write,
  execute: Execute,
): Program {
  const root = new Program('lockkeeper')
    .description(
      'Before an application starts: lock its SQLite database, back it up, migrate it, validate it, or refuse.',
    )
    .version(version, '--version', 'print the version')
    .helpCommand('help [command]', 'show what a command does')
    // Or else `rollback --version V` would be understood as `--version`.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride(error => refuse(error))
    .configureOutput({ writeOut, writeErr, outputError: () => {} })
    .addHelpText('after', `\nExamples:\n${exampleLines(rootExamples)}\n\nExit codes:\n${exitCodeLines()}`)
  for (const declared of commands) root.addCommand(declare(declared, execute))
  // A subcommand takes over the root's ways only when asked to.
  for (const subcommand of root.commands)
    subcommand.copyInheritedSettings(root).exitOverride(error => refuse(error, subcommand.name()))
  return root
}

const rootExamples = [
  'lockkeeper run --database /data/app.db --repository file:///backups/app',
  'lockkeeper status --database /data/app.db',
  'lockkeeper help run        # its options, with their environment variables',
]

/** What commander refuses, as an error of ours. */
function refuse(error: CommanderError, command?: string): never {
  if (error.exitCode === 0) throw error
  const shows =
    command === undefined ? 'lockkeeper help shows every command.' : `lockkeeper help ${command} shows its options.`
  if (error.code === 'commander.help')
    throw new LockkeeperError('usage', 'no command is given', {
      hint: 'The deploy job is: lockkeeper run',
      cause: error,
    })
  const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
  throw new LockkeeperError('usage', message, { hint: shows, cause: error })
}

function declare(declared: Command, execute: Execute): Program {
  const { alias, examples, name, options = [], summary } = declared
  const command = new Program(name).summary(summary).description(summary)
  if (alias !== undefined) command.alias(alias)
  for (const { flags, help } of options) command.addOption(new Option(flags, help))
  const taken = [...declared.settings, ...general]
  for (const setting of taken) command.addOption(settingOption(setting))
  command.option('--json', 'one JSON document on standard output, logs on standard error')
  command.addHelpText('after', `\nExamples:\n${exampleLines(examples)}`)
  command.action(async (values: Record<string, string | boolean | undefined>) => {
    const given: Record<string, string | true | undefined> = {}
    for (const { flags } of options) given[optionName(flags)] = values[optionName(flags)] as string | true | undefined
    await execute(declared, givenSettings(taken, values), given, values['json'] === true)
  })
  return command
}

function settingOption(name: SettingName): Option {
  const { env, fallback, flags, help } = settings[name]
  const standard = fallback === undefined || fallback === '' ? '' : `, default ${fallback}`
  return new Option(flags, `${help} (${env}${standard})`)
}

/** Flags as the text that the environment variable would hold. */
function givenSettings(names: readonly SettingName[], values: Record<string, string | boolean | undefined>) {
  const given: Partial<Record<SettingName, string>> = {}
  for (const name of names) {
    const { flags } = settings[name]
    const value = values[optionName(flags)]
    // Of a flag that begins with --no-, commander keeps the opposite.
    if (flags.startsWith('--no-')) {
      if (value === false) given[name] = 'true'
    } else if (value !== undefined) given[name] = String(value)
  }
  return given
}

function exampleLines(examples: readonly string[]): string {
  return examples.map(example => `  ${example}`).join('\n')
}

/** The table of exit codes, for help and documentation. */
export function exitCodeLines(): string {
  return Object.entries(exitCodes)
    .map(([name, { exit, when }]) => `  ${String(exit).padStart(3)}  ${name.padEnd(12)} ${when}`)
    .join('\n')
}
