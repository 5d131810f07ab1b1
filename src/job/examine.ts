/**
 * Whether a private copy that came back from a repository is the database that its manifest describes: in the sandbox,
 * or natively where that lacks something.
 */
import type { Manifest } from '../backup/manifest.ts'
import type { Inspection } from '../backup/verify.ts'
import type { Connection } from '../database/connection.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import { inspectCopy } from '../sandbox/inspect.ts'
import { counted } from '../units.ts'
import { isDamage } from '../validation/damage.ts'
import type { Finding } from '../validation/findings.ts'
import { integrityCheck } from '../validation/integrity.ts'
import { type Described, describeDatabase } from './save.ts'
import { tableRows } from './table-rows.ts'
import { foreignKeyFindings } from './validate.ts'

export interface Examined {
  /** How it was looked at, for people. */
  readonly how: string
  /** What is wrong with it, whatever it was meant to be, a sentence each. */
  readonly problems: readonly string[]
  /** What is worth knowing, a sentence each. */
  readonly notes: readonly string[]
  /** Undefined where it is too broken to be described. */
  readonly described?: Described & { readonly tables: Manifest['tables'] }
}

/**
 * `integrity_check`, foreign keys, schema, level and rows. Wrong values and rows without a parent are notes: they were
 * there when the backup was made.
 * @param path a private copy that nothing else opens; it is left in rollback mode
 */
export async function examineCopy(path: string, signal?: AbortSignal): Promise<Examined> {
  const how = 'integrity_check'
  try {
    const inspected = await inspectCopy(path, look, signal)
    return { ...inspected.value, how: `${how} ${inspected.how}` }
  } catch (error) {
    // What SQLite cannot even open.
    if (!(error instanceof LockkeeperError) || error.code !== 'invalid') throw error
    return { how, problems: [`SQLite cannot read it: ${messageOf(error.cause ?? error)}`], notes: [] }
  }
}

/** Pure. Whether what was seen is what the manifest says. */
export function judge({ described, how, notes, problems }: Examined, manifest: Manifest): Inspection {
  const differences = described === undefined ? [] : differencesFrom(manifest, described)
  return { how, notes, problems: [...problems, ...differences] }
}

/** Large enough that wrong values of one table do not keep damage from being seen. */
const atMost = 10_000

async function look(connection: Connection): Promise<Omit<Examined, 'how'>> {
  const integrity = await integrityCheck(connection, atMost)
  const problems = told(integrity.filter(isDamage))
  const notes = told(integrity.filter(finding => !isDamage(finding)))
  // What else would be found in a broken file says nothing.
  if (problems.length > 0) return { problems, notes }
  const keys = await foreignKeyFindings(connection)
  return {
    problems,
    notes: [...notes, ...keys.map(({ message }) => message)],
    described: { ...(await describeDatabase(connection)), tables: await tableRows(connection) },
  }
}

function told(findings: readonly Finding[]): string[] {
  const shown = findings.slice(0, 20).map(({ message }) => message)
  return findings.length > shown.length ? [...shown, `and ${findings.length - shown.length} more like this`] : shown
}

function differencesFrom(
  manifest: Manifest,
  { database, schema, tables }: NonNullable<Examined['described']>,
): string[] {
  const facts: readonly (readonly [what: string, is: string | number | null, said: string | number | null])[] = [
    ['page size', database.pageSize, manifest.database.pageSize],
    ['encoding', database.encoding, manifest.database.encoding],
    ['level', schema.level, manifest.schema.level],
    ['number of applied migrations', schema.applied, manifest.schema.applied],
    ['fingerprint of its schema', schema.fingerprint, manifest.schema.fingerprint ?? schema.fingerprint],
  ]
  const different = facts
    .filter(([, is, said]) => is !== said)
    .map(([what, is, said]) => `its ${what} is ${is ?? 'none'}, and the manifest says ${said ?? 'none'}`)
  // Where either could not count them, as a table needs a function of the application's, there is nothing to compare.
  if (tables === undefined || manifest.tables === undefined) return different
  const [now, then] = [new Map(Object.entries(tables)), new Map(Object.entries(manifest.tables))]
  for (const table of new Set([...then.keys(), ...now.keys()])) {
    const [is, said] = [now.get(table), then.get(table)]
    if (is === said) continue
    different.push(
      `the table ${table} ${rowsOr(is, 'is not there')}, and the manifest says that it ${rowsOr(said, 'is not there')}`,
    )
  }
  return different
}

function rowsOr(rows: number | undefined, nothing: string): string {
  return rows === undefined ? nothing : `has ${counted(rows, 'row')}`
}
