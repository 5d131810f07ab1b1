#!/usr/bin/env node
/**
 * The command line: from `argv` to a command, and from its outcome or error to output and exit code. The one place that
 * reads `process.env`, listens to signals, prints and exits.
 */
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
import { type Config, resolveSettings, type SettingName } from './config/settings.ts'
import { exitCodes, LockkeeperError, messageOf } from './errors.ts'
import { logListener } from './report/log.ts'
import { progressLine } from './report/progress.ts'
import { redactor, secretsOf } from './report/redact.ts'
import { terminationMessage, writeTermination } from './report/termination.ts'
import { lockkeeperVersion } from './version.ts'

const commands: readonly Command[] = [run, status, plan, history, rollback, validate, backup, backups, restore]

/** What every command takes. */
const general = ['timeout', 'logFormat', 'terminationLog'] as const
/** How long what was stopped may take to let go before the process ends all the same. */
const grace = 500

const redact = redactor(secretsOf(process.env))
const stdout = (text: string) => process.stdout.write(redact(text))
const stderr = (text: string) => process.stderr.write(redact(text))

// Node's own notices are no message of ours, and a person reads standard error.
process.removeAllListeners('warning')

await program(commands, lockkeeperVersion, stdout, stderr, execute)
  .parseAsync()
  .catch((error: unknown) => {
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : exitCodes.usage.exit
    if (!(error instanceof CommanderError)) throw error
  })

async function execute(
  command: Command,
  settings: Readonly<Partial<Record<SettingName, string>>>,
  given: Readonly<Record<string, string | true | undefined>>,
  json: boolean,
): Promise<void> {
  let config: Config<SettingName> | undefined
  try {
    config = resolveSettings([...command.settings, ...general], settings, process.env)
    const outcome = await supervise(command, config, given)
    finish(config, json, outcome)
  } catch (error) {
    fail(config, json, error)
  }
}

/** Runs it under the deadline and the signals. */
async function supervise(
  command: Command,
  config: Config<SettingName>,
  given: Readonly<Record<string, string | true | undefined>>,
): Promise<Outcome> {
  const controller = new AbortController()
  const stop = (error: LockkeeperError) => controller.abort(error)
  process.once('SIGINT', () => stop(stopped('interrupted', 'SIGINT')))
  process.once('SIGTERM', () => stop(stopped('terminated', 'SIGTERM')))
  const deadline = setTimeout(() => stop(tooSlow(config.timeout)), config.timeout)
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => setTimeout(() => reject(controller.signal.reason), grace).unref())
  })
  aborted.catch(() => {})
  const { logFormat = process.stderr.isTTY ? 'pretty' : 'json' } = config
  const log = logListener(logFormat, { write: stderr })
  const listener = process.stderr.isTTY && logFormat === 'pretty' ? progressLine({ write: stderr }, log) : log
  try {
    return await Promise.race([command.run({ config, given, listener, signal: controller.signal }), aborted])
  } catch (error) {
    // Whatever broke because of the stop, the stop is what happened.
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    clearTimeout(deadline)
  }
}

function finish(config: Config<SettingName>, json: boolean, outcome: Outcome): never {
  const text = json ? JSON.stringify(outcome.document, null, 2) : outcome.text
  if (text !== '') stdout(`${text}\n`)
  const { exit } = exitCodes[outcome.code ?? 'ok']
  lastWord(config, outcome.sentence, { code: outcome.code ?? 'ok', exit, ...outcome.facts })
  process.exit(exit)
}

function fail(config: Config<SettingName> | undefined, json: boolean, thrown: unknown): never {
  const error = asLockkeeperError(thrown)
  const { code, details, exitCode, hint, message } = error
  if (json)
    stdout(`${JSON.stringify({ error: { code, exit: exitCode, message, hint: hint ?? null, details } }, null, 2)}\n`)
  if (config?.logFormat === 'json' || (config?.logFormat === undefined && !process.stderr.isTTY))
    stderr(
      `${JSON.stringify({ level: 'error', time: new Date().toISOString(), code, exit: exitCode, msg: message, hint })}\n`,
    )
  else stderr(`\nerror: ${message}\n${hint === undefined ? '' : `\n  ${hint}\n`}`)
  lastWord(config, message, { code, exit: exitCode, ...(hint === undefined ? {} : { hint }) })
  process.exit(exitCode)
}

function lastWord(config: Config<SettingName> | undefined, sentence: string, facts: object): void {
  const path = config?.terminationLog ?? process.env['LOCKKEEPER_TERMINATION_LOG']
  writeTermination(path || undefined, redact(terminationMessage(sentence, facts)))
}

function asLockkeeperError(error: unknown): LockkeeperError {
  if (error instanceof LockkeeperError) return error
  return new LockkeeperError('internal', `a bug in Lockkeeper: ${messageOf(error)}`, {
    hint: 'Please report it with what is below. Nothing uncommitted was kept; running again is safe.',
    cause: error,
    details: { stack: error instanceof Error ? (error.stack ?? '') : '' },
  })
}

function stopped(code: 'interrupted' | 'terminated', signal: string): LockkeeperError {
  return new LockkeeperError(code, `stopped by ${signal}`, {
    hint: 'Nothing uncommitted was kept. Run again: what was already uploaded is not sent again.',
  })
}

function tooSlow(timeout: number): LockkeeperError {
  return new LockkeeperError('busy', `not done within the time allowed (${timeout / 1000} s)`, {
    hint: 'Nothing uncommitted was kept. Allow more with --timeout or LOCKKEEPER_TIMEOUT, and run again.',
  })
}
