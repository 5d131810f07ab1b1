/** A repository that was made just now, for a database that has been backed up before: perhaps it is the wrong place. */
import type { Repository } from '../backup/repository.ts'
import type { Connection } from '../database/connection.ts'
import { readEvents } from '../migrations/bookkeeping.ts'
import type { Listener } from './events.ts'

/**
 * An unmounted volume and a mistyped prefix are as empty as the place of a first backup. They cannot be told apart, and
 * whoever moves to another bucket means it; so this warns, and the backup is made.
 */
export async function warnOfNewRepository(
  { made = false, store }: Repository,
  connection: Connection,
  listener: Listener,
): Promise<void> {
  if (!made) return
  const before = (await readEvents(connection)).find(({ backup_id }) => backup_id !== null)
  if (before === undefined) return
  listener({
    kind: 'warning',
    step: 'backup',
    message: `the repository ${store.url} is new, though this database was backed up before (${before.backup_id}): if that was not in another place, is a volume not mounted, or the bucket, prefix or folder wrong?`,
  })
}
