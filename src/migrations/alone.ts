/** Runs a migration that commits by itself, and goes on with one that was stopped in the middle. */
import type { Guard, Workspace } from '../database/connection.ts'
import {
  type Applied,
  type ApplyOptions,
  applied,
  applyScript,
  type Runnable,
  readProgram,
  runSteps,
  settingUp,
} from './apply.ts'
import type { Step } from './program.ts'
import { settingsBefore, type Unit, unitsOf } from './units.ts'

export interface AloneOptions extends ApplyOptions {
  /** So many of its statements have run already. */
  readonly done: number
  /** Writes down how many have run. Called inside the transaction of the last of them, where that has one. */
  record(done: number): Promise<void>
  /** Called before each commit; what it throws prevents that. */
  confirm(): Promise<void>
}

/**
 * A module runs as a whole, and from its beginning if it was stopped.
 * @throws as `applyScript`; what was recorded is committed, and nothing of the unit that failed
 */
export async function applyAlone(workspace: Workspace, runnable: Runnable, options: AloneOptions): Promise<Applied> {
  if (runnable.script.kind === 'module') return applyScript(workspace, runnable, options)
  const program = readProgram(runnable, runnable.script)
  const units = unitsOf(program.steps, runnable.version, runnable.file)
  const { done, reserved = [] } = options
  const guard: Guard = { ownTransactions: true, reserved }
  const touched: string[] = []
  await settingUp(workspace, async () => {
    await runSteps(workspace, runnable, settingsBefore(units, done), guard)
    for (const unit of units) {
      if (unit.end <= done) continue
      touched.push(...(await runUnit(workspace, runnable, unit, { ...options, guard })))
    }
  })
  return applied(program, touched)
}

async function runUnit(
  workspace: Workspace,
  runnable: Runnable,
  { end, kind, steps }: Unit,
  { confirm, guard, record }: AloneOptions & { readonly guard: Guard },
): Promise<string[]> {
  const run = (part: readonly Step[], more: Partial<Guard> = {}) =>
    runSteps(workspace, runnable, part, { ...guard, ...more })
  if (kind === 'statement') {
    await workspace.exec('BEGIN IMMEDIATE')
    const touched = await run(steps, { ownTransactions: false })
    await record(end)
    await confirm()
    await workspace.exec('COMMIT')
    return touched
  }
  if (kind === 'transaction') {
    const touched = await run(steps.slice(0, -1), { staysOpen: true })
    await record(end)
    await confirm()
    return [...touched, ...(await run(steps.slice(-1)))]
  }
  await confirm()
  const touched = await run(steps)
  await record(end)
  return touched
}
