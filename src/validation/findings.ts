/** What a check found: data for people and programs alike; checks never print and throw only when they cannot run. */

/** The parts of `validate`, and what can be chosen with `--only`. */
export const parts = ['schema', 'indexes', 'constraints', 'data', 'security', 'migrations'] as const
export type Part = (typeof parts)[number]

export interface Finding {
  readonly part: Part
  /** `fail` stops a deploy, `warn` is reported. */
  readonly severity: 'fail' | 'warn'
  /** A sentence that names the table, index or row. */
  readonly message: string
  /** SQL that puts it right, where that can be said. */
  readonly mend?: string
}

/** SQLite's refusal of a function, a collation or a module that it does not know: the application may define it, and only the application can tell. */
export function isOfTheApplication(refusal: string): boolean {
  return /no such (function|collation sequence|module)|unknown function/.test(refusal)
}

export function failures(findings: readonly Finding[]): Finding[] {
  return findings.filter(finding => finding.severity === 'fail')
}

/** The sentences, one a line and indented, at most 20. */
export function listFindings(findings: readonly Finding[]): string {
  const shown = findings.slice(0, 20).map(finding => `  ${finding.message}`)
  if (findings.length > shown.length) shown.push(`  and ${findings.length - shown.length} more`)
  return shown.join('\n')
}
