/** Whether a repository has room for what is about to be stored in it. */
import { LockkeeperError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import type { ChunkedFile } from './chunks.ts'
import type { Repository } from './repository.ts'

/** Chunks that are compressed on trial. */
const samples = 8
/** What is left when they are is typical, and no more than that: refused is only what is far too much. */
const caution = 0.5

/**
 * Estimates from a few chunks how much all of them will take.
 * @throws LockkeeperError `io` when that is far more than what is free; nothing has been stored then
 */
export async function requireRoom(
  { store }: Repository,
  file: ChunkedFile,
  chunks: readonly (readonly [sha256: string, position: number])[],
): Promise<void> {
  const free = await store.freeBytes()
  if (free === undefined) return
  const positions = chunks.map(([, position]) => position)
  const plain = bytesOf(file, positions)
  // Mostly there is plenty.
  if (plain <= free) return
  const sample = positions.filter((_, index) => index % Math.ceil(positions.length / samples) === 0)
  const ratio = (await file.compressedBytes(sample)) / bytesOf(file, sample)
  const needed = Math.round(plain * ratio)
  if (needed * caution <= free) return
  throw new LockkeeperError(
    'io',
    `there is no room in ${store.url} for this backup: it takes about ${formatBytes(needed)} there, and ${formatBytes(free)} are free`,
    {
      hint: 'Nothing was stored. Make room on the volume of the repository, or make it larger; lockkeeper prune removes backups that the retention policy no longer keeps.',
      details: { repository: store.url, needed, free },
    },
  )
}

function bytesOf(file: ChunkedFile, positions: readonly number[]): number {
  return positions.reduce((sum, position) => sum + file.lengthAt(position), 0)
}
