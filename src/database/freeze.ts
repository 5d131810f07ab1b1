/**
 * Holding the main file of a database in WAL mode still while others write, so that its bytes are one consistent state.
 *
 * A reader begins, and then a checkpoint copies everything that is in the log into the main file. A checkpoint never
 * writes what is newer than a reader's state, nor may the log begin anew beside one that uses it
 * (https://www.sqlite.org/wal.html#concurrency). So if the checkpoint found nothing in the log that it could not copy, the
 * main file is the reader's state, and stays so as long as the reader does. Writers are not held up, for nobody takes
 * their lock: they go on in the log, which grows meanwhile. The other way round, first the checkpoint and then the reader,
 * a commit in between would let the next checkpoint write to the file.
 */
import { NativeDatabase } from './native.ts'

interface Checkpoint {
  readonly busy: number
  /** Frames in the log, and how many of them are in the main file; -1 where there is no log. */
  readonly log: number
  readonly checkpointed: number
}

/** In one go: a writer that never pauses lets about every second one through. */
const attempts = 20

/**
 * A few attempts.
 * @returns the reader, which keeps the file as it is until it is closed; undefined when it did not come to that
 * @throws SqliteError when the database may not be written, among other things
 */
export function freeze(location: string): NativeDatabase | undefined {
  const reader = new NativeDatabase({ location })
  const other = new NativeDatabase({ location })
  let still = false
  try {
    for (let attempt = 0; attempt < attempts && !still; attempt++) {
      if (attempt > 0) reader.exec('ROLLBACK')
      reader.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
      const [result] = other.all('PRAGMA wal_checkpoint(PASSIVE)', []) as unknown as Checkpoint[]
      still = result !== undefined && result.busy === 0 && result.log >= 0 && result.checkpointed === result.log
    }
    return still ? reader : undefined
  } finally {
    other.close()
    if (!still) reader.close()
  }
}
