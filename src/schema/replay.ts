/** The schema that some work builds in an empty database. */
import type { Connection } from '../database/connection.ts'
import type { Schema } from './model.ts'
import { readSchema } from './read.ts'

/**
 * Opens a database in memory, has `apply` change it, and reads the schema that results. The database is closed in any
 * case; what `apply` throws is passed on.
 */
export async function replaySchema<C extends Connection>(
  openMemory: () => Promise<C>,
  apply: (connection: C) => Promise<void>,
): Promise<Schema> {
  const connection = await openMemory()
  let schema: Schema
  try {
    await apply(connection)
    schema = await readSchema(connection)
  } catch (error) {
    // The first error is the one that explains something.
    await connection.close().catch(() => {})
    throw error
  }
  await connection.close()
  return schema
}
