/** Places with a V1 data folder and a V2 database, and other programs' view of what came of them. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../environment/command.ts'
import { pythonWith } from '../environment/programs.ts'
import { expectOk, type Ran } from './cli.ts'
import { python } from './peers.ts'
import { fossaworkPlace, type Workplace } from './workplace.ts'

export type Sample = 'v1-app' | 'v1-flat'

/** Ada, Grace and Linus, in both samples. */
export const ids = [
  'ced3a8e8f101760f1721540c5df40602',
  '5ee40fa98dabd6e747962edcce2fca28',
  '0a3a1771debd644102ef51b3b5e4c524',
] as const

export const encryptionPassword = 'quote " and \\ and ünïcode ✓'

/** The folder of a sample. */
export function sampleFolder(sample: Sample): string {
  return fileURLToPath(new URL(`../fixtures/fossawork/${sample}`, import.meta.url))
}

export interface V1Place {
  readonly place: Workplace
  /** A copy of the sample, which a test may change. */
  readonly data: string
  importV1(...flags: string[]): Promise<Ran>
  /** Writes a file of the data folder; what is no text is written as JSON. */
  write(file: string, content: unknown): void
  remove(file: string): void
  /** Reads a JSON file of the data folder. */
  // biome-ignore lint/suspicious/noExplicitAny: V1's files have any shape.
  json(file: string): any
}

/** A database as `run` makes it. @param to the level; default: the newest */
export async function v1Place(sample: Sample = 'v1-app', to?: string): Promise<V1Place> {
  const place = fossaworkPlace()
  place.env['ENCRYPTION_PASSWORD'] = encryptionPassword
  expectOk(await place.run(['run', ...(to === undefined ? [] : ['--to', to])]))
  const data = join(place.folder, 'v1')
  cpSync(sampleFolder(sample), data, { recursive: true })
  return {
    place,
    data,
    importV1: (...flags) => place.run(['fossawork', 'import-v1', '--data', data, ...flags]),
    write: (file, content) => {
      mkdirSync(dirname(join(data, file)), { recursive: true })
      writeFileSync(join(data, file), typeof content === 'string' ? content : JSON.stringify(content))
    },
    remove: file => rmSync(join(data, file), { recursive: true }),
    json: file => JSON.parse(readFileSync(join(data, file), 'utf8')),
  }
}

export interface Reading {
  readonly expected: Readonly<Record<string, unknown[]>>
  readonly actual: Readonly<Record<string, unknown[]>>
}

/** The sample and the database as a Python program reads them, each table in an order of its own. */
export function readByPython(data: string, database: string): Reading {
  const script = readFileSync(new URL('./v1-reading.py', import.meta.url), 'utf8')
  return JSON.parse(python(script, [data, database]))
}

/** Runs a script in a Python that has the module, which the test environment has seen to. @returns what it printed */
export async function pythonUsing(module: string, script: string, args: readonly string[]): Promise<string> {
  const interpreter = await pythonWith(module)
  if (interpreter === undefined) throw new Error(`No Python on the path has ${module}.`)
  return run(interpreter, ['-c', script, ...args])
}
