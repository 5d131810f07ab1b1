/** The first step: what there is to go by, read and checked before anything is touched. */
import { loadMigrations } from '../migrations/load.ts'
import { step } from './events.ts'
import type { MigrationOptions } from './options.ts'

export function readMigrations({ listener, migrations }: Pick<MigrationOptions, 'listener' | 'migrations'>) {
  return step(listener, 'read', async () => {
    const value = await loadMigrations(migrations)
    const count = value.length === 1 ? '1 migration' : `${value.length} migrations`
    return { message: `${count} in ${migrations}, up to ${value.at(-1)?.version}`, value }
  })
}
