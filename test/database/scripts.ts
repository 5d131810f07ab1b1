/** Migration modules of a test. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freshFolder } from '../support/folder.ts'

/** Writes a module to a folder of its own and returns its URL. */
export async function moduleFile(code: string, name = 'migration.ts'): Promise<string> {
  const path = join(await freshFolder(), name)
  await writeFile(path, code)
  return pathToFileURL(path).href
}
