/** The one shape of a command: declared as data, with a function that calls the library. `cli.ts` does the rest. */
import type { Config, SettingName } from '../config/settings.ts'
import type { ErrorCode } from '../errors.ts'
import type { Listener } from '../job/events.ts'

/** What every command takes. */
export const generalSettings = ['timeout', 'logFormat', 'terminationLog'] as const satisfies readonly SettingName[]

/** An option of one command only: what it acts on, or how it shows it. It has no environment variable. */
export interface CommandOption {
  /** In commander's notation: `--version <version>`. */
  readonly flags: string
  readonly help: string
}

/** What a command acts on, given without a flag. */
export interface CommandArgument {
  /** Under this name it is among the given values. */
  readonly name: string
  readonly help: string
}

/** Questions to a person. */
export interface Terminal {
  show(text: string): void
  /** The answer; undefined when the input has ended. */
  ask(question: string): Promise<string | undefined>
}

export interface Context<Names extends SettingName = SettingName> {
  readonly config: Config<Names>
  /** Values of the command's own options, by name; a flag without a value is `true`. */
  readonly given: Readonly<Record<string, string | true | undefined>>
  readonly listener: Listener
  readonly signal: AbortSignal
  /** Undefined: nobody is at one. */
  readonly terminal: () => Promise<Terminal | undefined>
  /** Kubernetes started this container. */
  readonly inKubernetes: boolean
  /** How long it may take, in milliseconds; ends it by the signal, unless it stays up and sees to that itself. */
  readonly timeout: number
  /** Takes the secrets of the environment out of a text that is kept somewhere. */
  readonly redact: (text: string) => string
}

export interface Outcome {
  /** One sentence for a person: the last word. */
  readonly sentence: string
  /** What the command prints on standard output without `--json`; may have many lines, or none. */
  readonly text: string
  /** What it prints with `--json`. */
  readonly document: object
  /** Small facts for the termination message. */
  readonly facts: Readonly<Record<string, unknown>>
  /** Where the command did its work, and what it found calls for another exit code than 0. */
  readonly code?: ErrorCode
}

/** Commands for one thing, behind a word of their own: `lockkeeper fossawork import-v1`. */
export interface CommandGroup {
  readonly name: string
  /** One line. */
  readonly summary: string
}

export interface Command<Names extends SettingName = SettingName> {
  readonly name: string
  /** Default: none. */
  readonly group?: CommandGroup
  readonly alias?: string
  /** One line. */
  readonly summary: string
  readonly examples: readonly string[]
  readonly settings: readonly Names[]
  readonly options?: readonly CommandOption[]
  /** May be left out on the command line; a command that cannot do without says so itself. Default: it takes none. */
  readonly argument?: CommandArgument
  /** Runs until it is stopped, and so knows no deadline as a whole. Default false. */
  readonly staysUp?: boolean
  readonly run: (context: Context<Names>) => Promise<Outcome>
}

/** Keeps the types of a declaration while it joins the others in one list. */
export function command<Names extends SettingName>(declaration: Command<Names>): Command {
  return declaration as unknown as Command
}
