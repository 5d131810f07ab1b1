/** A line at the bottom of a terminal that says how far a long step is; it leaves nothing behind. */
import type { JobEvent } from '../job/events.ts'
import { formatBytes, formatDuration } from '../units.ts'
import type { Output } from './log.ts'

const showAfter = 1000
const showEvery = 100

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

/** `backup    512 MiB of 1.0 GiB, 120 MiB/s, 4 s left` */
export function progressText(event: Extract<JobEvent, { kind: 'progress' }>, elapsed: number): string {
  const { done, step, total, unit } = event
  const left = done === 0 ? undefined : (elapsed * (total - done)) / done
  const amount = unit === 'bytes' ? `${formatBytes(done)} of ${formatBytes(total)}` : `${done} of ${total} ${unit}`
  const rate = unit === 'bytes' && elapsed > 0 ? `, ${formatBytes((done / elapsed) * 1000)}/s` : ''
  return `${step.padEnd(8)}  ${amount}${rate}${left === undefined ? '' : `, ${formatDuration(left)} left`}`
}
