#!/usr/bin/env node
/**
 * The command line: from `argv` to a command, and from its outcome or error to output and exit code. The one place that
 * reads `process.env`, listens to signals, prints and exits.
 */
// First: see there. An import without a name stays where it is when the others are sorted.
import './signals.ts'

import { fstatSync } from 'node:fs'
import { homedir } from 'node:os'
import { type Given, jsonFlag, plainArguments, settingsOf } from './commands/arguments.ts'
import type { Command, Outcome } from './commands/command.ts'
import { run } from './commands/run.ts'
import { resolveSettings } from './config/resolve.ts'
import { type Config, type SettingName, settings } from './config/settings.ts'
import { exitCodes, LockkeeperError, messageOf } from './errors.ts'
import type { JobEvent } from './job/events.ts'
import { outliveLostWakeups } from './lost-wakeups.ts'
import { jsonLines, type LineWriter, type LogFormat, logListener, prettyLines } from './report/log.ts'
import { directOutput } from './report/output.ts'
import { progressLine, progressNotes } from './report/progress.ts'
import { redactedJson, redactor, secretsOf } from './report/redact.ts'
import { terminationMessage, writeTermination } from './report/termination.ts'
import { onStop, type StopSignal, stops } from './signals.ts'
import { lockkeeperVersion } from './version.ts'

/** Commands that mostly find nothing to do: nothing is loaded for them that they can do without. */
const quick: readonly Command[] = [run]

/** How long what was stopped may take to let go before the process ends all the same. */
const grace = 500
/** The longest that a timer takes, about 24 days; beyond it Node's would go off at once. */
const longestTimer = 2 ** 31 - 1

/** How to speak: known even where the settings are wrong, for that is to be said as well. */
interface Voice {
  readonly json: boolean
  readonly logFormat: LogFormat
  readonly terminationLog: string | undefined
}

const args = process.argv.slice(2)
const redact = redactor(secretsOf(process.env))
const stdout = directOutput(1, () => process.stdout)
const stderr = directOutput(2, () => process.stderr)

giveHome()

// Node's own notices are no message of ours, and a person reads standard error.
process.removeAllListeners('warning')

const plain = plainArguments(args, quick)
void (plain === undefined ? understand() : execute(plain))

/** The AWS SDK asks where home is, and a user whom the system does not know has none. */
function giveHome(): void {
  if (process.env['HOME']) return
  try {
    homedir()
  } catch {
    process.env['HOME'] = '/'
  }
}

/** Everything that commander is for. */
async function understand(): Promise<void> {
  try {
    const { commands, runProgram } = await import('./commands/all.ts')
    await runProgram(args, commands, {
      version: lockkeeperVersion,
      writeOut: text => stdout.write(redact(text)),
      writeErr: text => stderr.write(redact(text)),
      execute,
    })
    await end(0)
  } catch (error) {
    await fail(voiceOf({}, args.includes(jsonFlag)), error)
  }
}

async function execute(given: Given): Promise<void> {
  // Should nothing be left that could finish the command, its end is a bug, and not the word that all went well.
  process.exitCode = exitCodes.internal.exit
  const voice = voiceOf(given.settings, given.json)
  try {
    const config = resolveSettings(settingsOf(given.command), given.settings, process.env)
    await finish(voice, await supervise(given, config, voice))
  } catch (error) {
    await fail(voice, error)
  }
}

/** Runs it under the deadline and the signals. */
async function supervise(
  { command, options }: Given,
  config: Config<SettingName>,
  { logFormat }: Voice,
): Promise<Outcome> {
  const controller = new AbortController()
  outliveLostWakeups()
  const stop = (error: LockkeeperError) => controller.abort(error)
  onStop(signal => stop(stopped(signal)))
  const { timeout } = config
  const deadline = command.staysUp
    ? undefined
    : setTimeout(() => stop(tooSlow(timeout)), Math.min(timeout, longestTimer))
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => setTimeout(() => reject(controller.signal.reason), grace).unref())
  })
  aborted.catch(() => {})
  const log = logListener(await lineWriter(command, logFormat))
  const shown = logFormat === 'pretty' && isTerminal() ? progressLine(stderr, log) : progressNotes(log)
  const listener = (event: JobEvent) => shown('message' in event ? { ...event, message: redact(event.message) } : event)
  try {
    const inKubernetes = process.env['KUBERNETES_SERVICE_HOST'] !== undefined
    const { signal } = controller
    const context = { config, given: options, inKubernetes, listener, signal, timeout, redact, terminal }
    return await Promise.race([command.run(context), aborted])
  } catch (error) {
    // Whatever broke because of the stop, the stop is what happened.
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    clearTimeout(deadline)
  }
}

async function lineWriter(command: Command, format: LogFormat): Promise<LineWriter> {
  if (format === 'pretty') return prettyLines(stderr)
  if (quick.includes(command)) return jsonLines(stderr)
  const { pinoLines } = await import('./report/pino.ts')
  return pinoLines(stderr)
}

function finish(voice: Voice, { code: bad, document, facts, sentence, text }: Outcome): Promise<never> {
  const code = bad ?? 'ok'
  if (voice.json) stdout.write(`${redactedJson(document, redact, 2)}\n`)
  else if (text !== '') stdout.write(`${redact(text)}\n`)
  const { exit } = exitCodes[code]
  lastWord(voice, sentence, { code, exit, ...facts })
  return end(exit)
}

function fail(voice: Voice, thrown: unknown): Promise<never> {
  const { code, details, exitCode: exit, hint, message, stack } = asLockkeeperError(thrown)
  if (voice.json)
    stdout.write(`${redactedJson({ error: { code, exit, message, hint: hint ?? null, details } }, redact, 2)}\n`)
  // Of use to nobody but whoever mends a bug.
  const trace = code === 'internal' ? stack : undefined
  if (voice.logFormat === 'json') {
    const line = { level: 'error', time: new Date().toISOString(), code, exit, msg: message, hint, stack: trace }
    stderr.write(`${redactedJson(line, redact)}\n`)
  } else {
    const below = [hint, trace].filter(part => part !== undefined).map(part => `\n  ${part}\n`)
    stderr.write(redact(`\nerror: ${message}\n${below.join('')}`))
  }
  lastWord(voice, message, { code, exit, hint })
  return end(exit)
}

async function end(exit: number): Promise<never> {
  await stdout.flushed()
  await stderr.flushed()
  process.exit(exit)
}

function lastWord({ terminationLog }: Voice, sentence: string, facts: object): void {
  const clean: object = JSON.parse(redactedJson(facts, redact))
  writeTermination(terminationLog, terminationMessage(redact(sentence), clean))
}

function voiceOf(given: Given['settings'], json: boolean): Voice {
  const said = (name: 'logFormat' | 'terminationLog') => given[name] || process.env[settings[name].env] || undefined
  const wanted = said('logFormat')
  return {
    json,
    logFormat: wanted === 'json' || wanted === 'pretty' ? wanted : isTerminal() ? 'pretty' : 'json',
    terminationLog: said('terminationLog'),
  }
}

/** Undefined where nobody could answer. */
async function terminal() {
  if (!isTerminal() || !process.stdin.isTTY) return undefined
  const { terminalOf } = await import('./report/terminal.ts')
  return terminalOf(process.stdin, { write: text => stderr.write(redact(text)) })
}

/** Only a terminal is worth asking Node's stream, which has to be loaded for it. */
function isTerminal(): boolean {
  return fstatSync(2).isCharacterDevice() && process.stderr.isTTY
}

function asLockkeeperError(error: unknown): LockkeeperError {
  if (error instanceof LockkeeperError) return error
  const bug = new LockkeeperError('internal', `a bug in Lockkeeper: ${messageOf(error)}`, {
    hint: 'Please report it with what is below. Nothing uncommitted was kept; running again is safe.',
    cause: error,
  })
  if (error instanceof Error && error.stack !== undefined) bug.stack = error.stack
  return bug
}

function stopped(signal: StopSignal): LockkeeperError {
  return new LockkeeperError(stops[signal], `stopped by ${signal}`, {
    hint: 'Nothing uncommitted was kept. Run again: what was already uploaded is not sent again.',
  })
}

function tooSlow(timeout: number): LockkeeperError {
  return new LockkeeperError('busy', `not done within the time allowed (${timeout / 1000} s)`, {
    hint: 'Nothing uncommitted was kept. Allow more with --timeout or LOCKKEEPER_TIMEOUT, and run again.',
  })
}
