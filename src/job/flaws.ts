/**
 * What is wrong with the content of tables after a change, and what of it was wrong before: a deploy is not refused for
 * old sins, nor does it add to them.
 */
import type { Workspace } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { type Finding, listFindings } from '../validation/findings.ts'
import { concernedTables, findViolations, newViolations, type Violations } from '../validation/foreign-keys.ts'
import { quickCheck } from '../validation/integrity.ts'

/** Rows without their parent, and what `quick_check` says. */
export interface Flaws {
  readonly violations: Violations
  readonly structures: readonly Finding[]
}

export const noFlaws: Flaws = { violations: new Map(), structures: [] }

/** Of these tables, as far as they are there, and of those that refer to them. */
export async function flawsOf(db: Workspace, tables: readonly string[]): Promise<Flaws> {
  const violations = await findViolations(db, await concernedTables(db, tables))
  return { violations, structures: await quickCheck(db, tables) }
}

export async function tableNames(db: Workspace): Promise<string[]> {
  const tables = await db.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
  return tables.map(({ name }) => name)
}

/** Pure. What is new fails; what was there before is worth a warning. */
export function newFlaws(before: Flaws, after: Flaws): Finding[] {
  const known = new Set(before.structures.map(({ message }) => message))
  const structures = after.structures.map(
    (finding): Finding =>
      known.has(finding.message) ? { ...finding, severity: 'warn', message: `${finding.message}, as before` } : finding,
  )
  return [...newViolations(before.violations, after.violations), ...structures]
}

/** The content is not sound after the change; perhaps it was not before. */
export class Flawed extends LockkeeperError {
  /** The tables that were looked at. */
  readonly tables: readonly string[]

  constructor(tables: readonly string[], findings: readonly Finding[], hint: string) {
    super('invalid', `the content of the database is not sound after the change:\n${listFindings(findings)}`, {
      hint,
      details: { findings: findings.map(finding => finding.message) },
    })
    this.tables = tables
  }
}
