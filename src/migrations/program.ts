/**
 * What is really run of an SQL migration: its statements, without those that Lockkeeper's own rules make superfluous
 * (other tools' files often carry their own BEGIN and COMMIT, or switch foreign keys off and on).
 */
import { nameOf, significantTokens } from '../schema/tokens.ts'
import { pragmaOf, type Statement, split } from './split.ts'

export interface Step {
  readonly sql: string
  /** Line of the file, from 1. */
  readonly line: number
}

export interface LeftOut extends Step {
  readonly why: string
}

export interface Program {
  readonly steps: readonly Step[]
  readonly leftOut: readonly LeftOut[]
  /** Tables that are renamed for good: from the old name to the new one, in lower case. */
  readonly renames: ReadonlyMap<string, string>
}

/**
 * @param text the migration's SQL
 * @param firstLine the line of the file on which `text` begins
 * @param inTransaction whether it runs inside Lockkeeper's transaction
 */
export function programOf(text: string, firstLine: number, inTransaction: boolean): Program {
  const steps: Step[] = []
  const leftOut: LeftOut[] = []
  const renames = new Map<string, string>()
  const dropped = new Set<string>()
  let legacy: 'ON' | 'OFF' = 'OFF'
  for (const statement of split(text)) {
    const step = { sql: statement.sql, line: firstLine + statement.line - 1 }
    const why = inTransaction ? superfluous(statement) : undefined
    if (why !== undefined) {
      leftOut.push({ ...step, why })
      continue
    }
    const pragma = pragmaOf(statement)
    if (pragma?.name === 'legacy_alter_table' && pragma.value !== undefined)
      legacy = /^(on|yes|true|1)$/.test(pragma.value) ? 'ON' : 'OFF'
    const drop = droppedTable(statement)
    if (drop !== undefined) dropped.add(drop)
    const rename = renamedTable(statement)
    if (rename !== undefined && dropped.has(rename.to)) {
      // The last step of SQLite's recipe for rebuilding a table. With the modern rename it fails where a view uses the
      // table; the legacy one leaves alone what refers to the table by name, which is what the recipe wants.
      steps.push({ sql: 'PRAGMA legacy_alter_table = ON', line: step.line }, step)
      steps.push({ sql: `PRAGMA legacy_alter_table = ${legacy}`, line: step.line })
      continue
    }
    if (rename !== undefined) renames.set(rename.from, rename.to)
    steps.push(step)
  }
  return { steps, leftOut, renames }
}

function superfluous(statement: Statement): string | undefined {
  const [first, second] = statement.head
  if (first === 'BEGIN' || first === 'COMMIT' || first === 'END')
    return 'all pending migrations run in one transaction, which Lockkeeper ends after the checks'
  if (first === 'PRAGMA' && pragmaOf(statement)?.name === 'foreign_keys' && second !== undefined)
    return 'foreign keys are off while migrations run and are checked before the commit'
  return undefined
}

function droppedTable({ sql, head }: Statement): string | undefined {
  if (head[0] !== 'DROP' || head[1] !== 'TABLE') return undefined
  const words = significantTokens(sql).map(token => token.text)
  return nameOf(words.findLast(word => word !== ';') ?? '').toLowerCase()
}

function renamedTable({ sql, head }: Statement): { from: string; to: string } | undefined {
  if (head[0] !== 'ALTER' || head[1] !== 'TABLE') return undefined
  const words = significantTokens(sql)
    .map(token => token.text)
    .filter(word => word !== ';')
  const to = words.length - 1
  // ALTER TABLE [schema.]from RENAME TO to; a column is renamed by RENAME [COLUMN] a TO b.
  if (words[to - 1]?.toUpperCase() !== 'TO' || words[to - 2]?.toUpperCase() !== 'RENAME') return undefined
  return { from: nameOf(words[to - 3] ?? '').toLowerCase(), to: nameOf(words[to] ?? '').toLowerCase() }
}
