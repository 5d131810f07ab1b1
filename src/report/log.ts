/** Log lines, on standard error: JSON for machines, or plain lines for a person at a terminal. */
import type { JobEvent, Listener } from '../job/events.ts'

export type LogFormat = 'json' | 'pretty'

export interface Output {
  write(text: string): void
}

export interface LogLine {
  readonly level: 'info' | 'warn'
  readonly step: string
  /** How long the step took. */
  readonly ms?: number
  readonly msg: string
}

export type LineWriter = (line: LogLine) => void

/** Turns what a job tells into log lines. Progress is none: see `progress.ts`. */
export function logListener(write: LineWriter): Listener {
  return event => {
    const line = lineOf(event)
    if (line !== undefined) write(line)
  }
}

function lineOf(event: JobEvent): LogLine | undefined {
  switch (event.kind) {
    case 'step':
      return { level: 'info', step: event.step, ms: Math.round(event.milliseconds * 10) / 10, msg: event.message }
    case 'warning':
      return { level: 'warn', step: event.step, msg: event.message }
    case 'note':
      return { level: 'info', step: event.step, msg: event.message }
    case 'progress':
      return undefined
  }
}

/** The lines that `pinoLines` writes, without loading pino. */
export function jsonLines(output: Output): LineWriter {
  return ({ level, ...rest }) => output.write(`${JSON.stringify({ level, time: new Date().toISOString(), ...rest })}\n`)
}

/** `12:04:31  backup    14 chunks, 3 of them new   (0.21 s)` */
export function prettyLines(output: Output): LineWriter {
  return ({ level, step, ms, msg }) => {
    const warning = level === 'warn' ? 'warning: ' : ''
    const took = ms === undefined ? '' : `  (${ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`})`
    output.write(`${new Date().toISOString().slice(11, 19)}  ${step.padEnd(8)}  ${warning}${msg}${took}\n`)
  }
}
