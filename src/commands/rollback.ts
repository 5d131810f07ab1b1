import { LockkeeperError } from '../errors.ts'
import { changeOutcome } from './change-outcome.ts'
import { command } from './command.ts'
import { changeOptions, changeSettings, rehearsalOf } from './from-config.ts'

export const rollback = command({
  name: 'rollback',
  summary: 'Take migrations back by their downs, under the same guards as a deploy.',
  examples: [
    'lockkeeper rollback --version v006_add_monitoring_tables',
    'lockkeeper rollback --to v003_add_indexes   # leaves v003 applied',
    'lockkeeper rollback --steps 1',
    'lockkeeper rollback --steps 1 --dry-run',
  ],
  settings: [...changeSettings, 'allowRowLoss'],
  options: [
    { flags: '--version <version>', help: 'this one; refused while others that depend on it are applied' },
    { flags: '--to <version>', help: 'everything after this one' },
    { flags: '--steps <number>', help: 'so many, the newest first' },
    { flags: '--dry-run', help: 'rehearse it on a private copy; touch nothing' },
    { flags: '--from <backup>', help: 'rehearse on this backup instead (an id, or latest); with --dry-run' },
  ],
  run: async context => {
    const { allowRowLoss } = context.config
    const options = { ...changeOptions(context), allowRowLoss, target: targetOf(context.given) }
    const rehearsing = rehearsalOf(context)
    if (rehearsing === undefined) {
      const { rollBack } = await import('../job/rollback.ts')
      return changeOutcome(await rollBack(options))
    }
    const { rehearseRollback } = await import('../job/rehearse.ts')
    const { rehearsalOutcome } = await import('./rehearsal-outcome.ts')
    return rehearsalOutcome(await rehearseRollback({ ...options, ...rehearsing }))
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
