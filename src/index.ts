/**
 * The library: what the command line does, for a program of your own. It reports through results, callbacks and typed
 * errors; it never prints, exits or reads `process.env`, and it touches the live database in child processes only, so that
 * it takes no lock away from the application that it runs in. What may be left out of the options, see `Defaults`.
 *
 * @example
 * await deploy({ database: '/data/app.db', migrations: './migrations', repository: { url: 'file:///backups/app' } })
 */

import { backUp as runBackup } from './job/backup.ts'
import { baseline as runBaseline } from './job/baseline.ts'
import { type Given, withDefaults } from './job/defaults.ts'
import { deploy as runDeploy } from './job/deploy.ts'
import { drill as runDrill } from './job/drill.ts'
import { plan as askPlan, status as askStatus } from './job/inspect.ts'
import { pinBackup as runPin, unpinBackup as runUnpin } from './job/pins.ts'
import { pruneBackups as runPrune } from './job/prune.ts'
import { rehearse as runRehearsal, rehearseRollback as runRollbackRehearsal } from './job/rehearse.ts'
import { restoreBeside as runRestoreBeside } from './job/restore/beside.ts'
import { restore as runRestore } from './job/restore.ts'
import { rollBack as runRollback } from './job/rollback.ts'
import { validate as runValidation } from './job/validate.ts'
import { verify as runVerification } from './job/verify.ts'

/** The deploy job, as `lockkeeper run`: locks, backs up, migrates, validates; all or nothing. */
export const deploy = withDefaults(runDeploy)
/** What `deploy` would do, tried on a private copy beside the running application. */
export const rehearse = withDefaults(runRehearsal)
/** Takes migrations back by their downs, as `lockkeeper rollback`. */
export const rollBack = withDefaults(runRollback)
/** What `rollBack` would do, tried on a private copy. */
export const rehearseRollback = withDefaults(runRollbackRehearsal)
/** Records the level of a database that something else made, and runs nothing. */
export const baseline = withDefaults(runBaseline)
/** Where a database stands. Nothing is touched. */
export const status = withDefaults(askStatus)
/** What `deploy` would run, and why. Nothing is touched. */
export const plan = withDefaults(askPlan)
/** Checks a database against its migrations, and itself. */
export const validate = withDefaults(runValidation)
/** A consistent copy in the repository, made while others write. */
export const backUp = withDefaults(runBackup)
/** Brings a backup back in place: checked before, what is there kept. */
export const restore = withDefaults(runRestore)
/** Brings a backup back into a new file. */
export const restoreBeside = withDefaults(runRestoreBeside)
/** Fetches backups and sees that they are whole. */
export const verify = withDefaults(runVerification)
/** The newest good backup, brought back to a private place, and these migrations run on it. */
export const drill = withDefaults(runDrill)
/** Removes the backups that no rule of the policy keeps. */
export const pruneBackups = withDefaults(runPrune)
/** Keeps a backup for good. */
export const pinBackup = withDefaults(runPin)
/** Lets retention decide about it again. */
export const unpinBackup = withDefaults(runUnpin)

export type { Tier } from './backup/format.ts'
export type { PruneReport } from './backup/prune.ts'
export type { RetentionPolicy } from './backup/retention.ts'
export type { Selection } from './backup/select.ts'
export type { MigrationDatabase } from './database/script.ts'
export { type ErrorCode, exitCodes, LockkeeperError } from './errors.ts'
export type { BackupJobOptions } from './job/backup.ts'
export { type BackupList, backups } from './job/backups.ts'
export type { BaselineOptions } from './job/baseline.ts'
export type { Defaults } from './job/defaults.ts'
export type { Drill, DrillOptions } from './job/drill.ts'
export type { JobEvent, Listener, Step } from './job/events.ts'
export { type History, history, type Plan, type Status } from './job/inspect.ts'
export type {
  ChangeResult,
  DeployOptions,
  JobOptions,
  MigrationOptions,
  OneShotRestore,
  RestoredFirst,
} from './job/options.ts'
export type { Pinned, PinOptions } from './job/pins.ts'
export type { PruneJobOptions, RetentionOptions } from './job/prune.ts'
export type { Rehearsal } from './job/rehearsal.ts'
export type { Rehearsing } from './job/rehearse.ts'
export type { RestoreBesideOptions, RestoredBeside } from './job/restore/beside.ts'
export type { RestoreOptions, RestoreResult } from './job/restore.ts'
export type { RollbackOptions } from './job/rollback.ts'
export type { ValidateOptions, ValidationReport } from './job/validate.ts'
export type { Verification, Verified } from './job/verification.ts'
export type { VerifyOptions } from './job/verify.ts'
export { type LintOptions, type LintReport, lint } from './lint/lint.ts'
export type { Given }
