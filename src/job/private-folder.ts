/**
 * A folder in the temporary directory that nobody else can look into. It is removed afterwards; what a killed job left
 * there, the next one removes.
 *
 * Whether a folder is in use says a lock that the kernel holds on a file in it, and lets go of when the process dies:
 * process ids mean nothing between containers that share a volume.
 */
import { lstat, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { refuseUnreliable } from '../database/filesystem.ts'
import { fileUri } from '../database/location.ts'
import { NativeDatabase } from '../database/native.ts'
import { explainSystemError } from '../errors.ts'

const prefix = 'lockkeeper-job-'
const markName = '.in-use'
/** Without a journal in memory there would be one beside the file. */
const takeMark = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'

/**
 * Calls `work` with a folder of mode 0700.
 * @throws LockkeeperError `denied`, `io`, `missing` when it cannot be made; whatever `work` throws
 */
export async function inPrivateFolder<T>(tmpdir: string, work: (folder: string) => Promise<T>): Promise<T> {
  await sweep(tmpdir).catch(() => {})
  const folder = await make(tmpdir).catch((error: unknown) => {
    throw explainSystemError(
      error,
      `cannot make a private folder in ${tmpdir}`,
      'Name a folder with room for a copy of the database: LOCKKEEPER_TMPDIR.',
    )
  })
  const mark = await markInUse(folder)
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
    mark?.close()
  }
}

function make(tmpdir: string): Promise<string> {
  return mkdtemp(join(tmpdir, prefix))
}

/** Undefined where that cannot be done, on a full disk say: then nobody will remove the folder of a killed job. */
async function markInUse(folder: string): Promise<NativeDatabase | undefined> {
  const making = join(folder, `${markName}-making`)
  try {
    const mark = new NativeDatabase({ location: fileUri(making), first: takeMark })
    // Whoever finds it under its name finds it locked.
    await rename(making, join(folder, markName))
    return mark
  } catch {
    return undefined
  }
}

/** Removes the folders that jobs of this user left which do not live any more. */
async function sweep(tmpdir: string): Promise<void> {
  // Where locks are not to be trusted, nobody can be known to be dead.
  await refuseUnreliable(tmpdir)
  for (const name of await readdir(tmpdir)) {
    if (!name.startsWith(prefix)) continue
    const folder = join(tmpdir, name)
    const info = await lstat(folder).catch(() => undefined)
    if (info?.isDirectory() !== true || info.uid !== process.getuid?.()) continue
    await removeIfDead(folder).catch(() => {})
  }
}

async function removeIfDead(folder: string): Promise<void> {
  const mark = new NativeDatabase({ location: fileUri(join(folder, markName), { mode: 'rw' }), first: takeMark })
  try {
    await rm(folder, { recursive: true, force: true })
  } finally {
    mark.close()
  }
}
