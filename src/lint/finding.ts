/** What a rule found in a migration. */
import type { RuleName, Severity } from './rules.ts'

/** As a rule says it. */
export interface Found {
  readonly rule: RuleName
  /** Of the file, from 1; undefined where it is about the file as a whole. */
  readonly line?: number | undefined
  /** A sentence that names the table, column or object. */
  readonly message: string
}

export interface LintFinding {
  readonly rule: RuleName
  readonly severity: Severity
  readonly version: string
  readonly file: string
  readonly line: number
  readonly message: string
}

/** One that a `lint-ignore` silences. */
export interface Silenced extends LintFinding {
  readonly reason: string
}
