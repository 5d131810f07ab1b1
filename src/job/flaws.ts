/**
 * What is wrong with the content of tables after a change, and what of it was wrong before: a deploy is not refused for
 * old sins, nor does it add to them.
 */
import type { Workspace } from '../database/connection.ts'
import { LockkeeperError } from '../errors.ts'
import { placesOf } from '../migrations/rows.ts'
import { fold } from '../schema/model.ts'
import { type Finding, listFindings } from '../validation/findings.ts'
import { concernedTables } from '../validation/foreign-keys.ts'
import { quickCheck } from '../validation/integrity.ts'
import { findNewOrphans, noOrphans, type OldOrphans, rememberOrphans } from '../validation/old-orphans.ts'

/** What was wrong before. */
export interface OldFlaws {
  readonly orphans: OldOrphans
  /** What `quick_check` said. */
  readonly structures: readonly Finding[]
  /** All tables that were there. */
  readonly tables: readonly string[]
}

export const noFlaws: OldFlaws = { orphans: noOrphans, structures: [], tables: [] }

/** Of these tables, as far as they are there, and of those that refer to them. Outside of a transaction that may end. */
export async function rememberFlaws(db: Workspace, tables: readonly string[]): Promise<OldFlaws> {
  return {
    orphans: await rememberOrphans(db, await concernedTables(db, tables)),
    structures: await quickCheck(db, tables),
    tables: await tableNames(db),
  }
}

export function isSound({ orphans, structures }: OldFlaws): boolean {
  return orphans.keys.length === 0 && structures.length === 0
}

export async function tableNames(db: Workspace): Promise<string[]> {
  const tables = await db.all<{ name: string }>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`)
  return tables.map(({ name }) => name)
}

/**
 * What is wrong with these tables now: what is new fails, what was there before is worth a warning.
 * @param renames where tables went since, old name to new, folded
 */
export async function findFlaws(
  db: Workspace,
  touched: readonly string[],
  before: OldFlaws,
  renames: ReadonlyMap<string, string>,
): Promise<Finding[]> {
  const places = placesOf(before.tables.map(fold), await tableNames(db), renames)
  const placeOf = (table: string) => places.get(fold(table))
  return [
    ...(await findNewOrphans(db, await concernedTables(db, touched), before.orphans, placeOf)),
    ...newStructures(before.structures, await quickCheck(db, touched)),
  ]
}

/** Of the same sentence as many as before are old. */
function newStructures(before: readonly Finding[], now: readonly Finding[]): Finding[] {
  const old = new Map<string, number>()
  for (const { message } of before) old.set(message, (old.get(message) ?? 0) + 1)
  return now.map(finding => {
    const left = old.get(finding.message) ?? 0
    old.set(finding.message, left - 1)
    return left > 0 ? { ...finding, severity: 'warn', message: `${finding.message}, as before` } : finding
  })
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
