/** Backups as retention sees them, without a repository. */

import { backupId } from '../../src/backup/format.ts'
import type { Circumstances, RetentionFacts, RetentionPolicy } from '../../src/backup/retention.ts'

export const hour = 60 * 60 * 1000
export const day = 24 * hour

/** No rule at all. */
export const nothing: RetentionPolicy = {
  keepLast: 0,
  keepDaily: 0,
  keepWeekly: 0,
  keepMonthly: 0,
  keepYearly: 0,
  keepWithin: 0,
  keepPreMigration: 0,
  keepPreRestore: 0,
}

/** A good backup that was not verified, at level v1, unless told otherwise. */
export function factsOf(
  sequence: number,
  at: string | number,
  changes: Partial<Omit<RetentionFacts, 'id' | 'sequence' | 'createdAt'>> = {},
): RetentionFacts {
  const createdAt = new Date(at).getTime()
  const known = {
    tiers: ['daily'] as const,
    level: 'v1',
    flaw: undefined,
    verified: false,
    pinned: false,
    ...changes,
  }
  const id = backupId({ sequence, createdAt: new Date(createdAt), tiers: known.tiers, level: known.level })
  return { ...known, id, sequence, createdAt }
}

/** So long after everything that no job relies on anything any more. */
export const later: Circumstances = { now: Date.parse('2100-01-01'), timeZone: 'UTC', unreadable: [] }
