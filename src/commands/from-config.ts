/** From resolved settings to what the library takes; shared by the commands that need the same things. */
import { existsSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import type { Config } from '../config/settings.ts'
import { LockkeeperError } from '../errors.ts'
import type { JobOptions, MigrationOptions, RepositorySettings } from '../job/options.ts'
import type { RetentionOptions } from '../job/prune.ts'
import type { Actor } from '../migrations/bookkeeping.ts'
import type { S3Options } from '../storage/s3/options.ts'
import type { Context } from './command.ts'

export const actorSettings = ['pod', 'namespace', 'node', 'image', 'job'] as const
const s3Settings = [
  's3PathStyle',
  's3Sse',
  's3StorageClass',
  's3Tags',
  's3Timeout',
  'caBundle',
  'httpsProxy',
  'httpProxy',
  'noProxy',
] as const
export const repositorySettings = ['repository', 'allowOtherDatabase', ...s3Settings] as const
export const lockSettings = ['lockTimeout', 'allowFilesystem'] as const
export const retentionSettings = [
  'keepLast',
  'keepDaily',
  'keepWeekly',
  'keepMonthly',
  'keepYearly',
  'keepWithin',
  'keepPreMigration',
  'keepPreRestore',
  'timeZone',
] as const
export const migrationSettings = ['migrations', 'drift', 'ignore', 'outOfOrder', 'onNewerSchema'] as const
const ofEveryJob = [...repositorySettings, 'noBackup', ...lockSettings, 'tmpdir', ...actorSettings] as const
export const jobSettings = ['database', ...ofEveryJob] as const
export const changeSettings = ['database', ...migrationSettings, ...ofEveryJob] as const

/** Where migrations are looked for: `/migrations` in an image, `./migrations` at a desk. */
export function migrationsFolder({ migrations }: Config<'migrations'>): string {
  return migrations ?? (existsSync('/migrations') ? '/migrations' : './migrations')
}

export function actorOf(config: Config<(typeof actorSettings)[number]>): Actor {
  const { pod = null, namespace = null, node = null, image = null, job = null } = config
  return { host: hostname(), pod, namespace, node, image, job }
}

export function repositoryFrom(config: Config<(typeof repositorySettings)[number]>): RepositorySettings | undefined {
  const { repository, allowOtherDatabase } = config
  return repository === undefined
    ? undefined
    : { url: repository, allowOtherDatabase, store: { s3: s3Options(config) } }
}

/** Region, endpoint and credentials are the AWS SDK's own variables. */
function s3Options(config: Config<(typeof s3Settings)[number]>): S3Options {
  const { caBundle, httpProxy, httpsProxy, noProxy, s3PathStyle, s3Sse, s3StorageClass, s3Tags, s3Timeout } = config
  return {
    pathStyle: s3PathStyle,
    encryption: s3Sse,
    storageClass: s3StorageClass,
    tags: s3Tags,
    timeouts: { operation: s3Timeout },
    caBundle,
    proxy: { https: httpsProxy, http: httpProxy, none: noProxy },
  }
}

/** For commands that are nothing without one. @throws LockkeeperError `config` */
export function requiredRepository(config: Config<(typeof repositorySettings)[number]>): RepositorySettings {
  const repository = repositoryFrom(config)
  if (repository !== undefined) return repository
  throw new LockkeeperError('config', 'no repository is named', {
    hint: 'Set LOCKKEEPER_REPOSITORY (or --repository) to s3://bucket/prefix or file:///path.',
  })
}

/** Which backups stay. */
export function retentionFrom(config: Config<(typeof retentionSettings)[number]>): RetentionOptions {
  const { keepDaily, keepLast, keepMonthly, keepPreMigration, keepPreRestore } = config
  const { keepWeekly, keepWithin, keepYearly, timeZone } = config
  const periods = { keepDaily, keepWeekly, keepMonthly, keepYearly }
  return { policy: { keepLast, ...periods, keepWithin, keepPreMigration, keepPreRestore }, timeZone }
}

/** A folder with room for a copy of the database. */
export function temporaryFolder({ tmpdir: folder }: Config<'tmpdir'>): string {
  return folder ?? tmpdir()
}

/**
 * What a rehearsal needs beside the options of the job itself; undefined where it is to be the real one.
 * @throws LockkeeperError `usage` for --from without --dry-run
 */
export function rehearsalOf({ config, given }: Context<'tmpdir'>) {
  const { dryRun, from } = given
  if (dryRun === undefined) {
    if (from === undefined) return undefined
    throw new LockkeeperError('usage', '--from says on which backup to rehearse, and needs --dry-run', {
      hint: 'To go back to a backup: lockkeeper restore --id.',
    })
  }
  const selection = from === 'latest' ? ({ latest: true } as const) : { id: String(from) }
  return { tmpdir: temporaryFolder(config), ...(from === undefined ? {} : { from: selection }) }
}

/** What the jobs that change a database need. */
export function jobOptions({
  config,
  inKubernetes,
  listener,
  redact,
  signal,
}: Context<(typeof jobSettings)[number]>): JobOptions {
  return {
    database: config.database,
    repository: repositoryFrom(config),
    noBackup: config.noBackup,
    lockTimeout: config.lockTimeout,
    ...(config.tmpdir === undefined ? {} : { tmpdir: config.tmpdir }),
    fileSystem: { allowed: config.allowFilesystem, inKubernetes },
    actor: actorOf(config),
    listener,
    redact,
    signal,
    // The command line never has the database open otherwise; an application would use a child process.
    viewInProcess: true,
  }
}

/** And those that change it by migrations. */
export function changeOptions(context: Context<(typeof changeSettings)[number]>): MigrationOptions {
  const { config } = context
  return {
    ...jobOptions(context),
    migrations: migrationsFolder(config),
    drift: { policy: config.drift, ignore: config.ignore },
    outOfOrder: config.outOfOrder,
    onNewerSchema: config.onNewerSchema,
  }
}
