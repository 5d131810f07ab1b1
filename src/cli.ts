#!/usr/bin/env node
/**
 * The command line: from `argv` to a command, and from its outcome or error to output and exit code. The one place that
 * reads `process.env`, listens to signals, prints and exits.
 */
// First: see there. An import without a name stays where it is when the others are sorted.
import './signals.ts'

import { CommanderError } from 'commander'
import { backup } from './commands/backup.ts'
import { backups } from './commands/backups.ts'
import type { Command, Outcome } from './commands/command.ts'
import { history } from './commands/history.ts'
import { plan } from './commands/plan.ts'
import { program } from './commands/program.ts'
import { restore } from './commands/restore.ts'
import { rollback } from './commands/rollback.ts'
import { run } from './commands/run.ts'
import { status } from './commands/status.ts'
import { validate } from './commands/validate.ts'
import { type Config, resolveSettings, type SettingName, settings } from './config/settings.ts'
import { exitCodes, LockkeeperError, messageOf } from './errors.ts'
import type { JobEvent } from './job/events.ts'
import { outliveLostWakeups } from './lost-wakeups.ts'
import { type LogFormat, logListener } from './report/log.ts'
import { progressLine } from './report/progress.ts'
import { redactedJson, redactor, secretsOf } from './report/redact.ts'
import { terminationMessage, writeTermination } from './report/termination.ts'
import { onStop, type StopSignal, stops } from './signals.ts'
import { lockkeeperVersion } from './version.ts'

const commands: readonly Command[] = [run, status, plan, history, rollback, validate, backup, backups, restore]

/** What every command takes. */
const general = ['timeout', 'logFormat', 'terminationLog'] as const
/** How long what was stopped may take to let go before the process ends all the same. */
const grace = 500
/** The longest that a timer takes, about 24 days; beyond it Node's would go off at once. */
const longestTimer = 2 ** 31 - 1

type Given = Readonly<Partial<Record<SettingName, string>>>

/** How to speak: known even where the settings are wrong, for that is to be said as well. */
interface Voice {
  readonly json: boolean
  readonly logFormat: LogFormat
  readonly terminationLog: string | undefined
}

const redact = redactor(secretsOf(process.env))
const stdout = (text: string) => process.stdout.write(text)
const stderr = (text: string) => process.stderr.write(text)

// Node's own notices are no message of ours, and a person reads standard error.
process.removeAllListeners('warning')
// Whoever reads may stop reading (`| head`): no reason to leave a job half done.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

await program(
  commands,
  lockkeeperVersion,
  text => stdout(redact(text)),
  text => stderr(redact(text)),
  execute,
)
  .parseAsync()
  .catch(async (error: unknown) => {
    if (!(error instanceof CommanderError)) await fail(voiceOf({}, process.argv.includes('--json')), error)
  })

async function execute(
  command: Command,
  given: Given,
  options: Readonly<Record<string, string | true | undefined>>,
  json: boolean,
): Promise<void> {
  const voice = voiceOf(given, json)
  try {
    const config = resolveSettings([...command.settings, ...general], given, process.env)
    await finish(voice, await supervise(command, config, options, voice))
  } catch (error) {
    await fail(voice, error)
  }
}

/** Runs it under the deadline and the signals. */
async function supervise(
  command: Command,
  config: Config<SettingName>,
  given: Readonly<Record<string, string | true | undefined>>,
  { logFormat }: Voice,
): Promise<Outcome> {
  const controller = new AbortController()
  outliveLostWakeups()
  const stop = (error: LockkeeperError) => controller.abort(error)
  onStop(signal => stop(stopped(signal)))
  const deadline = setTimeout(() => stop(tooSlow(config.timeout)), Math.min(config.timeout, longestTimer))
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => setTimeout(() => reject(controller.signal.reason), grace).unref())
  })
  aborted.catch(() => {})
  const log = logListener(logFormat, { write: stderr })
  const shown = process.stderr.isTTY && logFormat === 'pretty' ? progressLine({ write: stderr }, log) : log
  const listener = (event: JobEvent) => shown('message' in event ? { ...event, message: redact(event.message) } : event)
  try {
    const inKubernetes = process.env['KUBERNETES_SERVICE_HOST'] !== undefined
    const context = { config, given, inKubernetes, listener, signal: controller.signal, redact }
    return await Promise.race([command.run(context), aborted])
  } catch (error) {
    // Whatever broke because of the stop, the stop is what happened.
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    clearTimeout(deadline)
  }
}

function finish(voice: Voice, { code: bad, document, facts, sentence, text }: Outcome): Promise<never> {
  const code = bad ?? 'ok'
  if (voice.json) stdout(`${redactedJson(document, redact, 2)}\n`)
  else if (text !== '') stdout(`${redact(text)}\n`)
  const { exit } = exitCodes[code]
  lastWord(voice, sentence, { code, exit, ...facts })
  return end(exit)
}

function fail(voice: Voice, thrown: unknown): Promise<never> {
  const { code, details, exitCode: exit, hint, message, stack } = asLockkeeperError(thrown)
  if (voice.json)
    stdout(`${redactedJson({ error: { code, exit, message, hint: hint ?? null, details } }, redact, 2)}\n`)
  // Of use to nobody but whoever mends a bug.
  const trace = code === 'internal' ? stack : undefined
  if (voice.logFormat === 'json') {
    const line = { level: 'error', time: new Date().toISOString(), code, exit, msg: message, hint, stack: trace }
    stderr(`${redactedJson(line, redact)}\n`)
  } else {
    const below = [hint, trace].filter(part => part !== undefined).map(part => `\n  ${part}\n`)
    stderr(redact(`\nerror: ${message}\n${below.join('')}`))
  }
  lastWord(voice, message, { code, exit, hint })
  return end(exit)
}

/** Ends the process once what was written has been taken: a pipe that is full takes the rest later. */
async function end(exit: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>(resolve => {
      stream.write('', () => resolve())
    })
  process.exit(exit)
}

function lastWord({ terminationLog }: Voice, sentence: string, facts: object): void {
  const clean: object = JSON.parse(redactedJson(facts, redact))
  writeTermination(terminationLog, terminationMessage(redact(sentence), clean))
}

function voiceOf(given: Given, json: boolean): Voice {
  const said = (name: 'logFormat' | 'terminationLog') => given[name] || process.env[settings[name].env] || undefined
  const wanted = said('logFormat')
  const usual = process.stderr.isTTY ? 'pretty' : 'json'
  return {
    json,
    logFormat: wanted === 'json' || wanted === 'pretty' ? wanted : usual,
    terminationLog: said('terminationLog'),
  }
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
