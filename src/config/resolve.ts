/** From flags and environment to values that can be relied on: everything that is wrong is told in one error. */
import { LockkeeperError, messageOf } from '../errors.ts'
import { type Setting, variableOf } from './setting.ts'
import { type Config, type SettingName, settings } from './settings.ts'

/**
 * Reads the settings that a command takes.
 * @param given the values of the flags, by setting; absent ones were not given
 * @param environment usually `process.env`
 * @throws LockkeeperError `config` with everything that is missing or wrong, in one message.
 */
export function resolveSettings<Name extends SettingName>(
  names: readonly Name[],
  given: Readonly<Partial<Record<SettingName, string>>>,
  environment: Readonly<Record<string, string | undefined>>,
): Config<Name> {
  const problems: string[] = []
  const hints = new Set<string>()
  const config: Record<string, unknown> = {}
  for (const name of names) {
    const { flags, env, environmentOnly = false, fallback, otherEnv = '', read } = settings[name] as Setting<unknown>
    const value = given[name] ?? (environment[env] || environment[otherEnv] || undefined) ?? fallback
    try {
      config[name] = read(variableOf(env, value))
    } catch (error) {
      if (error instanceof LockkeeperError) {
        problems.push(error.message)
        if (error.hint !== undefined) hints.add(error.hint)
      } else problems.push(`${env}${environmentOnly ? '' : ` (${flags})`}${plain(messageOf(error), env, value)}`)
    }
  }
  if (problems.length > 0)
    throw new LockkeeperError(
      'config',
      problems.length === 1 ? (problems[0] ?? '') : `several settings are wrong:\n  ${problems.join('\n  ')}`,
      {
        hint: [...hints].join(' ') || 'Set the variable or give the flag; lockkeeper help COMMAND shows its settings.',
        details: { problems },
      },
    )
  return Object.freeze(config) as Config<Name>
}

/** env-var's own sentences begin with its name and the variable's, and do not say what was there instead. */
function plain(message: string, env: string, value: string | undefined): string {
  if (value === undefined) return ' is not set'
  if (value === '') return ' is empty'
  const [, expected] = /^env-var: "[^"]*" (should be .*)$/s.exec(message) ?? []
  return expected === undefined ? `: ${message.replace(`env-var: "${env}" `, '')}` : ` ${expected}, not "${value}"`
}
