/** The schema that some work builds in an empty database. */
import type { Connection } from '../database/connection.ts'
import type { Schema } from './model.ts'
import { readSchema } from './read.ts'

/**
 * Opens a database in memory, has `apply` change it, and reads the schema that results. The database is closed in any
 * case; what `apply` throws is passed on.
 */
export function replaySchema<C extends Connection>(
  openMemory: () => Promise<C>,
  apply: (connection: C) => Promise<void>,
): Promise<Schema> {
  return replayAndRead(openMemory, apply, readSchema)
}

/** The same with something else that is read of it. */
export async function replayAndRead<C extends Connection, T>(
  openMemory: () => Promise<C>,
  apply: (connection: C) => Promise<void>,
  read: (connection: C) => Promise<T>,
): Promise<T> {
  const connection = await openMemory()
  let result: T
  try {
    await apply(connection)
    result = await read(connection)
  } catch (error) {
    // The first error is the one that explains something.
    await connection.close().catch(() => {})
    throw error
  }
  await connection.close()
  return result
}
