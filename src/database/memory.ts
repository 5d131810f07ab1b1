/**
 * An empty database in memory, for replaying migrations: in this process where they are SQL and soon done, in a child
 * where they run code, or may take so long that they have to be stopped.
 */
import type { Workspace } from './connection.ts'
import { NativeDatabase, workspaceOf } from './native.ts'

/** @param needs `scripts`: code is to run in it, or SQL that may take long */
export async function openMemory(needs: { readonly scripts: boolean }, signal?: AbortSignal): Promise<Workspace> {
  const location = ':memory:'
  if (!needs.scripts) return workspaceOf(new NativeDatabase({ location }))
  const { DatabaseProcess } = await import('./child-process.ts')
  return DatabaseProcess.open({ location }, signal)
}
