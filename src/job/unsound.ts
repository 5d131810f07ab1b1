/** A folder that is not sound: what does not fit the database is said with it, so that all of it is mended at once. */
import { realDatabasePath } from '../database/location.ts'
import { viewDatabase } from '../database/view.ts'
import { asTheyWere, historyProblems, levelOf, rowsAbove } from '../migrations/assess.ts'
import { readBookkeeping } from '../migrations/bookkeeping.ts'
import { UnsoundFolder } from '../migrations/load.ts'
import type { MigrationOptions } from './options.ts'

/** Never throws: a database that cannot be read now is judged once the folder is sound. */
export async function withHistory(
  error: UnsoundFolder,
  { database, signal, viewInProcess = false }: Pick<MigrationOptions, 'database' | 'signal' | 'viewInProcess'>,
): Promise<UnsoundFolder> {
  const { folder, problems, readable, versions } = error
  try {
    const viewed = await viewDatabase(
      await realDatabasePath(database),
      async connection => {
        const seen = { bookkeeping: await readBookkeeping(connection) }
        const newer = rowsAbove(seen, levelOf(versions)).map(({ version }) => version)
        return [...historyProblems(seen, readable, new Set([...undecided(error), ...newer]))]
      },
      { inProcess: viewInProcess, ...(signal === undefined ? {} : { signal }) },
    )
    if (!('value' in viewed) || viewed.value.length === 0) return error
    const hint = `Nothing was touched. Mend the files and run again. ${asTheyWere}`
    return new UnsoundFolder(folder, [...problems, ...viewed.value], readable, versions, hint)
  } catch {
    return error
  }
}

/** Versions whose file could not be read, or that two files have: nobody can say whether what was applied was edited. */
function undecided({ readable, versions }: UnsoundFolder): ReadonlySet<string> {
  const counts = new Map<string, number>()
  for (const { version } of readable) counts.set(version, (counts.get(version) ?? 0) + 1)
  return new Set([...versions].filter(version => counts.get(version) !== 1))
}
