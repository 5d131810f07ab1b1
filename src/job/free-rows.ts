/**
 * Rows that a down may take away without a permission: those that its up had put in and that are as it did, and what
 * Lockkeeper wrote about itself. What they are is found before it begins; one that commits by itself keeps that with its
 * progress, so that a stop in the middle makes no difference.
 */
import type { Connection } from '../database/connection.ts'
import { countAuditEntries } from '../migrations/audit.ts'
import type { FreeRows } from '../migrations/progress.ts'
import { countGone, intactOwnRows, type OwnRows } from './own-rows.ts'

export async function findFreeRows(db: Connection, own: OwnRows): Promise<FreeRows> {
  return { intact: Object.fromEntries(await intactOwnRows(db, own)), auditEntries: await countAuditEntries(db) }
}

/** How many of them are gone, by folded name of the table. */
export async function countFreed(
  db: Connection,
  { auditEntries, intact }: FreeRows,
): Promise<ReadonlyMap<string, number>> {
  const gone = new Map(await countGone(db, new Map(Object.entries(intact))))
  const written = auditEntries - (await countAuditEntries(db))
  if (written > 0) gone.set('audit_trail', (gone.get('audit_trail') ?? 0) + written)
  return gone
}
