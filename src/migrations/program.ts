/**
 * What is really run of an SQL migration: its statements, without those that Lockkeeper's own rules make superfluous
 * (other tools' files often carry their own BEGIN and COMMIT, or switch foreign keys off and on), and with a word on how
 * a table is to be renamed.
 *
 * A table that is rebuilt keeps what refers to it by name. With SQLite's modern rename the last step of the recipe (make
 * a new table, copy, drop the old one, rename the new one) is refused where a view or a trigger uses the table, and the
 * first step of the other recipe (rename the old one away) takes everybody's foreign keys, views and triggers with it.
 * `legacy_alter_table` does neither, but leaves behind what a real rename has to take along.
 */
import { pragmaOf, type Statement, split } from './split.ts'
import { followRenames, makesRoom, type TableChange, tableChangeOf, wasVacated } from './table-changes.ts'

export interface Step {
  readonly sql: string
  /** Line of the file, from 1. */
  readonly line: number
  /** Which statement of the text it comes from, from 0. */
  readonly statement: number
  /** See `Statement.head`. */
  readonly head?: readonly string[]
  /** The end of a rebuild: what SQLite refuses of it with its modern rename is to be done with the legacy one. */
  readonly orLegacy?: true
}

export interface LeftOut {
  readonly sql: string
  readonly line: number
  readonly why: string
}

export interface Program {
  readonly steps: readonly Step[]
  readonly leftOut: readonly LeftOut[]
  /** Where tables that were there before went: old name to new, folded. */
  readonly renames: ReadonlyMap<string, string>
  /** Every rename in its order, also of tables that the migration makes itself. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[]
}

/**
 * @param text the migration's SQL
 * @param firstLine the line of the file on which `text` begins
 * @param inTransaction whether it runs inside Lockkeeper's transaction
 * @throws Error for a transaction that the file begins and does not end, where it has its own
 */
export function programOf(text: string, firstLine: number, inTransaction: boolean): Program {
  // A file may have millions of statements: of each only what is run is kept.
  const steps: Step[] = []
  const leftOut: LeftOut[] = []
  const changes: TableChange[] = []
  /** Steps that rename a table, to be seen again once it is known what comes after them. */
  const renamings = new Map<Step, { readonly change: Renaming; readonly at: number }>()
  let seen = 0
  let legacy = false
  let open: Statement | undefined
  for (const statement of split(text)) {
    const { head, sql } = statement
    const step = { sql, line: firstLine + statement.line - 1, statement: seen++, head }
    const change = tableChangeOf(statement)
    const why = superfluous(statement, inTransaction)
    open = openAfter(open, statement)
    if (why !== undefined) {
      leftOut.push({ sql, line: step.line, why })
    } else {
      legacy = legacyAlterTable(statement) ?? legacy
      if (change?.kind === 'rename' && !legacy) renamings.set(step, { change, at: changes.length })
      steps.push(step)
    }
    if (change !== undefined) changes.push(change)
  }
  if (!inTransaction && open !== undefined)
    throw new Error(`line ${firstLine + open.line - 1} begins a transaction that the file does not end`)
  const renamed = changes.filter(change => change.kind === 'rename')
  return { steps: withRenamings(steps, renamings, changes), leftOut, renames: followRenames(changes), renamed }
}

type Renaming = Extract<TableChange, { kind: 'rename' }>

function withRenamings(
  steps: readonly Step[],
  renamings: ReadonlyMap<Step, { readonly change: Renaming; readonly at: number }>,
  changes: readonly TableChange[],
): readonly Step[] {
  if (renamings.size === 0) return steps
  return steps.flatMap(step => {
    const found = renamings.get(step)
    return found === undefined ? step : renaming(step, found.change, changes, found.at)
  })
}

/** @param at position of the rename among the changes */
function renaming(
  step: Step,
  rename: { readonly from: string; readonly to: string },
  changes: readonly TableChange[],
  at: number,
): Step[] {
  if (makesRoom(rename, changes.slice(at + 1))) {
    const { line, statement } = step
    const legacy = (value: string) => ({
      sql: `PRAGMA legacy_alter_table = ${value}`,
      line,
      statement,
      head: ['ALTER'],
    })
    return [legacy('ON'), step, legacy('OFF')]
  }
  return [wasVacated(rename.to, changes.slice(0, at)) ? { ...step, orLegacy: true } : step]
}

/** Settings that end with the connection, and that Lockkeeper makes for itself. */
const ofTheConnection = new Set(
  'automatic_index busy_timeout cache_size cache_spill journal_size_limit locking_mode mmap_size synchronous temp_store threads wal_autocheckpoint'.split(
    ' ',
  ),
)

function superfluous(statement: Statement, inTransaction: boolean): string | undefined {
  const pragma = pragmaOf(statement)
  if (pragma !== undefined && ofTheConnection.has(pragma.name))
    return 'a setting of the connection, which nothing keeps and Lockkeeper makes itself'
  if (!inTransaction) return undefined
  if (/^(begin|commit|end)\b/i.test(statement.sql))
    return 'all pending migrations run in one transaction, which Lockkeeper ends after the checks'
  if (pragma?.name === 'foreign_keys')
    return 'whether foreign keys are on while it runs is for the directive foreign_keys to say; they are checked before the commit'
  return undefined
}

function legacyAlterTable(statement: Statement): boolean | undefined {
  const pragma = pragmaOf(statement)
  if (pragma?.name !== 'legacy_alter_table' || pragma.value === undefined) return undefined
  return /^(on|yes|true|[1-9]\d*)$/.test(pragma.value)
}

/** The statement that began the transaction which is open after another. */
function openAfter(open: Statement | undefined, statement: Statement): Statement | undefined {
  const [first, second = '', third = ''] = statement.head
  const goesBackOnly = first === 'ROLLBACK' && (second === 'TO' || (second === 'TRANSACTION' && third === 'TO'))
  if (first === 'BEGIN') return statement
  return first === 'COMMIT' || first === 'END' || (first === 'ROLLBACK' && !goesBackOnly) ? undefined : open
}
