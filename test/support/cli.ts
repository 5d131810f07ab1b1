/** Spawns the program that ships, with an environment of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

export const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export type Environment = Readonly<Record<string, string | undefined>>

export interface Ran {
  /** Null when a signal ended it. */
  readonly exit: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Both, as a person at a terminal sees them. */
  readonly output: string
  readonly milliseconds: number
}

export interface Running {
  readonly process: ChildProcess
  /** Resolves when the text has been written to either output, with all that has been. */
  shows(text: string): Promise<string>
  readonly done: Promise<Ran>
}

export interface How {
  /** All that it gets, but for PATH, HOME and TMPDIR. */
  readonly env?: Environment
  readonly cwd?: string
  /** In a process group of its own, so that a signal can be sent to all of it as a terminal does. Default false. */
  readonly ownGroup?: boolean
}

/** Starts it and lets it run. */
export function start(args: readonly string[], { env = {}, cwd, ownGroup = false }: How = {}): Running {
  const began = performance.now()
  const { PATH, HOME, TMPDIR } = process.env
  const child = spawn(process.execPath, [program, ...args], {
    env: definedOnly({ PATH, HOME, TMPDIR, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: ownGroup,
    ...(cwd === undefined ? {} : { cwd }),
  })
  const text = { stdout: '', stderr: '', output: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (data: string) => {
      text[name] += data
      text.output += data
      child.emit('shown')
    })
  const done = once(child, 'close').then(([exit, signal]) => {
    child.emit('shown')
    return { exit, signal, ...text, milliseconds: performance.now() - began } as Ran
  })
  const shows = async (wanted: string) => {
    while (!text.output.includes(wanted)) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`it ended and never wrote ${JSON.stringify(wanted)}, but:\n${text.output}`)
      await once(child, 'shown')
    }
    return text.output
  }
  return { process: child, shows, done }
}

/** Runs it to its end. */
export function lockkeeper(args: readonly string[], how: How = {}): Promise<Ran> {
  return start(args, how).done
}

/** It ended well. */
export function expectOk(ran: Ran): void {
  expect(ran, ran.output).toMatchObject({ exit: 0, signal: null })
  expect(ran.output).not.toMatch(stackTrace)
}

/** It ended with this code, named every culprit, said what to do next, and showed nobody a stack trace. */
export function expectRefused(ran: Ran, exit: number, ...culprits: readonly (string | RegExp)[]): void {
  expect(ran, ran.output).toMatchObject({ exit, signal: null })
  expect(ran.output).not.toMatch(stackTrace)
  const { hint, msg } = errorOf(ran)
  for (const culprit of culprits) expect(`${msg}\n${hint}`).toMatch(culprit)
  expect(hint).toMatch(/\w/)
}

/** The last log line, which is the error. Of a run whose log is JSON. */
export function errorOf(ran: Ran): { code: string; exit: number; msg: string; hint?: string } {
  const last: unknown = logOf(ran).at(-1)
  expect(last, ran.output).toMatchObject({ level: 'error', exit: ran.exit })
  return last as ReturnType<typeof errorOf>
}

export interface LogLine {
  readonly level: string
  readonly time: string
  readonly msg: string
  readonly step?: string
  readonly ms?: number
}

/** Standard error as log lines; each has to be one JSON document. */
export function logOf({ stderr }: Ran): LogLine[] {
  return stderr
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as LogLine)
}

/** The messages of a step. */
export function messagesOf(ran: Ran, step: string): string[] {
  return logOf(ran).flatMap(line => (line.step === step ? [line.msg] : []))
}

const stackTrace = /^\s*at .+:\d+:\d+\)?$|\bat [^\n]*\(?(?:file|node):[^\n]*:\d+:\d+/m

export function definedOnly(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
