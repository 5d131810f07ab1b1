/** Runs one direction of one migration on a workspace: the live database, a rehearsal's copy, or a replay in memory. */
import { type Guard, quoteName, SqliteError, type Workspace } from '../database/connection.ts'
import { fold } from '../schema/model.ts'
import { failure } from './failure.ts'
import type { Migration, Script } from './model.ts'
import { type LeftOut, type Program, programOf, type Step } from './program.ts'

export interface Applied {
  /** Tables whose rows could have changed. */
  readonly touched: readonly string[]
  /** Where tables that were there before went: old name to new, folded. */
  readonly renames: ReadonlyMap<string, string>
  readonly leftOut: readonly LeftOut[]
  /** It sets the counters of AUTOINCREMENT by itself. */
  readonly setsCounters: boolean
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

/** Where a script of a migration stands. */
export function fileOf({ file }: Migration, script: Script): string {
  return script.kind === 'sql' ? (script.file ?? file) : file
}

/** What a migration may switch on, and what would otherwise hold for the next one and for the checks as well. */
const defaults = [
  'legacy_alter_table',
  'recursive_triggers',
  'ignore_check_constraints',
  'defer_foreign_keys',
  'case_sensitive_like',
]
  .map(pragma => `PRAGMA ${pragma} = OFF`)
  .join('; ')

export interface ApplyOptions {
  /** Tables that it may read and not change: Lockkeeper's own record. Default none. */
  readonly reserved?: readonly string[]
  /** Told now and then how many of its statements have run. A module tells nothing. Default: nobody. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Runs it in whatever transaction the caller has opened. Settings and temporary tables of the connection do not outlive
 * it, so that it makes no difference whether the next migration runs in the same process.
 * @throws LockkeeperError `failed` that names file, line and statement; `invalid` where it needs a function or a
 * collation that only the application defines, or changes what is reserved; `io`, `invalid`, `denied` when it was not the migration's fault.
 */
export async function applyScript(
  workspace: Workspace,
  runnable: Runnable,
  { onProgress, reserved = [] }: ApplyOptions = {},
): Promise<Applied> {
  const guard: Guard = { ownTransactions: !runnable.inTransaction, reserved }
  const { script } = runnable
  return settingUp(workspace, () =>
    script.kind === 'module'
      ? applyModule(workspace, runnable, script, guard)
      : applySql(workspace, runnable, script, guard, onProgress),
  )
}

/** Takes care that nothing outlives the migration but what it does to the database. */
export async function settingUp<T>(workspace: Workspace, work: () => Promise<T>): Promise<T> {
  await workspace.exec(defaults)
  const result = await work()
  await workspace.exec(defaults)
  await dropTemporary(workspace)
  return result
}

async function applyModule(
  workspace: Workspace,
  runnable: Runnable,
  { call }: Extract<Script, { kind: 'module' }>,
  guard: Guard,
): Promise<Applied> {
  const before = new Set(await tableNames(workspace))
  try {
    const touched = await workspace.runScript(call, guard)
    // What was renamed by a function cannot be read anywhere: its new name is new.
    const made = (await tableNames(workspace)).filter(name => !before.has(name))
    return applied({ renames: new Map(), renamed: [], leftOut: [] }, [...touched, ...made])
  } catch (error) {
    throw failure(runnable.version, error, `${runnable.file} (${call.function})`)
  }
}

async function applySql(
  workspace: Workspace,
  runnable: Runnable,
  script: Extract<Script, { kind: 'sql' }>,
  guard: Guard,
  onProgress: ApplyOptions['onProgress'],
): Promise<Applied> {
  const program = readProgram(runnable, script)
  const { length: total } = program.steps
  const touched = await runSteps(workspace, runnable, program.steps, guard, done => onProgress?.(done, total))
  return applied(program, touched)
}

const statementsAtOnce = 500

/**
 * Runs steps in their order, many together. A transaction of their own has to be over at the end, unless the guard says
 * that it stays open.
 * @param onProgress told how many have run
 * @returns the tables that they touched
 */
export async function runSteps(
  workspace: Workspace,
  runnable: Runnable,
  steps: readonly Step[],
  guard: Guard,
  onProgress?: (done: number) => void,
): Promise<string[]> {
  const touched = new Set<string>()
  let done = 0
  for (const part of partsOf(steps, statementsAtOnce)) {
    done += part.length
    const staysOpen = guard.staysOpen === true || done < steps.length
    for (const table of await runPart(workspace, runnable, part, { ...guard, staysOpen })) touched.add(table)
    onProgress?.(done)
  }
  return [...touched]
}

/** @throws LockkeeperError `failed` for what can be seen to be wrong without running it */
export function readProgram(
  { file, inTransaction, version }: Runnable,
  { line, sql }: Extract<Script, { kind: 'sql' }>,
): Program {
  try {
    return programOf(sql, line, inTransaction)
  } catch (error) {
    throw failure(version, error, file)
  }
}

/** See `Workspace.run`. */
const counters = 'sqlite_sequence'

/** @param touched as `Workspace.run` returns it */
export function applied({ leftOut, renamed, renames }: Omit<Program, 'steps'>, touched: readonly string[]): Applied {
  const tables = new Map(touched.map(table => [fold(table), table]))
  const setsCounters = tables.delete(counters)
  for (const { from, to } of renamed) if (tables.has(from) && !tables.has(to)) tables.set(to, to)
  return { touched: [...tables.values()], renames, leftOut, setsCounters }
}

/** Steps that can be sent together; one that may have to be tried in another way stands alone. */
function partsOf(steps: readonly Step[], most: number): Step[][] {
  const parts: Step[][] = []
  for (const [at, step] of steps.entries()) {
    const last = parts.at(-1)
    if (last === undefined || last.length >= most || step.orLegacy || steps[at - 1]?.orLegacy) parts.push([step])
    else last.push(step)
  }
  return parts
}

/** Runs steps together; the end of a rebuild, which stands alone, in the legacy way if need be. */
async function runPart(
  workspace: Workspace,
  runnable: Runnable,
  steps: readonly Step[],
  guard: Guard,
): Promise<string[]> {
  const run = (statements: readonly string[]) => workspace.run(statements, guard)
  try {
    return await run(steps.map(step => step.sql))
  } catch (error) {
    const step = error instanceof SqliteError && error.statement !== undefined ? steps[error.statement] : undefined
    const explained = failure(
      runnable.version,
      error,
      step === undefined ? runnable.file : `${runnable.file}:${step.line}`,
      step?.sql,
    )
    if (!step?.orLegacy) throw explained
    try {
      return await run(['PRAGMA legacy_alter_table = ON', step.sql, 'PRAGMA legacy_alter_table = OFF'])
    } catch {
      throw explained
    }
  }
}

async function tableNames(workspace: Workspace): Promise<string[]> {
  const rows = await workspace.all<{ name: string }>(`SELECT name FROM main.sqlite_schema WHERE type = 'table'`)
  return rows.map(({ name }) => name)
}

async function dropTemporary(workspace: Workspace): Promise<void> {
  const left = await workspace.all<{ type: string; name: string }>(
    `SELECT type, name FROM sqlite_temp_schema WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     ORDER BY type = 'table', sql LIKE 'CREATE VIRTUAL %' DESC`,
  )
  // What a job remembers during a change is called lockkeeper_...
  for (const { type, name } of left)
    if (!/^lockkeeper_/i.test(name)) await workspace.exec(`DROP ${type} IF EXISTS temp.${quoteName(name)}`)
}
