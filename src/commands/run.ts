import { deploy } from '../job/deploy.ts'
import { changeOutcome } from './change-outcome.ts'
import { command } from './command.ts'
import { changeOptions, changeSettings, rehearsalOf } from './from-config.ts'

export const run = command({
  name: 'run',
  alias: 'migrate',
  summary: 'The deploy job: lock, back up, migrate, validate, commit.',
  examples: [
    'lockkeeper run --database /data/app.db --repository file:///backups/app',
    'lockkeeper run --to v004_add_rate_limiting',
    'lockkeeper run --adopt        # a database that an ORM made',
    'lockkeeper run --dry-run      # what would happen, on a private copy',
    'lockkeeper run --dry-run --from latest   # in CI, without touching production',
  ],
  settings: [...changeSettings, 'firstInstall', 'ifMissing', 'restoreOnce', 'adopt'],
  options: [
    { flags: '--to <version>', help: 'leave this version applied as the last one' },
    { flags: '--dry-run', help: 'rehearse it on a private copy, the way back included; touch nothing' },
    { flags: '--from <backup>', help: 'rehearse on this backup instead (an id, or latest); with --dry-run' },
  ],
  run: async context => {
    const { firstInstall, adopt, ifMissing, restoreOnce } = context.config
    const { to } = context.given
    const options = {
      ...changeOptions(context),
      firstInstall,
      ifMissing,
      restoreOnce,
      adopt,
      ...(typeof to === 'string' ? { to } : {}),
    }
    const rehearsing = rehearsalOf(context)
    if (rehearsing === undefined) return changeOutcome(await deploy(options))
    const { rehearse } = await import('../job/rehearse.ts')
    const { rehearsalOutcome } = await import('./rehearsal-outcome.ts')
    return rehearsalOutcome(await rehearse({ ...options, ...rehearsing }))
  },
})
