/** What `schedule` does, and when each is due: pure functions of what was done and what the clock shows. */
import type { Timetable } from './timetable.ts'

/** Tiers of backups; those that are due at once are one backup. */
export const backupTasks = ['daily', 'weekly', 'monthly'] as const
/** In the order in which they are done when several are due. */
export const tasks = [...backupTasks, 'prune', 'verify', 'drill'] as const
export type BackupTask = (typeof backupTasks)[number]
export type Task = (typeof tasks)[number]

/** When each task was done, in any order. */
export type Done = Readonly<Record<Task, readonly Date[]>>

/** What is done further in the future than this, in milliseconds, was done by a clock that was wrong. */
const tolerance = 5 * 60_000

const shortestPause = 60_000
const longestPause = 60 * 60_000

/** When a task was last done; undefined: never. */
export function lastDone(done: readonly Date[], now: Date): Date | undefined {
  const believed = done.filter(moment => moment.getTime() <= now.getTime() + tolerance)
  return believed.length === 0 ? undefined : new Date(Math.max(...believed.map(Number)))
}

/** From when on a task is due, given when it was last done; at once if never. However much was missed, it is due once. */
export function dueFrom(timetable: Timetable, last: Date | undefined): Date {
  return last === undefined ? new Date(0) : timetable.next(last)
}

/** How long to leave a task alone that has failed so many times in a row, in milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(shortestPause * 2 ** (failures - 1), longestPause)
}
