/** An empty database in memory, for replaying migrations: in this process where they are SQL, in a child where they run code. */
import type { Workspace } from './connection.ts'
import { NativeDatabase, workspaceOf } from './native.ts'

export async function openMemory(needs: { readonly scripts: boolean }, signal?: AbortSignal): Promise<Workspace> {
  const location = ':memory:'
  if (!needs.scripts) return workspaceOf(new NativeDatabase({ location }))
  const { DatabaseProcess } = await import('./child-process.ts')
  return DatabaseProcess.open({ location }, signal)
}
