/** Who may read and write the files of a database. */
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../errors.ts'
import type { Finding } from './findings.ts'

const writableByOthers = 0o002
const readableByOthers = 0o004
/** Only the owner of a file may rename or remove it there, as in /tmp. */
const sticky = 0o1000

/** By path, which leaves the locks of a process alone. @param database from `realDatabasePath` */
export async function fileAccess(database: string): Promise<Finding[]> {
  const main = await statOf(database)
  if (main === undefined) return []
  const findings: Finding[] = []
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    const file = database + suffix
    const info = await statOf(file)
    if (info === undefined) continue
    findings.push(...modeOf(file, info))
    if (info.uid !== main.uid || info.gid !== main.gid) findings.push(otherOwner(file, info, main))
  }
  const folder = dirname(database)
  const { mode } = await stat(folder)
  if (mode & writableByOthers && !(mode & sticky))
    findings.push(
      fail(
        `${folder} can be written by every user (mode ${octal(mode)}), who could put another file in the place of the database: chmod o-w`,
      ),
    )
  return findings
}

function modeOf(file: string, { mode }: Stats): Finding[] {
  if (mode & writableByOthers) return [fail(`${file} can be written by every user (mode ${octal(mode)}): chmod o-w`)]
  if (!(mode & readableByOthers)) return []
  return [
    {
      part: 'security',
      severity: 'warn',
      message: `${file} can be read by every user (mode ${octal(mode)}): chmod o-r`,
    },
  ]
}

/** SQLite gives them the owner of the database where it can; somebody else has opened it. */
function otherOwner(file: string, { gid, uid }: Stats, main: Stats): Finding {
  return fail(
    `${file} belongs to ${uid}:${gid} and the database to ${main.uid}:${main.gid}, whose programs may not be able to use it: chown ${main.uid}:${main.gid}`,
  )
}

function fail(message: string): Finding {
  return { part: 'security', severity: 'fail', message }
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8)
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}
