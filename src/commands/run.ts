import { deploy } from '../job/deploy.ts'
import { changeOutcome } from './change-outcome.ts'
import { command } from './command.ts'
import { changeOptions, changeSettings } from './from-config.ts'

export const run = command({
  name: 'run',
  alias: 'migrate',
  summary: 'The deploy job: lock, back up, migrate, validate, commit.',
  examples: [
    'lockkeeper run --database /data/app.db --repository file:///backups/app',
    'lockkeeper run --to v004_add_rate_limiting',
    'lockkeeper run --adopt        # a database that an ORM made',
  ],
  settings: [...changeSettings, 'firstInstall', 'ifMissing', 'restoreOnce', 'adopt'],
  options: [{ flags: '--to <version>', help: 'leave this version applied as the last one' }],
  run: async context => {
    const { firstInstall, adopt, ifMissing, restoreOnce } = context.config
    const { to } = context.given
    const result = await deploy({
      ...changeOptions(context),
      firstInstall,
      ifMissing,
      restoreOnce,
      adopt,
      ...(typeof to === 'string' ? { to } : {}),
    })
    return changeOutcome(result)
  },
})
