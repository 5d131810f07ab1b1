/** The first step: what there is to go by, read and checked before anything is touched. */
import { loadMigrations, UnsoundFolder } from '../migrations/load.ts'
import type { Migration } from '../migrations/model.ts'
import { counted } from '../units.ts'
import { step } from './events.ts'
import type { MigrationOptions } from './options.ts'

type Asked = Pick<MigrationOptions, 'database' | 'migrations' | 'signal' | 'viewInProcess'>

export function readMigrations(options: Asked & Pick<MigrationOptions, 'listener'>): Promise<readonly Migration[]> {
  const { listener, migrations } = options
  return step(listener, 'read', async () => {
    const value = await migrationsOf(options)
    return { message: `${counted(value.length, 'migration')} in ${migrations}, up to ${value.at(-1)?.version}`, value }
  })
}

/**
 * The migrations of the folder.
 * @throws LockkeeperError as `loadMigrations`; where the folder is not sound, with what does not fit the database as well
 */
export async function migrationsOf(options: Asked): Promise<readonly Migration[]> {
  try {
    return await loadMigrations(options.migrations, options.signal)
  } catch (error) {
    if (!(error instanceof UnsoundFolder)) throw error
    const { withHistory } = await import('./unsound.ts')
    throw await withHistory(error, options)
  }
}
