/**
 * The library: what the command line does, for a program of your own. It reports through results, callbacks and typed
 * errors; it never prints, exits or reads `process.env`, and it touches the live database in child processes only, so that
 * it takes no lock away from the application that it runs in.
 *
 * @example
 * const result = await deploy({ database: '/data/app.db', migrations: './migrations', repository: { url: 'file:///backups' }, ... })
 */
export type { Tier } from './backup/format.ts'
export type { PruneReport } from './backup/prune.ts'
export type { RetentionPolicy } from './backup/retention.ts'
export type { Selection } from './backup/select.ts'
export type { MigrationDatabase } from './database/script.ts'
export { type ErrorCode, exitCodes, LockkeeperError } from './errors.ts'
export { type BackupJobOptions, backUp } from './job/backup.ts'
export { type BackupList, backups } from './job/backups.ts'
export { type BaselineOptions, baseline } from './job/baseline.ts'
export { deploy } from './job/deploy.ts'
export { type Drill, type DrillOptions, drill } from './job/drill.ts'
export type { JobEvent, Listener, Step } from './job/events.ts'
export { type History, history, type Plan, plan, type Status, status } from './job/inspect.ts'
export type {
  ChangeResult,
  DeployOptions,
  JobOptions,
  MigrationOptions,
  OneShotRestore,
  RestoredFirst,
} from './job/options.ts'
export { type Pinned, type PinOptions, pinBackup, unpinBackup } from './job/pins.ts'
export { type PruneJobOptions, pruneBackups, type RetentionOptions } from './job/prune.ts'
export type { Rehearsal } from './job/rehearsal.ts'
export { rehearse, rehearseRollback } from './job/rehearse.ts'
export { type RestoreBesideOptions, type RestoredBeside, restoreBeside } from './job/restore/beside.ts'
export { type RestoreOptions, type RestoreResult, restore } from './job/restore.ts'
export { type RollbackOptions, rollBack } from './job/rollback.ts'
export { type ValidateOptions, type ValidationReport, validate } from './job/validate.ts'
export type { Verification, Verified } from './job/verification.ts'
export { type VerifyOptions, verify } from './job/verify.ts'
export { type LintOptions, type LintReport, lint } from './lint/lint.ts'
