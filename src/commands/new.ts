import { LockkeeperError } from '../errors.ts'
import { command } from './command.ts'
import { migrationsFolder } from './from-config.ts'

export const newCommand = command({
  name: 'new',
  summary: 'Write an empty migration into the folder, named like the others.',
  examples: ['lockkeeper new "add phone numbers"      # migrations/v007_add_phone_numbers.sql'],
  settings: ['migrations'],
  argument: { name: 'name', help: 'what it does' },
  run: async ({ config, given: { name } }) => {
    if (typeof name !== 'string')
      throw new LockkeeperError('usage', 'new takes a name', { hint: 'lockkeeper new "add phone numbers"' })
    const { newMigration } = await import('../migrations/new.ts')
    const result = newMigration(migrationsFolder(config), name, new Date())
    return {
      sentence: `${result.file} is there to be filled.`,
      text: result.file,
      document: result,
      facts: { ...result },
    }
  },
})
