import { LockkeeperError } from '../errors.ts'
import { changeOutcome } from './change-outcome.ts'
import { command } from './command.ts'
import { changeOptions, changeSettings } from './from-config.ts'

export const rollback = command({
  name: 'rollback',
  summary: 'Take migrations back by their downs, under the same guards as a deploy.',
  examples: [
    'lockkeeper rollback --version v006_add_monitoring_tables',
    'lockkeeper rollback --to v003_add_indexes   # leaves v003 applied',
    'lockkeeper rollback --steps 1',
  ],
  settings: [...changeSettings, 'allowRowLoss'],
  options: [
    { flags: '--version <version>', help: 'this one; refused while others that depend on it are applied' },
    { flags: '--to <version>', help: 'everything after this one' },
    { flags: '--steps <number>', help: 'so many, the newest first' },
  ],
  run: async context => {
    const { rollBack } = await import('../job/rollback.ts')
    const { allowRowLoss } = context.config
    const result = await rollBack({ ...changeOptions(context), allowRowLoss, target: targetOf(context.given) })
    return changeOutcome(result)
  },
})

function targetOf({ version, to, steps }: Readonly<Record<string, string | true | undefined>>) {
  const said = [version, to, steps].filter(value => typeof value === 'string')
  if (said.length !== 1)
    throw new LockkeeperError('usage', 'rollback takes one of --version, --to and --steps', {
      hint: 'For example: lockkeeper rollback --steps 1',
    })
  if (typeof version === 'string') return { version }
  if (typeof to === 'string') return { to }
  if (!/^[1-9]\d*$/.test(String(steps)))
    throw new LockkeeperError('usage', `--steps takes a whole number from 1, not "${steps}"`, {
      hint: 'lockkeeper history shows what was applied, and how often.',
    })
  return { steps: Number(steps) }
}
