/** What a migration is, whichever tool's folder it came from. */
import type { ScriptCall } from '../database/connection.ts'

/** One direction of a migration: SQL text, or a function of a module. */
export type Script =
  | {
      readonly kind: 'sql'
      readonly sql: string
      /** Line of the file on which the text begins, from 1; for error messages. */
      readonly line: number
      /** Where it stands, if not in the migration's `file`. */
      readonly file?: string
    }
  | { readonly kind: 'module'; readonly call: ScriptCall }

/** What a file asks for beyond its statements; comments such as `-- transaction: off`, or `lockkeeper.json`. */
export interface Directives {
  /** False: the file cannot run in a transaction; it commits alone and splits the batch. Default true. */
  readonly transaction: boolean
  /** True: it wants foreign keys enforced while it runs, which splits the batch. Default false. */
  readonly foreignKeys: boolean
  /** Tables that may end with fewer rows, or vanish. Default none. */
  readonly allowRowLoss: readonly string[]
  /** An older application works on the new schema. Default false. */
  readonly compatible: boolean
  /**
   * True: a name in double quotes that is none is a string, as most builds of SQLite have it. Holds for all of a run in
   * which the migration is, as SQLite knows no other way. Default false; true for the files of other tools.
   */
  readonly doubleQuotedStrings: boolean
}

/** A rule of `lint` that a file is not to be judged by. */
export interface LintIgnore {
  readonly rule: string
  readonly reason: string
}

export const defaultDirectives: Directives = {
  transaction: true,
  foreignKeys: false,
  allowRowLoss: [],
  compatible: false,
  doubleQuotedStrings: false,
}

export interface Migration {
  /** The file's name without its ending: `v001_initial_schema`. */
  readonly version: string
  readonly description: string
  /** Versions that have to be applied before. */
  readonly dependencies: readonly string[]
  /** Where it was read from. */
  readonly file: string
  /** SHA-256 (hex) over the content with line ends normalised to LF. */
  readonly checksum: string
  readonly up: Script
  readonly down: Script | undefined
  readonly directives: Directives
  readonly lintIgnore: readonly LintIgnore[]
  /** What the record of the tool that it comes from says of it, where that is not its name or number. */
  readonly recordedAs?: string
}
