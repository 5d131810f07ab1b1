/** What a restore writes about itself into the content that it brings back, before that takes its place. */
import { DatabaseProcess } from '../../database/child-process.ts'
import { explainSqliteError } from '../../database/explain.ts'
import { fileUri } from '../../database/location.ts'
import { type EventRow, eventsTable, readBookkeeping, recordEvent } from '../../migrations/bookkeeping.ts'
import { keepRestores, type RestoreRow } from '../../migrations/restores.ts'

export type RestoreEvent = Pick<
  EventRow,
  'started_at' | 'from_level' | 'to_level' | 'backup_id' | 'lockkeeper_version'
> &
  Pick<EventRow, 'host' | 'pod' | 'namespace' | 'node' | 'image' | 'job'>

/**
 * Records the restore in the private copy `copy`: in its history, where Lockkeeper keeps one there, and as one-shot
 * restores, those that the database knew of before and perhaps this one. Content that has no history, restored by a
 * person, stays what it was to the byte.
 */
export async function recordInCopy(
  copy: string,
  event: RestoreEvent,
  restores: readonly RestoreRow[],
  signal?: AbortSignal,
): Promise<void> {
  const child = await DatabaseProcess.open({ location: fileUri(copy, { mode: 'rw' }) }, signal)
  try {
    const { exists, fingerprint } = await readBookkeeping(child).catch(() => ({ exists: false, fingerprint: null }))
    const [events] = await child.all(`SELECT 1 FROM main.sqlite_schema WHERE name = '${eventsTable}'`)
    const history = exists && events !== undefined
    if (!history && restores.length === 0) return
    await child.exec('BEGIN IMMEDIATE')
    await keepRestores(child, restores)
    if (history)
      await recordEvent(child, {
        ...event,
        action: 'restore',
        outcome: 'ok',
        duration_ms: Math.max(0, Date.now() - Date.parse(event.started_at)),
        versions_json: '[]',
        error_message: null,
        // What it was validated as when it was backed up.
        schema_fingerprint: fingerprint,
      })
    await child.exec('COMMIT')
  } catch (error) {
    throw explainSqliteError(error, `the restore cannot be recorded in ${copy}`)
  } finally {
    await child.close()
  }
}
