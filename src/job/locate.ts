/** The database of a job: the file behind its path, on a file system whose locks hold. */
import { refuseUnreliable } from '../database/filesystem.ts'
import { realDatabasePath } from '../database/location.ts'
import type { JobOptions } from './options.ts'

/** @throws LockkeeperError as `realDatabasePath` and `refuseUnreliable` */
export async function locate({ database, fileSystem }: Pick<JobOptions, 'database' | 'fileSystem'>): Promise<string> {
  const file = await realDatabasePath(database)
  await refuseUnreliable(file, fileSystem)
  return file
}
