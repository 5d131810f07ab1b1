/** The first step: what there is to go by, read and checked before anything is touched. */
import { realpath } from 'node:fs/promises'
import { explainSystemError, systemCode } from '../errors.ts'
import { loadMigrations } from '../migrations/load.ts'
import { step } from './events.ts'
import type { MigrationOptions } from './options.ts'

export function readMigrations({ listener, migrations }: Pick<MigrationOptions, 'listener' | 'migrations'>) {
  return step(listener, 'read', async () => {
    const value = await loadMigrations(migrations)
    return { message: `${value.length} migrations in ${migrations}, up to ${value.at(-1)?.version}`, value }
  })
}

/**
 * The file behind symbolic links: SQLite keeps journal and log beside that one.
 * @throws LockkeeperError for a path that leads nowhere
 */
export async function realDatabasePath(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return path
    throw explainSystemError(error, 'cannot look at the database', 'Is DATABASE_URL right, and the volume mounted?')
  }
}
