import { relative } from 'node:path'
import { LockkeeperError } from '../errors.ts'
import type { LintFinding } from '../lint/finding.ts'
import { counted } from '../units.ts'
import { command } from './command.ts'
import { migrationsFolder } from './from-config.ts'

export const lint = command({
  name: 'lint',
  summary: 'Check migrations in CI, without a database: what would go wrong in production.',
  examples: [
    'lockkeeper lint --migrations ./migrations',
    'lockkeeper lint --since v006_add_monitoring_tables   # what was deployed cannot be changed any more',
    'lockkeeper lint --format github   # annotations in a pull request',
  ],
  settings: ['migrations'],
  options: [
    { flags: '--since <version>', help: 'look only at what comes after this version' },
    { flags: '--format <text|github>', help: 'how findings are written, default text' },
  ],
  run: async ({ config, given, signal }) => {
    const { lint } = await import('../lint/lint.ts')
    const { format = 'text', since } = given
    if (format !== 'text' && format !== 'github')
      throw new LockkeeperError('usage', `--format does not know ${format}`, { hint: 'It takes text or github.' })
    const result = await lint({
      migrations: migrationsFolder(config),
      signal,
      ...(typeof since === 'string' ? { since } : {}),
    })
    const { findings, silenced, sound, stoppedAt, versions } = result
    const failures = findings.filter(({ severity }) => severity === 'fail').length
    const sentence = [
      `${counted(versions.length, 'migration')}: ${failures} to mend, ${findings.length - failures} to look at`,
      silenced.length === 0 ? '' : `, ${silenced.length} silenced`,
      stoppedAt === null ? '.' : `; nothing behind ${stoppedAt} could be looked at.`,
    ].join('')
    const lines = findings.map(format === 'github' ? annotation : line)
    return {
      sentence,
      text: [...lines, sentence].join('\n'),
      document: result,
      facts: { failures, warnings: findings.length - failures },
      ...(sound ? {} : { code: 'invalid' as const }),
    }
  },
})

function line({ file, line, message, rule, severity }: LintFinding): string {
  return `${shown(file)}:${line}: ${severity}: ${message} [${rule}]`
}

/** https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message */
function annotation({ file, line, message, rule, severity }: LintFinding): string {
  const text = (value: string) => value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (value: string) => text(value).replaceAll(':', '%3A').replaceAll(',', '%2C')
  const level = severity === 'fail' ? 'error' : 'warning'
  return `::${level} file=${property(shown(file))},line=${line},title=${property(`lockkeeper lint: ${rule}`)}::${text(message)}`
}

/** Relative, as annotations want it, where it lies below the working directory. */
function shown(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') ? file : path
}
