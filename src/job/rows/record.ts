/** What a job that changes rows writes into the history, inside its own transaction. */
import type { Workspace } from '../../database/connection.ts'
import { levelOf } from '../../migrations/assess.ts'
import { recordAudit } from '../../migrations/audit.ts'
import { appliedVersions, type Bookkeeping, createBookkeeping, recordEvent } from '../../migrations/bookkeeping.ts'
import { lockkeeperVersion } from '../../version.ts'
import type { JobOptions } from '../options.ts'

export interface Done {
  readonly action: 'import' | 'encrypt'
  /** Rows by table. */
  readonly amounts: ReadonlyMap<string, number>
  readonly backup: string | null
  readonly startedAt: Date
}

export async function recordRows(
  db: Workspace,
  { actor, listener }: JobOptions,
  { fingerprint, rows, table }: Bookkeeping,
  { action, amounts, backup, startedAt }: Done,
): Promise<void> {
  const level = levelOf(appliedVersions(rows))
  await createBookkeeping(db, table)
  const entries = [...amounts].map(([name, count]) => ({
    version: null,
    action,
    table: name,
    changes: { rows: count, backup },
  }))
  const refused = await recordAudit(db, entries)
  if (refused !== undefined)
    listener({ kind: 'warning', step: 'commit', message: `nothing was written to audit_trail: ${refused}` })
  await recordEvent(db, {
    action,
    outcome: 'ok',
    started_at: startedAt.toISOString(),
    duration_ms: Date.now() - startedAt.getTime(),
    from_level: level,
    to_level: level,
    versions_json: '[]',
    backup_id: backup,
    error_message: null,
    // The schema is as it was; whether it was as validated, the next run finds as it would have without this one.
    schema_fingerprint: fingerprint,
    lockkeeper_version: lockkeeperVersion,
    ...actor,
  })
}
