/**
 * The sandbox: SQLite inside WebAssembly, for files that come from elsewhere. A hostile or corrupt file stays inside its
 * memory; the worker thread that runs it is ended when it takes too long or when the job stops.
 */
import { Worker } from 'node:worker_threads'
import { type Connection, SqliteError, type Value } from '../database/connection.ts'
import type { SandboxRequest, SandboxResponse } from './worker.ts'

/** Beside this file both in the sources and in the bundle. */
const program = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

const generalError = 1

/**
 * Opens a private copy, read-only. The file has to be in rollback mode and nobody else may have it open: the sandbox
 * takes no part in SQLite's locks (see `privateCopyToRollbackMode`).
 */
export async function openSandbox(path: string, signal?: AbortSignal): Promise<Connection> {
  signal?.throwIfAborted()
  const worker = new Worker(program)
  const waiting = new Map<number, { resolve(rows: readonly object[]): void; reject(error: unknown): void }>()
  let next = 0
  let gone: unknown
  const fail = (reason: unknown) => {
    gone ??= reason
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
  }
  const abort = () => {
    fail(signal?.reason)
    void worker.terminate()
  }
  signal?.addEventListener('abort', abort, { once: true })
  worker.on('error', error =>
    fail(new SqliteError(`the sandbox broke: ${error instanceof Error ? error.message : error}`, generalError)),
  )
  worker.on('exit', () => fail(new SqliteError('the sandbox has ended', generalError)))
  worker.on('message', (response: SandboxResponse) => {
    const request = waiting.get(response.id)
    waiting.delete(response.id)
    if ('error' in response) request?.reject(new SqliteError(response.error, generalError))
    else request?.resolve(response.rows)
  })
  const call = (operation: SandboxRequest['operation'], text: string, params: readonly Value[] = []) =>
    new Promise<readonly object[]>((resolve, reject) => {
      if (gone !== undefined) {
        reject(gone)
        return
      }
      const id = next++
      waiting.set(id, { resolve, reject })
      worker.postMessage({ id, operation, text, params } satisfies SandboxRequest)
    })
  const end = async () => {
    signal?.removeEventListener('abort', abort)
    await worker.terminate()
  }
  try {
    await call('open', path)
  } catch (error) {
    await end()
    throw error
  }
  return {
    all: async <T extends object>(sql: string, ...params: readonly Value[]) => (await call('all', sql, params)) as T[],
    exec: async sql => void (await call('exec', sql)),
    close: async () => {
      await call('close', '').catch(() => {})
      await end()
    },
  }
}
