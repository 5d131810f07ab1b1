/** Whether there is room for what a change needs, said before it is needed, and with the numbers. */
import { tmpdir as usualTmpdir } from 'node:os'
import { dirname } from 'node:path'
import type { Presence } from '../database/location.ts'
import { freeBytes, requireRoom } from '../database/room.ts'
import { LockkeeperError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import type { JobOptions } from './options.ts'

/** Pages that the smallest change writes to the journal and to the file: its own record, in tables and indexes. */
const fewestPages = 16
const usualPageSize = 4096
const beside = 64 * 1024

/**
 * What a migration will write is known only when it has run; so this refuses what cannot go well, and warns of what may not.
 * @throws LockkeeperError `io` when not even the record of a change fits on the volume of the database
 */
export async function requireRoomForChange(
  { database, listener }: Pick<JobOptions, 'database' | 'listener'>,
  presence: Presence,
): Promise<void> {
  const pageSize = presence.kind === 'database' ? presence.header.pageSize : usualPageSize
  const hint = 'Nothing was touched. Make room on the volume of the database, or make it larger, and run again.'
  await requireRoom(dirname(database), fewestPages * pageSize + beside, `a change of ${database}`, hint)
  const free = await freeBytes(database)
  if (presence.kind !== 'database' || free === undefined || free >= presence.bytes) return
  listener({
    kind: 'warning',
    step: 'lock',
    message: `${formatBytes(free)} are free beside ${database}, which has ${formatBytes(presence.bytes)}: too little for a migration that rewrites all of it, which needs as much again`,
  })
}

/** SQLITE_FULL */
const full = 13

/** Says with a full disk how much is free where. */
export async function explainingFull<T>(
  { database, tmpdir = usualTmpdir() }: Pick<JobOptions, 'database' | 'tmpdir'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LockkeeperError) || error.details['sqlite'] !== full) throw error
    const places = [dirname(database), tmpdir]
    const rooms = await Promise.all(
      places.map(async place => `${formatBytes((await freeBytes(place)) ?? 0)} in ${place}`),
    )
    throw new LockkeeperError('io', `${error.message}; free now: ${rooms.join(', ')}`, {
      hint: `Everything was rolled back. Make room beside the database, where its journal or log grows by what a migration changes, or in the temporary folder, where SQLite sorts for new indexes (LOCKKEEPER_TMPDIR names another), and run again.`,
      cause: error,
      details: error.details,
    })
  }
}
