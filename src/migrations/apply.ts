/** Runs one direction of one migration on a workspace: the live database, a rehearsal's copy, or a replay in memory. */
import { SqliteError, type Workspace } from '../database/connection.ts'
import { explainSqliteError } from '../database/explain.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import type { Migration, Script } from './model.ts'
import { type LeftOut, programOf } from './program.ts'

export interface Applied {
  /** Tables whose rows could have changed. */
  readonly touched: readonly string[]
  /** Tables that were renamed for good: old name to new, in lower case. */
  readonly renames: ReadonlyMap<string, string>
  readonly leftOut: readonly LeftOut[]
}

/** What `apply` needs of a migration; a stored down script has no file. */
export interface Runnable {
  readonly version: string
  readonly file: string
  readonly script: Script
  /** False: it commits by itself. */
  readonly inTransaction: boolean
}

export function upOf({ version, file, up, directives }: Migration): Runnable {
  return { version, file, script: up, inTransaction: directives.transaction }
}

/**
 * Runs it in whatever transaction the caller has opened; `legacy_alter_table` is set anew, so that one file's setting
 * does not leak into the next.
 * @throws LockkeeperError `failed` that names file, line and statement; `io`, `invalid`, `denied` when it was not the
 * migration's fault.
 */
export async function applyScript(workspace: Workspace, runnable: Runnable): Promise<Applied> {
  const guard = { ownTransactions: !runnable.inTransaction }
  await workspace.exec('PRAGMA legacy_alter_table = OFF')
  if (runnable.script.kind === 'module') {
    try {
      const touched = await workspace.runScript(runnable.script.call, guard)
      return { touched, renames: new Map(), leftOut: [] }
    } catch (error) {
      throw failure(runnable, error, `${runnable.file} (${runnable.script.call.function})`)
    }
  }
  const { steps, leftOut, renames } = programOf(runnable.script.sql, runnable.script.line, runnable.inTransaction)
  try {
    const touched = await workspace.run(
      steps.map(step => step.sql),
      guard,
    )
    return { touched, renames, leftOut }
  } catch (error) {
    const step = error instanceof SqliteError ? steps[error.statement ?? 0] : undefined
    throw failure(runnable, error, step === undefined ? runnable.file : `${runnable.file}:${step.line}`, step?.sql)
  }
}

function failure(runnable: Runnable, error: unknown, where: string, statement?: string): unknown {
  const explained = explainSqliteError(error, `${runnable.version} stopped at ${where}`)
  if (explained instanceof LockkeeperError) return explained
  const shown = statement === undefined ? '' : `\n  ${excerpt(statement)}`
  return new LockkeeperError('failed', `${runnable.version} failed at ${where}: ${messageOf(error)}${shown}`, {
    hint: hintFor(messageOf(error)),
    cause: error,
    details: {
      version: runnable.version,
      where,
      ...(statement === undefined ? {} : { statement: excerpt(statement) }),
    },
  })
}

function hintFor(message: string): string {
  if (/should this be a string literal in single-quotes/.test(message))
    return 'In SQL a string stands in single quotes; double quotes are for names.'
  if (/no such function/.test(message))
    return 'The function is defined by the application only: write this migration as a module (.ts), which can define functions.'
  return 'Mend the migration, or take it out of the release, and deploy again.'
}

function excerpt(sql: string): string {
  const line = sql.replace(/\s+/g, ' ').trim()
  return line.length <= 200 ? line : `${line.slice(0, 199)}…`
}
