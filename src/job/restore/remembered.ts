/** Whether a one-shot restore was done, by what the database says. All that a run with nothing to do needs to know of it. */
import { viewDatabase } from '../../database/view.ts'
import { LockkeeperError } from '../../errors.ts'
import { type RestoreRow, readRestores } from '../../migrations/restores.ts'
import type { DeployOptions } from '../options.ts'

/** `unknown` where only a job that may write can look, or nobody: beside a writer, after one that was killed, a damaged file. */
export async function rememberedRestore(
  { database, signal, viewInProcess = false }: DeployOptions,
  value: string,
): Promise<RestoreRow | 'unknown' | undefined> {
  const view = { inProcess: viewInProcess, ...(signal === undefined ? {} : { signal }) }
  try {
    const viewed = await viewDatabase(database, readRestores, view)
    return 'value' in viewed ? viewed.value.find(row => row.value === value) : undefined
  } catch (error) {
    if (error instanceof LockkeeperError && ['busy', 'invalid'].includes(error.code)) return 'unknown'
    throw error
  }
}

export function sayDone({ listener }: DeployOptions, { backup_id, restored_at, value }: RestoreRow): void {
  const message = `${value} was restored before (${backup_id} at ${restored_at}), and is not again`
  listener({ kind: 'note', step: 'restore', message })
}
