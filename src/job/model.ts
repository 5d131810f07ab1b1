/** A change of the database as data: what is to be run in one transaction, and what came of it. */
import type { Runnable } from '../migrations/apply.ts'
import type { Actor, MigrationRow } from '../migrations/bookkeeping.ts'
import type { ApplicationCheck } from '../migrations/checks.ts'
import type { Progress } from '../migrations/progress.ts'
import type { RowCounts } from '../migrations/rows.ts'
import type { Schema } from '../schema/read.ts'
import type { DriftOptions } from '../validation/drift.ts'
import type { Finding } from '../validation/findings.ts'
import type { Listener } from './events.ts'
import type { OwnRows } from './own-rows.ts'

/** One migration in one direction. */
export interface ChangeStep {
  readonly runnable: Runnable
  /** Tables that may lose rows; `any` where a person said so. */
  readonly allowRowLoss: readonly string[] | 'any'
  /** The row that says that it was done, given how long it took in milliseconds and what it put in itself. */
  record(milliseconds: number, own?: OwnRows): MigrationRow
  /** Of one that is taken back: the rows that it had put in itself. */
  readonly own?: OwnRows | undefined
  /** How far it came when it was begun and stopped; undefined: it is to begin. */
  readonly progress?: Progress | undefined
}

export interface Change {
  readonly action: 'migrate' | 'rollback'
  readonly steps: readonly ChangeStep[]
  /** False: its only step commits by itself. */
  readonly transaction: boolean
  readonly foreignKeys: boolean
  /**
   * What the schema has to be afterwards. Asked for once the steps have run, so that what fails is their failure.
   * Undefined: nobody here knows, and a later change ends where somebody does.
   */
  readonly expected: () => Promise<Schema | undefined>
  /** The application's own checks, where the change ends at the level that they were written for. Default none. */
  readonly checks?: readonly ApplicationCheck[]
  readonly fromLevel: string | null
  readonly toLevel: string | null
}

/** What stays the same over all batches of a job. */
export interface ChangeContext {
  readonly table: string
  readonly drift: DriftOptions
  readonly actor: Actor
  readonly lockkeeperVersion: string
  readonly backupId: string | null
  /** Asked before each commit; rejects when the file at the path is no longer the one that is locked. */
  readonly confirm: () => Promise<void>
  readonly listener: Listener
  /** Takes secrets out of an error before it is recorded. */
  readonly redact: (text: string) => string
}

export interface Changed {
  /** Milliseconds by version. */
  readonly durations: ReadonlyMap<string, number>
  readonly warnings: readonly Finding[]
  /** Rows by table, before and after. */
  readonly rows: { readonly before: RowCounts; readonly after: RowCounts }
}

/** The backup of what was there before: of a step that goes on, the one that was made before it began. */
export function wayBackOf({ steps: [step], transaction }: Change, { backupId }: ChangeContext): string | null {
  return transaction || step?.progress === undefined ? backupId : step.progress.backup
}

/** What became of the database; what a person can do depends on it. */
export function aftermath(change: Change, context: ChangeContext): string {
  if (change.transaction) return 'Everything was rolled back.'
  const id = wayBackOf(change, context)
  const back = id === null ? 'there is no backup of it' : `the backup ${id} has what was there before`
  return `It is committed all the same, for it runs outside a transaction; ${back}.`
}
