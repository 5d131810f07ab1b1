/** What a job is given and what it gives back. Plain data; the command line fills it from its settings, a program by hand. */
import type { FileSystemPolicy } from '../database/filesystem.ts'
import type { NewerPolicy } from '../migrations/assess.ts'
import type { Actor } from '../migrations/bookkeeping.ts'
import type { StoreOptions } from '../storage/open.ts'
import type { DriftOptions } from '../validation/drift.ts'
import type { Listener } from './events.ts'

export interface RepositorySettings {
  /** `file:///path` or `s3://bucket/prefix`. */
  readonly url: string
  readonly store?: StoreOptions
  /** Go on although the repository was made for a database of another name. Default false. */
  readonly allowOtherDatabase?: boolean
}

/** What every job on a live database needs. */
export interface JobOptions {
  /** Path of the database file. */
  readonly database: string
  /** Where the way back is kept. `none`: there is to be none, and that is meant; undefined: not said, an error once it is needed. */
  readonly repository: RepositorySettings | undefined
  /** Make no backup before a change. The repository, if there is one, still tells a first install from a loss. Default false. */
  readonly noBackup?: boolean
  /** Which file systems the database may be on. Default: those whose locks can be relied on. */
  readonly fileSystem?: FileSystemPolicy
  /** Milliseconds to wait for others to let go of the database. */
  readonly lockTimeout: number
  /** For temporary files; a restore needs room for a copy of the database there. Default: the system's. */
  readonly tmpdir?: string
  readonly actor: Actor
  readonly listener: Listener
  /** Takes secrets out of an error before it is recorded in the database. Default: there are none. */
  readonly redact?: (text: string) => string
  /** Ends the job at once, wherever it is; its reason is what the job rejects with. */
  readonly signal?: AbortSignal
  /** Look at the database in this very process; see `ViewOptions.inProcess`. Default false. */
  readonly viewInProcess?: boolean
}

/** What a job that follows migrations needs as well. */
export interface MigrationOptions extends JobOptions {
  /** Folder of the migrations. */
  readonly migrations: string
  readonly drift: DriftOptions
  readonly outOfOrder: 'fail' | 'allow'
  /** A database that a newer image has migrated; see `NewerPolicy`. Default fail. */
  readonly onNewerSchema?: NewerPolicy
}

/** A restore that a deploy begins with, once for each value. */
export interface OneShotRestore {
  /** Tells one from another. What is behind a `#` in it has no other meaning. */
  readonly value: string
  readonly selection: { readonly id: string } | { readonly at: Date }
}

export interface DeployOptions extends MigrationOptions {
  /** Begin with an empty database although the repository has backups of one. */
  readonly firstInstall: boolean
  /** Restore this first, unless it was done before. Not together with `firstInstall`. */
  readonly restoreOnce?: OneShotRestore | undefined
  /** What to do about a database that is missing although there are backups of it. Default fail. Not together with `firstInstall`. */
  readonly ifMissing?: 'fail' | 'restore'
  /** Take over a database without bookkeeping at the level that its schema equals. */
  readonly adopt: boolean
  /** Leave this version applied as the last one. */
  readonly to?: string
}

export interface RowChange {
  /** Null: the table was not there. */
  readonly before: number | null
  /** Null: the table is gone. */
  readonly after: number | null
}

export interface RanMigration {
  readonly version: string
  readonly direction: 'up' | 'down'
  readonly milliseconds: number
}

/** A restore that a deploy began with. */
export interface RestoredFirst {
  readonly backup: string
  /** The backup of what was there before it; null: nothing was. */
  readonly safety: string | null
}

export interface ChangeResult {
  /** `unchanged`: there was nothing to do, and nothing was touched. */
  readonly outcome: 'unchanged' | 'changed'
  readonly database: string
  /** What was restored before anything else; null: nothing. */
  readonly restored: RestoredFirst | null
  /** The highest applied version before and afterwards; null: none. */
  readonly from: string | null
  readonly level: string | null
  /** Versions that the database had already when it was taken over. */
  readonly adopted: readonly string[]
  /** What was run, up or down, in this order. */
  readonly versions: readonly RanMigration[]
  /** The backup of what was there before; null: nothing was there, or none was wanted. */
  readonly backup: string | null
  readonly repository: string | null
  readonly warnings: readonly string[]
  /** Tables whose number of rows changed, or that came or went. */
  readonly rows: Readonly<Record<string, RowChange>>
}

/** For results and messages; null: there is none. */
export function urlOf(repository: MigrationOptions['repository']): string | null {
  return repository?.url ?? null
}
