/**
 * Rows that had no parent before a change: a deploy is not refused for them, and adds none to them.
 *
 * They are remembered one by one, in a temporary table of the connection, so that it makes a difference which rows they
 * are and not how many: one that is mended does not make up for another that is broken. A row is told by the primary key
 * of its table. Where there is none, or another one than before, rows that refer to the same missing parent are counted.
 */
import type { Connection } from '../database/connection.ts'
import { fold } from '../schema/model.ts'
import type { Finding } from './findings.ts'
import {
  countOrphans,
  type ForeignKey,
  findViolations,
  foreignKeysOf,
  type OrphanRows,
  orphansOf,
  type Violation,
  violationFinding,
} from './foreign-keys.ts'
import { describeRows, keyColumnsOf, textOf } from './row-keys.ts'

/** The temporary table; nobody else's. */
export const orphanTable = 'lockkeeper_orphans'

export interface OldOrphans {
  readonly keys: readonly KnownKey[]
}

interface KnownKey {
  readonly key: ForeignKey
  /** Of the child; empty: it has none. */
  readonly primaryKey: readonly string[]
  /** What its rows have in the column `key`. */
  readonly id: number
}

export const noOrphans: OldOrphans = { keys: [] }

/** Remembers the orphans of these tables, in place of what was remembered before. Outside of a transaction that may end. */
export async function rememberOrphans(connection: Connection, tables: readonly string[]): Promise<OldOrphans> {
  await connection.exec(`DROP TABLE IF EXISTS temp.${orphanTable};
    CREATE TEMP TABLE ${orphanTable} (key INTEGER, row TEXT, value TEXT);
    CREATE INDEX temp.${orphanTable}_row ON ${orphanTable} (key, row);
    CREATE INDEX temp.${orphanTable}_value ON ${orphanTable} (key, value)`)
  const primaryKeys = await keyColumnsOf(connection)
  const keys: KnownKey[] = []
  for (const [id, { key, rows }] of (await orphansOf(connection, tables)).entries()) {
    if ('unchecked' in rows || 'unchecked' in (await countOrphans(connection, rows))) continue
    const primaryKey = primaryKeys.get(fold(key.child)) ?? []
    const row = primaryKey.length === 0 ? 'NULL' : textOf(primaryKey, 'child')
    await connection.all(
      `INSERT INTO temp.${orphanTable} (key, row, value) SELECT ${id}, ${row}, ${textOf(key.from, 'child')} ${rows.from}`,
    )
    const [found] = await connection.all(`SELECT 1 FROM temp.${orphanTable} WHERE key = ${id} LIMIT 1`)
    if (found !== undefined) keys.push({ key, primaryKey, id })
  }
  return { keys }
}

/**
 * What is broken now: rows that were not broken before are a failure, the others a warning.
 * @param tables of which the foreign keys are looked at
 * @param placeOf the folded name that a table of before has now; undefined where it is gone
 */
export async function findNewOrphans(
  connection: Connection,
  tables: readonly string[],
  { keys }: OldOrphans,
  placeOf: (table: string) => string | undefined,
): Promise<Finding[]> {
  const violations = await findViolations(connection, tables)
  if (keys.length === 0) return violations.map(violation => violationFinding(violation, 'fail'))
  const now = await foreignKeysOf(connection)
  const primaryKeys = await keyColumnsOf(connection)
  const rowsOf = new Map(
    (await orphansOf(connection, tables)).map(({ key, rows }) => [JSON.stringify(key), rows] as const),
  )
  const findings: Finding[] = []
  for (const violation of violations) {
    const rows = rowsOf.get(JSON.stringify(violation.key))
    const known = sameKeys(violation.key, keys, now, placeOf)
    if (violation.unchecked !== undefined || known.length === 0 || rows === undefined || 'unchecked' in rows)
      findings.push(violationFinding(violation, 'fail'))
    else findings.push(...(await compare(connection, violation, rows, known, primaryKeys)))
  }
  return findings
}

/** The keys of before that are this one: of the same columns, or else those whose columns are no longer a key. */
function sameKeys(
  { child, from }: ForeignKey,
  known: readonly KnownKey[],
  now: readonly ForeignKey[],
  placeOf: (table: string) => string | undefined,
): KnownKey[] {
  const ofTable = known.filter(({ key }) => placeOf(key.child) === fold(child))
  const same = ofTable.filter(({ key }) => columnsOf(key) === columnsOf({ from }))
  if (same.length > 0) return same
  const columns = new Set(now.filter(key => fold(key.child) === fold(child)).map(columnsOf))
  return ofTable.filter(({ key }) => !columns.has(columnsOf(key)))
}

function columnsOf({ from }: Pick<ForeignKey, 'from'>): string {
  return JSON.stringify(from.map(fold))
}

async function compare(
  connection: Connection,
  { key, rows: all }: Violation,
  rows: OrphanRows,
  known: readonly KnownKey[],
  primaryKeys: ReadonlyMap<string, readonly string[]>,
): Promise<Finding[]> {
  const primaryKey = primaryKeys.get(fold(key.child)) ?? []
  const ids = known.map(({ id }) => id).join(', ')
  const isSame = (other: KnownKey) =>
    JSON.stringify(other.primaryKey.map(fold)) === JSON.stringify(primaryKey.map(fold))
  const isByRow = primaryKey.length > 0 && known.every(isSame)
  const fresh = isByRow ? newByRow(ids, primaryKey, rows) : newByValue(ids, key, rows)
  const [counted] = await connection.all<{ n: number | null }>(fresh.count)
  const news = counted?.n ?? 0
  const findings: Finding[] = []
  if (news > 0) {
    const sample = await describeRows(connection, key.child, fresh.from)
    findings.push(violationFinding({ key, rows: news, sample }, 'fail'))
  }
  if (all > news) {
    const { message, ...finding } = violationFinding({ key, rows: all - news, sample: '' }, 'warn')
    findings.push({ ...finding, message: `${message}, as before` })
  }
  return findings
}

/** How to count those that were not there before, and where they are. */
interface Fresh {
  readonly count: string
  readonly from: string
}

function newByRow(ids: string, primaryKey: readonly string[], { from }: OrphanRows): Fresh {
  const row = textOf(primaryKey, 'child')
  const known = `SELECT 1 FROM temp.${orphanTable} AS known WHERE known.key IN (${ids}) AND known.row = ${row}`
  const fresh = `${from} AND NOT EXISTS (${known})`
  return { count: `SELECT count(*) AS n ${fresh}`, from: fresh }
}

/** More rows refer to the same missing parent than before; any of them may be the new one. */
function newByValue(ids: string, key: ForeignKey, { from }: OrphanRows): Fresh {
  const value = textOf(key.from, 'child')
  const known = `SELECT count(*) FROM temp.${orphanTable} AS known WHERE known.key IN (${ids}) AND known.value = now.value`
  const surplus = `FROM (SELECT value, count(*) - (${known}) AS n FROM (SELECT ${value} AS value ${from}) AS now GROUP BY value)
    WHERE n > 0`
  return { count: `SELECT sum(n) AS n ${surplus}`, from: `${from} AND ${value} IN (SELECT value ${surplus})` }
}
