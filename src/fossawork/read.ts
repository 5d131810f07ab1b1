/** A V1 data folder as rows for V2. All of it is read and checked, and what is wrong is told at once. */
import { LockkeeperError } from '../errors.ts'
import { readCredentials } from './credentials.ts'
import { readDispensers } from './dispensers.ts'
import { readFiles, type V1Files } from './files.ts'
import { readActivities, readBatches, readChanges, readCompletedJobs } from './histories.ts'
import { Report } from './report.ts'
import type { NewRow, V1User } from './rows.ts'
import { readScheduleChanges } from './schedule-changes.ts'
import { credentialCells, type Encryption } from './secrets.ts'
import { readPreferences, readProvers, readSettings } from './settings.ts'
import { readTutorial } from './tutorial.ts'
import { readUsers, type Users } from './users.ts'
import { readWorkOrders } from './work-orders.ts'

export interface V1Data {
  /** Those that others refer to come first. Secrets are in them only as cells that are made when a row is new. */
  readonly rows: readonly NewRow[]
  readonly users: number
  /** What is not imported, or not as it stands. */
  readonly warnings: readonly string[]
}

/** @throws LockkeeperError `missing` for the folder, `invalid` with a list of everything that is wrong in it */
export async function readV1(folder: string, encryption: Encryption): Promise<V1Data> {
  try {
    return await read(folder, encryption)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new LockkeeperError('invalid', `a file in ${folder} is nested too deeply to be read`, {
      hint: 'Nothing was touched. V1 nests a few levels: find the file that somebody else has written, and mend or remove it.',
      cause: error,
    })
  }
}

async function read(folder: string, encryption: Encryption): Promise<V1Data> {
  const report = new Report()
  const files = await readFiles(folder, report)
  const users = readUsers(files)
  refuseUnknownFolders(files, users)
  const ids = new Set(users.rows.keys())
  const rows: NewRow[] = [...users.rows.values(), ...readSettings(files, ids), ...readTutorial(files, users.tutorial)]
  const credential = credentialCells(encryption)
  for (const [id, email] of users.emails) {
    if (!files.folders.includes(id)) files.place(`users/${id}`).warn('is not there: only the user is imported')
    rows.push(...rowsOf({ id, email, files, credential }))
  }
  report.refuse(folder)
  return { rows, users: ids.size, warnings: report.warnings }
}

function rowsOf(user: V1User): NewRow[] {
  const workOrders = readWorkOrders(user)
  return [
    ...readPreferences(user),
    ...readProvers(user),
    ...readCredentials(user),
    ...readActivities(user),
    ...workOrders.rows,
    ...readDispensers(user, workOrders.numbers),
    ...readCompletedJobs(user),
    ...readBatches(user),
    ...readChanges(user),
    ...readScheduleChanges(user),
  ]
}

function refuseUnknownFolders(files: V1Files, { named, tutorialId }: Users): void {
  if (tutorialId !== undefined && tutorialId !== 'tutorial' && files.folders.includes(tutorialId))
    files
      .place(`users/${tutorialId}`)
      .problem('is the folder of the tutorial entry under its id', 'Name it users/tutorial, or move it away')
  for (const name of files.folders)
    if (name !== 'tutorial' && !named.has(name))
      files
        .place(`users/${name}`)
        .problem('is the folder of nobody in users.json', 'Add that user to users.json, or move the folder away')
}
