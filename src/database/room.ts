/** How much still fits on the volume of a file. */
import { dirname } from 'node:path'
import { LockkeeperError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { fileSystemOf } from './files.ts'

/** Bytes that this user may still write there; undefined when it cannot be told. The file need not be there yet. */
export async function freeBytes(path: string): Promise<number | undefined> {
  const volume = await fileSystemOf(path)
    .catch(() => fileSystemOf(dirname(path)))
    .catch(() => undefined)
  return volume === undefined ? undefined : volume.bavail * volume.bsize
}

/** @throws LockkeeperError `io`, before anything is written, unless so many bytes fit in the folder */
export async function requireRoom(folder: string, bytes: number, what: string, hint: string): Promise<void> {
  const free = await freeBytes(folder)
  if (free === undefined || free >= bytes) return
  throw new LockkeeperError(
    'io',
    `${what} needs ${formatBytes(bytes)}, and ${formatBytes(free)} are free in ${folder}`,
    {
      hint,
      details: { path: folder, bytes, free },
    },
  )
}
