/** A folder of migrations for one test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { LockkeeperError } from '../../src/errors.ts'
import { loadMigrations } from '../../src/migrations/load.ts'

/** Writes the files, by name; removed when the test ends. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-migrations-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

/** An SQL migration with these two parts. */
export function sql(up: string, down?: string, header = ''): string {
  return `${header}-- migrate:up\n${up}\n${down === undefined ? '' : `-- migrate:down\n${down}\n`}`
}

export function load(files: Readonly<Record<string, string | Uint8Array>>) {
  return loadMigrations(folderOf(files))
}

/** What is wrong with the files, without the folder. */
export async function problemsOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<string[]> {
  const folder = folderOf(files)
  const error: unknown = await loadMigrations(folder).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(LockkeeperError)
  if (!(error instanceof LockkeeperError)) return []
  expect(error.code).toBe('invalid')
  return (error.details['problems'] as string[]).map(problem => problem.replaceAll(`${folder}/`, ''))
}
