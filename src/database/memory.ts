/** An empty database in memory, for replaying migrations: in this process where they are SQL, in a child where they run code. */
import { DatabaseProcess } from './child-process.ts'
import type { Workspace } from './connection.ts'
import { NativeDatabase, workspaceOf } from './native.ts'

export async function openMemory(needs: { readonly scripts: boolean }, signal?: AbortSignal): Promise<Workspace> {
  const location = ':memory:'
  return needs.scripts ? DatabaseProcess.open({ location }, signal) : workspaceOf(new NativeDatabase({ location }))
}
