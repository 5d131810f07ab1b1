/** Log lines, on standard error: JSON by pino, or plain lines for a person at a terminal. */
import { pino } from 'pino'
import type { JobEvent } from '../job/events.ts'

export type LogFormat = 'json' | 'pretty'

export interface Output {
  write(text: string): void
}

/** Turns what a job tells into log lines. */
export function logListener(format: LogFormat, output: Output): (event: JobEvent) => void {
  const logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } },
    { write: line => output.write(format === 'json' ? line : prettyLine(line)) },
  )
  return event => {
    switch (event.kind) {
      case 'step':
        logger.info({ step: event.step, ms: Math.round(event.milliseconds * 10) / 10 }, event.message)
        break
      case 'warning':
        logger.warn({ step: event.step }, event.message)
        break
      case 'note':
        logger.info({ step: event.step }, event.message)
        break
      case 'progress':
        // Shown by the progress line of a terminal; in a log it would be noise.
        break
    }
  }
}

interface Line {
  readonly level: string
  readonly time: string
  readonly step?: string
  readonly ms?: number
  readonly msg: string
}

/** `12:04:31  backup    14 chunks, 3 of them new   (0.21 s)` */
function prettyLine(json: string): string {
  const { level, time, step = '', ms, msg } = JSON.parse(json) as Line
  const warning = level === 'warn' ? 'warning: ' : ''
  const took = ms === undefined ? '' : `  (${ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`})`
  return `${time.slice(11, 19)}  ${step.padEnd(8)}  ${warning}${msg}${took}\n`
}
