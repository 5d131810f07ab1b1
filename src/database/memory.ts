/**
 * An empty database in memory, for replaying migrations: in this process where they are SQL and soon done, in a child
 * where they run code, or may take so long that they have to be stopped.
 */
import type { Workspace } from './connection.ts'
import { NativeDatabase, workspaceOf } from './native.ts'

export interface MemoryNeeds {
  /** Code is to run in it, or SQL that may take long. */
  readonly scripts: boolean
  /** See `OpenOptions`. */
  readonly doubleQuotedStrings?: boolean
}

export async function openMemory(
  { scripts, doubleQuotedStrings = false }: MemoryNeeds,
  signal?: AbortSignal,
): Promise<Workspace> {
  const options = { location: ':memory:', doubleQuotedStrings }
  if (!scripts) return workspaceOf(new NativeDatabase(options))
  const { DatabaseProcess } = await import('./child-process.ts')
  return DatabaseProcess.open(options, signal)
}
