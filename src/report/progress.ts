/**
 * How far a long step is: on a terminal a line at the bottom that leaves nothing behind, elsewhere a log line every few
 * seconds.
 */
import type { JobEvent } from '../job/events.ts'
import { formatBytes, formatDuration } from '../units.ts'
import type { Output } from './log.ts'

type Progress = Extract<JobEvent, { kind: 'progress' }>

const showAfter = 1000
const showEvery = 100
const noteEvery = 5000

/**
 * Passes events on, and on a terminal shows progress between them.
 * @param next gets every event but progress
 * @param clock milliseconds from anywhere on
 */
export function progressLine(
  output: Output,
  next: (event: JobEvent) => void,
  clock: () => number = () => performance.now(),
): (event: JobEvent) => void {
  let started: { readonly step: string; readonly at: number } | undefined
  let shown = 0
  return event => {
    if (event.kind !== 'progress') {
      if (shown > 0) output.write('\r\u001b[K')
      shown = 0
      if (event.kind === 'step') started = undefined
      next(event)
      return
    }
    const now = clock()
    if (started?.step !== event.step) started = { step: event.step, at: now }
    const elapsed = now - started.at
    if (elapsed < showAfter || now - shown < showEvery) return
    shown = now
    output.write(`\r\u001b[K${progressText(event, elapsed)}`)
  }
}

/**
 * Passes events on, progress as a note: the first after five seconds of a step, and then as often.
 * @param clock milliseconds from anywhere on
 */
export function progressNotes(
  next: (event: JobEvent) => void,
  clock: () => number = () => performance.now(),
): (event: JobEvent) => void {
  let noted: { readonly step: string; readonly started: number; readonly at: number } | undefined
  return event => {
    if (event.kind !== 'progress') {
      if (event.kind === 'step') noted = undefined
      next(event)
      return
    }
    const now = clock()
    if (noted?.step !== event.step) noted = { step: event.step, started: now, at: now }
    if (now - noted.at < noteEvery) return
    noted = { ...noted, at: now }
    next({ kind: 'note', step: event.step, message: amountText(event, now - noted.started) })
  }
}

/** `backup    512 MiB of 1.0 GiB, 120 MiB/s, 4 s left` */
export function progressText(event: Progress, elapsed: number): string {
  return `${event.step.padEnd(8)}  ${amountText(event, elapsed)}`
}

function amountText({ done, total, unit }: Progress, elapsed: number): string {
  const left = done === 0 ? undefined : (elapsed * (total - done)) / done
  const amount = unit === 'bytes' ? `${formatBytes(done)} of ${formatBytes(total)}` : `${done} of ${total} ${unit}`
  const rate = unit === 'bytes' && elapsed > 0 ? `, ${formatBytes((done / elapsed) * 1000)}/s` : ''
  return `${amount}${rate}${left === undefined ? '' : `, ${formatDuration(left)} left`}`
}
