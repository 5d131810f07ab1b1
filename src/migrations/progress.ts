/**
 * How far a migration has come that commits by itself (`transaction: off`). It stands in the row of its version, from
 * before its first statement until it is done, so that the next run goes on where this one was stopped, and checks at the
 * end what it would have checked without the stop.
 */
import type { MigrationRow } from './bookkeeping.ts'

/** What the row of a migration says that has begun and not ended. */
export interface Progress {
  readonly direction: 'up' | 'down'
  /** ISO 8601, UTC. */
  readonly begunAt: string
  /** The backup that was made before it began. */
  readonly backup: string | null
  /** So many of its statements have run and are committed. Of a module nobody can tell: 0. */
  readonly done: number
  /** SHA-256 (hex) over those statements, to know them again. */
  readonly prefix: string
  /** Rows by table before it began. */
  readonly rows: Readonly<Record<string, number>>
  /** The counters of AUTOINCREMENT before it began. */
  readonly counters: Readonly<Record<string, string>>
  /** Nothing was wrong with the database before it began: whatever is wrong at the end is its doing. */
  readonly sound: boolean
  /** Of a down. */
  readonly free?: FreeRows
}

/** Rows that a down may take away, as they were before it began. */
export interface FreeRows {
  /** By folded name of the table. */
  readonly intact: Readonly<Record<string, Intact>>
  /** So many entries of Lockkeeper's own in an audit trail. */
  readonly auditEntries: number
}

/** Rows of a table that a migration had put in and that are as it did. */
export interface Intact {
  /** What tells the rows of the table apart: its key or, without one, all that they hold. Folded. */
  readonly by: readonly string[]
  readonly keys: readonly string[]
}

/** Of a row whose migration was begun and has not ended. */
export function progressOf(row: Pick<MigrationRow, 'metadata_json'> | undefined): Progress | undefined {
  const metadata = JSON.parse(row?.metadata_json ?? 'null') as { readonly progress?: Progress } | null
  return metadata?.progress
}

/** The same metadata, of one that has ended. */
export function withoutProgress(metadata_json: string | null): string | null {
  const { progress, ...rest } = JSON.parse(metadata_json ?? '{}') as { readonly progress?: Progress }
  return Object.keys(rest).length === 0 ? null : JSON.stringify(rest)
}
