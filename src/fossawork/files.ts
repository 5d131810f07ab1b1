/** The files of a V1 data folder: all are read before anything is made of them. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { explainSystemError, LockkeeperError, messageOf } from '../errors.ts'
import { isList, isObject, type Json, readJson } from './json.ts'
import { Place, type Report } from './report.ts'

/** The files that a user's folder may have. */
export const userFiles = [
  'activity_log.json',
  'batch_history.json',
  'change_history.json',
  'completed_jobs.json',
  'dispenser_store.json',
  'email_settings.json',
  'notification_settings.json',
  'prover_preferences.json',
  'pushover_settings.json',
  'schedule_changes.txt',
  'scraped_content.json',
  'work_fossa_credentials.json',
  'work_week_preference.json',
] as const
export type UserFile = (typeof userFiles)[number]

export const tutorialFolder = 'users/tutorial'

export class V1Files {
  readonly #bytes: Map<string, Uint8Array>
  readonly #parsed = new Map<string, ReturnType<typeof readJson>>()
  readonly #report: Report
  /** The names of the folders in `users/`. */
  readonly folders: readonly string[]

  constructor(bytes: Map<string, Uint8Array>, folders: readonly string[], report: Report) {
    this.#bytes = bytes
    this.folders = folders
    this.#report = report
  }

  place(file: string): Place {
    return new Place(this.#report, file)
  }

  has(file: string): boolean {
    return this.#bytes.has(file)
  }

  /** Of a file that is no JSON. */
  bytes(file: string): Uint8Array | undefined {
    return this.#bytes.get(file)
  }

  /** The names of the files in a folder. */
  in(folder: string): string[] {
    return [...this.#bytes.keys()]
      .filter(file => file.startsWith(`${folder}/`))
      .map(file => file.slice(folder.length + 1))
  }

  /** Undefined where it is not there, or wrong, which is reported. */
  json(file: string): Json | undefined {
    const bytes = this.#bytes.get(file)
    if (bytes === undefined) return undefined
    const read = this.#parsed.get(file) ?? readJson(bytes)
    this.#parsed.set(file, read)
    // They may be many, and are not needed any more.
    this.#bytes.set(file, new Uint8Array())
    if ('value' in read) return read.value
    this.place(file).problem(read.wrong, 'Mend it, or move the file away if it is not needed')
    return undefined
  }

  /** The same for a list, which may stand in an object under one of these names. */
  list(file: string, ...names: readonly string[]): readonly Json[] {
    const value = this.json(file)
    if (value === undefined) return []
    if (isList(value)) return value
    const found = isObject(value) ? names.filter(each => isList(value[each])) : []
    const [name, other] = found
    if (isObject(value) && other !== undefined)
      this.place(file).problem(`has both ${name} and ${other}`, 'Leave only the right one')
    if (!isObject(value) || name === undefined) {
      this.place(file).problem(`is neither a list nor an object with a list ${names[0]}`, 'Is it the right file?')
      return []
    }
    return value[name] as readonly Json[]
  }

  /** What stands beside the list in its object, and has no place in V2. */
  warnBeside(file: string, ...names: readonly string[]): void {
    const value = this.json(file)
    if (!isObject(value)) return
    for (const [name, beside] of Object.entries(value))
      if (!names.includes(name) && !(typeof beside === 'object' && Object.keys(beside ?? {}).length === 0))
        this.place(file).warn(`${name} has no place in V2 and is left out`)
  }
}

/** @throws LockkeeperError `missing` where there is no such folder, or no V1 data in it */
export async function readFiles(folder: string, report: Report): Promise<V1Files> {
  if (!(await isFolder(folder)))
    throw new LockkeeperError('missing', `${folder} is not a folder`, {
      hint: 'Name the V1 data folder, the one with settings.json and users/: --data DIR',
    })
  const bytes = new Map<string, Uint8Array>()
  const folders: string[] = []
  const read = async (file: string) => {
    try {
      const path = join(folder, file)
      // A pipe would be waited for.
      if ((await stat(path)).isFile()) bytes.set(file, await readFile(path))
      else report.problem(file, 'is no regular file', 'Put a file there, or move it away')
    } catch (error) {
      report.problem(file, `cannot be read: ${messageOf(error)}`, 'Let Lockkeeper read it')
    }
  }
  for (const name of await namesIn(folder)) {
    if (name === 'settings.json') await read(name)
    else if (name !== 'users') report.warn(name, 'no part of V1 that is known; it is left out')
  }
  if (!(await isFolder(join(folder, 'users'))))
    throw new LockkeeperError('missing', `${folder} has no folder users`, {
      hint: 'Name the V1 data folder, the one with settings.json and users/: --data DIR',
    })
  for (const name of await namesIn(join(folder, 'users'))) {
    const path = `users/${name}`
    if (await isFolder(join(folder, path))) folders.push(name)
    else if (name === 'users.json') await read(path)
    else report.warn(path, 'no part of V1 that is known; it is left out')
  }
  for (const name of folders)
    for (const file of await namesIn(join(folder, 'users', name))) {
      const path = `users/${name}/${file}`
      const known = (userFiles as readonly string[]).includes(file)
      if (known || (name === 'tutorial' && file.endsWith('.json'))) await read(path)
      else report.warn(path, 'no part of V1 that is known; it is left out')
    }
  return new V1Files(bytes, folders, report)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    throw explainSystemError(error, `cannot read ${folder}`)
  }
}
