/** How the schedule is, as a file: for a container's health check, and for whoever asks why there is no backup. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { type ErrorCode, explainSystemError, LockkeeperError } from '../errors.ts'
import type { Task } from './task.ts'

export interface Attempt {
  /** When it began. ISO 8601, UTC. */
  readonly at: string
  /** `ok`, or what it failed with. */
  readonly code: 'ok' | ErrorCode
  /** One sentence. */
  readonly message: string
}

export interface TaskHealth {
  readonly cron: string
  readonly timeZone: string
  /** When it is done next. ISO 8601, UTC. */
  readonly next: string
  /** The last attempt since the start; null: there was none. */
  readonly last: Attempt | null
  /** How many attempts in a row have failed. */
  readonly failures: number
}

export interface Health {
  /** `failing` while the last attempt at any task failed. */
  readonly status: 'ok' | 'failing'
  readonly at: string
  /** If the file is older than this, the schedule is not running any more, or hangs. */
  readonly validUntil: string
  readonly running: readonly Task[]
  readonly tasks: Readonly<Partial<Record<Task, TaskHealth>>>
}

/** Replaces the file as a whole. @throws LockkeeperError when it cannot be written */
export async function writeHealth(path: string, health: Health): Promise<void> {
  const fresh = `${path}.new`
  try {
    await writeFile(fresh, `${JSON.stringify(health, null, 2)}\n`)
    await rename(fresh, path)
  } catch (error) {
    throw explainSystemError(error, `cannot write the health file ${path}`, 'Name a file in a folder that is writable.')
  }
}

/** @throws LockkeeperError `missing` when there is no such file: the schedule has not started */
export async function readHealth(path: string): Promise<Health> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Health
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new LockkeeperError('invalid', `${path} is no health file`, {
        hint: 'Name the file that lockkeeper schedule writes: --health-file.',
        cause: error,
      })
    throw explainSystemError(error, `cannot read the health file ${path}`, 'Is lockkeeper schedule running?')
  }
}

/** What is wrong, with the code that the first failing task failed with; undefined: nothing. */
export function unhealthy(
  { at, tasks, validUntil }: Health,
  now: Date,
): { code: ErrorCode; message: string } | undefined {
  if (Date.parse(validUntil) < now.getTime())
    return { code: 'missing', message: `the schedule has not been heard of since ${at}` }
  const failing = Object.entries(tasks).flatMap(([task, { failures, last }]) =>
    last === null || last.code === 'ok' ? [] : [{ task, failures, ...last }],
  )
  const [first] = failing
  if (first === undefined || first.code === 'ok') return undefined
  const sentences = failing.map(
    ({ failures, message, task }) => `${task} failed${failures > 1 ? ` ${failures} times` : ''}: ${message}`,
  )
  return { code: first.code, message: sentences.join('; ') }
}
