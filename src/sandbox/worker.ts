/**
 * The worker thread of the sandbox. node-sqlite3-wasm takes no part in SQLite's file locks and does not recover from
 * crashes, so it only ever opens private copies in rollback mode that nothing else touches; see `sandbox.ts`.
 */
import { parentPort } from 'node:worker_threads'
import sqlite from 'node-sqlite3-wasm'

export interface SandboxRequest {
  readonly id: number
  readonly operation: 'open' | 'all' | 'exec' | 'close'
  readonly text: string
  readonly params: readonly unknown[]
}

export type SandboxResponse =
  | { readonly id: number; readonly rows: readonly object[] }
  | { readonly id: number; readonly error: string }

let database: InstanceType<typeof sqlite.Database> | undefined

parentPort?.on('message', ({ id, operation, text, params }: SandboxRequest) => {
  parentPort?.postMessage(answer(id, () => perform(operation, text, params)))
})

function answer(id: number, work: () => readonly object[]): SandboxResponse {
  try {
    return { id, rows: work() }
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) }
  }
}

function perform(operation: SandboxRequest['operation'], text: string, params: readonly unknown[]): readonly object[] {
  if (operation === 'open') {
    database = new sqlite.Database(text, { readOnly: true, fileMustExist: true })
    return []
  }
  if (database === undefined) throw new Error('no database is open')
  if (operation === 'all') return withoutBigInts(database.all(text, params as never) as object[])
  if (operation === 'exec') database.exec(text)
  else database.close()
  return []
}

/** As node:sqlite does: what a number cannot hold is an error, not another type. */
function withoutBigInts(rows: readonly object[]): readonly object[] {
  for (const row of rows)
    for (const value of Object.values(row))
      if (typeof value === 'bigint')
        throw new Error(`Value is too large to be represented as a JavaScript number: ${value}`)
  return rows
}
