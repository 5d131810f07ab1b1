/** The journal mode that the header of a database names; see `header.ts`. */
import { open } from 'node:fs/promises'
import type { JournalMode } from './header.ts'

/** Where the header has it, twice: for writing and for reading (https://www.sqlite.org/fileformat2.html). */
const position = 18

/**
 * Makes a database say that it is in this mode. Only for a private copy that nobody has open and that has no log: to
 * SQLite it then is in that mode.
 */
export async function setHeaderMode(path: string, mode: JournalMode): Promise<void> {
  const version = mode === 'wal' ? 2 : 1
  const file = await open(path, 'r+')
  try {
    await file.write(Buffer.from([version, version]), 0, 2, position)
  } finally {
    await file.close()
  }
}
