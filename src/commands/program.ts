/** The commands as a program for commander: options from the table of settings, help with examples and exit codes. */
import { CommanderError, Option, Command as Program } from 'commander'
import type { Setting } from '../config/setting.ts'
import { type SettingName, settings } from '../config/settings.ts'
import { exitCodes, LockkeeperError } from '../errors.ts'
import { type Given, given, jsonFlag, settingsOf, type Values } from './arguments.ts'
import type { Command, CommandGroup } from './command.ts'

export interface Surroundings {
  readonly version: string
  readonly writeOut: (text: string) => void
  readonly writeErr: (text: string) => void
  /** What is to be done; rejects with nothing that commander could explain. */
  readonly execute: (given: Given) => Promise<void>
}

/**
 * Understands arguments, and executes or prints what they ask for.
 * @throws LockkeeperError `usage` for what cannot be understood, which is not printed here
 */
export async function runProgram(
  args: readonly string[],
  commands: readonly Command[],
  surroundings: Surroundings,
): Promise<void> {
  try {
    await program(commands, surroundings).parseAsync(args, { from: 'user' })
  } catch (error) {
    // Help or the version was asked for, and printed.
    if (!(error instanceof CommanderError && error.exitCode === 0)) throw error
  }
}

function program(commands: readonly Command[], { version, writeOut, writeErr, execute }: Surroundings): Program {
  const root = new Program('lockkeeper')
    .description(
      'Before an application starts: lock its SQLite database, back it up, migrate it, validate it, or refuse.',
    )
    .version(version, '--version', 'print the version')
    .helpCommand('help [command]', 'show what a command does')
    // Or else `rollback --version V` would be understood as `--version`.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride(error => refuse(error, []))
    // Long flags leave a narrow column, which commander would not wrap.
    .configureHelp({ minWidthToWrap: 20 })
    .configureOutput({ writeOut, writeErr, outputError: () => {} })
    .addHelpText('after', `\nExamples:\n${exampleLines(rootExamples)}\n\nExit codes:\n${exitCodeLines()}`)
  for (const [group, members] of Map.groupBy(commands, each => each.group)) {
    const parent = group === undefined ? root : groupOf(group)
    if (parent !== root) root.addCommand(parent)
    for (const declared of members) parent.addCommand(declare(declared, execute))
  }
  passOn(root, [])
  return root
}

function groupOf({ name, summary }: CommandGroup): Program {
  return new Program(name)
    .summary(summary)
    .description(summary)
    .helpCommand('help [command]', 'show what a command does')
}

/** A subcommand takes over its parent's ways only when asked to. @param words that lead to the parent */
function passOn(parent: Program, words: readonly string[]): void {
  for (const subcommand of parent.commands) {
    const way = [...words, subcommand.name()]
    subcommand.copyInheritedSettings(parent).exitOverride(error => refuse(error, way, subcommand.commands))
    passOn(subcommand, way)
  }
}

const rootExamples = [
  'lockkeeper run --database /data/app.db --repository file:///backups/app',
  'lockkeeper status --database /data/app.db',
  'lockkeeper help run        # its options, with their environment variables',
]

/** What commander refuses, as an error of ours. */
function refuse(error: CommanderError, way: readonly string[], inside: readonly Program[] = []): never {
  if (error.exitCode === 0) throw error
  const [command, ...more] = way
  const help = more.length === 0 ? ['help', ...way] : [command, 'help', ...more]
  const shows =
    command === undefined
      ? 'lockkeeper help shows every command.'
      : `lockkeeper ${help.join(' ')} shows its ${inside.length === 0 ? 'options' : 'commands'}.`
  if (error.code === 'commander.help')
    throw new LockkeeperError('usage', 'no command is given', {
      hint: command === undefined ? 'The deploy job is: lockkeeper run' : shows,
      cause: error,
    })
  const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
  throw new LockkeeperError('usage', message, { hint: shows, cause: error })
}

function declare(declared: Command, execute: Surroundings['execute']): Program {
  const { alias, argument, examples, name, options = [], summary } = declared
  const command = new Program(name).summary(summary).description(summary)
  if (alias !== undefined) command.alias(alias)
  if (argument !== undefined) command.argument(`[${argument.name}]`, argument.help)
  for (const { flags, help } of options) command.addOption(new Option(flags, help))
  const silent: Setting<unknown>[] = []
  for (const name of settingsOf(declared)) {
    const setting: Setting<unknown> = settings[name]
    if (setting.environmentOnly) silent.push(setting)
    else command.addOption(settingOption(name))
  }
  command.option(jsonFlag, 'one JSON document on standard output, logs on standard error')
  if (silent.length > 0) {
    const lines = silent.map(({ env, help }) => `  ${env.padEnd(22)} ${help}`)
    command.addHelpText('after', `\nOnly in the environment:\n${lines.join('\n')}`)
  }
  command.addHelpText('after', `\nExamples:\n${exampleLines(examples)}`)
  command.action(() => execute(given(declared, command.opts<Values>(), command.args[0])))
  return command
}

function settingOption(name: SettingName): Option {
  const { env, fallback, flags, help } = settings[name]
  const standard = fallback === undefined || fallback === '' ? '' : `, default ${fallback}`
  return new Option(flags, `${help} (${env}${standard})`)
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
