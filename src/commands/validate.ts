import { LockkeeperError } from '../errors.ts'
import { type Part, parts } from '../validation/findings.ts'
import { command } from './command.ts'
import { migrationSettings, migrationsFolder } from './from-config.ts'

export const validate = command({
  name: 'validate',
  summary: 'Check the database against its migrations, and itself.',
  examples: ['lockkeeper validate', 'lockkeeper validate --only schema,constraints --json'],
  settings: ['database', ...migrationSettings],
  options: [{ flags: '--only <parts>', help: `some of ${parts.join(', ')}; separated by commas` }],
  run: async ({ config, given, signal }) => {
    const { validate } = await import('../job/validate.ts')
    const { database, drift, ignore, outOfOrder } = config
    const result = await validate({
      database,
      migrations: migrationsFolder(config),
      drift: { policy: drift, ignore },
      outOfOrder,
      signal,
      parts: chosenParts(given['only']),
    })
    const { findings, level, valid } = result
    const lines = findings.flatMap(({ mend, message, part, severity }) => [
      `${severity.padEnd(4)}  ${part.padEnd(11)}  ${message}`,
      ...(mend?.split('\n').map(line => `${' '.repeat(19)}${line}`) ?? []),
    ])
    const wrong = findings.filter(({ severity }) => severity === 'fail').length
    const sentence = valid
      ? `Valid at ${level ?? 'no level'}${findings.length === 0 ? '' : `, ${findings.length} to look at`}.`
      : `Not valid: ${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong at ${level ?? 'no level'}.`
    const facts = { level, valid, failures: wrong }
    return {
      sentence,
      text: [...lines, sentence].join('\n'),
      document: result,
      facts,
      ...(valid ? {} : { code: 'invalid' }),
    }
  },
})

function chosenParts(only: string | true | undefined): readonly Part[] {
  if (typeof only !== 'string') return parts
  const named = only.split(',').map(part => part.trim())
  const unknown = named.filter(part => !(parts as readonly string[]).includes(part))
  if (unknown.length > 0)
    throw new LockkeeperError('usage', `--only does not know ${unknown.join(', ')}`, {
      hint: `It takes: ${parts.join(', ')}.`,
    })
  return named as Part[]
}
