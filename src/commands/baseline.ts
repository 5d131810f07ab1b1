import { changeOutcome } from './change-outcome.ts'
import { command } from './command.ts'
import { changeOptions, changeSettings } from './from-config.ts'

export const baseline = command({
  name: 'baseline',
  summary: 'Take over a database that something else made: record what it has already, and run nothing.',
  examples: [
    'lockkeeper baseline',
    'lockkeeper baseline --version v003_add_indexes   # where later ones only change rows, and have not run',
    'lockkeeper run --adopt                           # the same, and what is pending as well',
  ],
  settings: changeSettings,
  options: [{ flags: '--version <version>', help: 'take it over at this version, whose schema it has to have' }],
  run: async context => {
    const { baseline } = await import('../job/baseline.ts')
    const { version } = context.given
    return changeOutcome(
      await baseline({ ...changeOptions(context), ...(typeof version === 'string' ? { version } : {}) }),
    )
  },
})
