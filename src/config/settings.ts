/**
 * Every setting of the command line, declared once: its flag, its environment variable, what it means, its default and
 * how it is read. Options, `--help` and the documentation are made from this table. Flags win over the environment.
 */
import { declare, duration, flag, identity, keep, optional, secret, time } from './setting.ts'

export const settings = {
  database: declare({
    flags: '--database <url>',
    env: 'DATABASE_URL',
    help: 'the database: a path, file:..., or sqlite:////absolute/path.db',
    read: variable => variable.required().asDatabase(),
  }),
  /** The same for commands that may do without. */
  anyDatabase: declare({
    flags: '--database <url>',
    env: 'DATABASE_URL',
    help: 'the database: a path, file:..., or sqlite:////absolute/path.db',
    read: variable => variable.asDatabase(),
  }),
  migrations: declare({
    flags: '--migrations <folder>',
    env: 'LOCKKEEPER_MIGRATIONS',
    help: 'the folder of migrations (default: /migrations, then ./migrations)',
    read: optional,
  }),
  repository: declare({
    flags: '--repository <url>',
    env: 'LOCKKEEPER_REPOSITORY',
    help: 'where backups are kept: s3://bucket/prefix or file:///path',
    read: variable => variable.asRepository(),
  }),
  lockTimeout: declare({
    flags: '--lock-timeout <duration>',
    env: 'LOCKKEEPER_LOCK_TIMEOUT',
    help: 'how long to wait for others to let go of the database',
    fallback: '60s',
    read: duration,
  }),
  allowFilesystem: declare({
    flags: '--allow-filesystem',
    env: 'LOCKKEEPER_ALLOW_FILESYSTEM',
    help: 'use a database on NFS, SMB, 9p, virtiofs or FUSE, whose locks cannot be relied on, or in a container without a volume',
    read: flag,
  }),
  timeout: declare({
    flags: '--timeout <duration>',
    env: 'LOCKKEEPER_TIMEOUT',
    help: 'how long the whole command may take; of schedule, each of its tasks',
    fallback: '15m',
    read: duration,
  }),
  noBackup: declare({
    flags: '--no-backup',
    env: 'LOCKKEEPER_NO_BACKUP',
    help: 'change the database without a way back; needs no repository',
    read: flag,
  }),
  firstInstall: declare({
    flags: '--first-install',
    env: 'LOCKKEEPER_FIRST_INSTALL',
    help: 'start with an empty database although the repository has backups of one',
    read: flag,
  }),
  ifMissing: declare({
    flags: '--if-missing <fail|restore>',
    env: 'LOCKKEEPER_IF_MISSING',
    help: 'what to do about a database that is missing or empty although there are backups of it',
    fallback: 'fail',
    read: variable => variable.required().asEnum(['fail', 'restore'] as const),
  }),
  restoreOnce: declare({
    flags: '--restore <id|time>',
    env: 'LOCKKEEPER_RESTORE',
    help: 'restore this backup first, once for each value; #2 behind it makes it another value',
    read: variable => variable.asOneShotRestore(),
  }),
  adopt: declare({
    flags: '--adopt',
    env: 'LOCKKEEPER_ADOPT',
    help: 'take over a database that has tables but no bookkeeping, at the level that another tool wrote down, or else the one that its schema equals',
    read: flag,
  }),
  allowOtherDatabase: declare({
    flags: '--allow-other-database',
    env: 'LOCKKEEPER_ALLOW_OTHER_DATABASE',
    help: 'use a repository that was made for a database of another name',
    read: flag,
  }),
  drift: declare({
    flags: '--drift <fail|warn>',
    env: 'LOCKKEEPER_DRIFT',
    help: 'what a schema object is that is missing or differs from what the migrations describe',
    fallback: 'fail',
    read: variable => variable.required().asEnum(['fail', 'warn'] as const),
  }),
  ignore: declare({
    flags: '--ignore <globs>',
    env: 'LOCKKEEPER_IGNORE',
    help: 'schema objects not to look at, separated by commas',
    fallback: '',
    read: variable => variable.default('').asGlobs(),
  }),
  outOfOrder: declare({
    flags: '--out-of-order <fail|allow>',
    env: 'LOCKKEEPER_OUT_OF_ORDER',
    help: 'what a pending migration is that sorts before an applied one',
    fallback: 'fail',
    read: variable => variable.required().asEnum(['fail', 'allow'] as const),
  }),
  onNewerSchema: declare({
    flags: '--on-newer-schema <fail|allow|rollback>',
    env: 'LOCKKEEPER_ON_NEWER_SCHEMA',
    help: 'a database that a newer image has migrated: fail; allow, if all of that was marked as compatible; rollback, by the downs that are stored in it',
    fallback: 'fail',
    read: variable => variable.required().asEnum(['fail', 'allow', 'rollback'] as const),
  }),
  allowRowLoss: declare({
    flags: '--allow-row-loss',
    env: 'LOCKKEEPER_ALLOW_ROW_LOSS',
    help: 'let the downs delete rows',
    read: flag,
  }),
  tmpdir: declare({
    flags: '--tmpdir <folder>',
    env: 'LOCKKEEPER_TMPDIR',
    help: "for temporary files: a folder with room for a copy of the database (default: the system's)",
    read: optional,
  }),
  keepLast: keep('last', 0, 'newest backups of any tier to keep'),
  keepDaily: keep('daily', 7, 'days of which the newest daily backup is kept'),
  keepWeekly: keep('weekly', 5, 'weeks of which the newest weekly backup is kept'),
  keepMonthly: keep('monthly', 12, 'months of which the newest monthly backup is kept'),
  keepYearly: keep('yearly', 0, 'years of which the newest monthly backup is kept'),
  keepPreMigration: keep('pre-migration', 10, 'newest backups made before a migration to keep'),
  keepPreRestore: keep('pre-restore', 5, 'newest backups made before a restore to keep'),
  keepWithin: declare({
    flags: '--keep-within <duration>',
    env: 'LOCKKEEPER_KEEP_WITHIN',
    help: 'keep every backup made so long before the newest; 0s: no such rule',
    fallback: '0s',
    read: duration,
  }),
  grace: declare({
    flags: '--grace <duration>',
    env: 'LOCKKEEPER_GRACE',
    help: 'how long what no backup uses any more stays before a prune deletes it',
    fallback: '24h',
    read: duration,
  }),
  timeZone: declare({
    flags: '--time-zone <name>',
    env: 'LOCKKEEPER_TIME_ZONE',
    help: 'whose clocks and calendar count: a name such as Europe/Berlin',
    fallback: 'UTC',
    read: variable => variable.required().asTimeZone(),
  }),
  s3PathStyle: declare({
    flags: '--s3-path-style <auto|on|off>',
    env: 'LOCKKEEPER_S3_PATH_STYLE',
    help: 'the bucket in the path of a URL rather than in its host; auto: on with an endpoint of your own',
    fallback: 'auto',
    read: variable => variable.required().asEnum(['auto', 'on', 'off'] as const),
  }),
  s3Sse: declare({
    flags: '--s3-sse <how>',
    env: 'LOCKKEEPER_S3_SSE',
    help: 'encryption by the server: AES256, aws:kms or aws:kms:KEY (default: what the bucket says)',
    read: variable => variable.asEncryption(),
  }),
  s3StorageClass: declare({
    flags: '--s3-storage-class <class>',
    env: 'LOCKKEEPER_S3_STORAGE_CLASS',
    help: 'such as STANDARD_IA; not an archive, which cannot be read at once (default: what the bucket says)',
    read: optional,
  }),
  s3Tags: declare({
    flags: '--s3-tags <tags>',
    env: 'LOCKKEEPER_S3_TAGS',
    help: 'of every new object: team=payments,app=shop',
    read: variable => variable.asTags(),
  }),
  s3Timeout: declare({
    flags: '--s3-timeout <duration>',
    env: 'LOCKKEEPER_S3_TIMEOUT',
    help: 'how long one request to S3 may take, with all its attempts',
    fallback: '10m',
    read: duration,
  }),
  caBundle: declare({
    flags: '--ca-bundle <file>',
    env: 'AWS_CA_BUNDLE',
    help: 'PEM file with a private certificate authority of the object store',
    read: optional,
  }),
  httpsProxy: declare({
    flags: '--https-proxy <url>',
    env: 'HTTPS_PROXY',
    otherEnv: 'https_proxy',
    help: 'on the way to an object store with https:',
    read: optional,
  }),
  httpProxy: declare({
    flags: '--http-proxy <url>',
    env: 'HTTP_PROXY',
    otherEnv: 'http_proxy',
    help: 'on the way to an object store with http:',
    read: optional,
  }),
  noProxy: declare({
    flags: '--proxy-exceptions <hosts>',
    env: 'NO_PROXY',
    otherEnv: 'no_proxy',
    help: 'hosts to which no proxy leads',
    read: optional,
  }),
  dailyAt: time('daily', 'when the daily backup is made', '15 4 * * *'),
  weeklyAt: time('weekly', 'when the weekly backup is made', '15 4 * * 0'),
  monthlyAt: time('monthly', 'when the monthly backup is made', '15 4 1 * *'),
  pruneAt: time('prune', 'when old backups are removed', '15 6 * * *'),
  verifyAt: time('verify', 'when the newest backup is verified', '15 5 * * 0'),
  drillAt: time('drill', 'when a drill is held', 'off'),
  healthFile: declare({
    flags: '--health-file <path>',
    env: 'LOCKKEEPER_HEALTH_FILE',
    help: 'where schedule says how it is, for a health check',
    read: optional,
  }),
  listen: declare({
    flags: '--listen <host:port>',
    env: 'LOCKKEEPER_LISTEN',
    help: 'where serve answers; 0.0.0.0 or [::] as the host for everybody who can reach this machine or pod',
    fallback: '127.0.0.1:9375',
    read: variable => variable.required().asListen(),
  }),
  encryptionPassword: secret('ENCRYPTION_PASSWORD', "FossaWork's: what credentials are encrypted with"),
  encryptionSalt: secret('ENCRYPTION_SALT', "FossaWork's: goes with the password (default: the application's own)"),
  logFormat: declare({
    flags: '--log-format <json|pretty>',
    env: 'LOCKKEEPER_LOG_FORMAT',
    help: 'how log lines look (default: pretty on a terminal, json elsewhere)',
    read: variable => variable.asEnum(['json', 'pretty'] as const),
  }),
  terminationLog: declare({
    flags: '--termination-log <path>',
    env: 'LOCKKEEPER_TERMINATION_LOG',
    help: 'where the last word goes (default: /dev/termination-log where it exists)',
    read: optional,
  }),
  pod: identity('pod'),
  namespace: identity('namespace'),
  node: identity('node'),
  image: identity('image'),
  job: identity('job'),
} as const

export type SettingName = keyof typeof settings
export type Config<Names extends SettingName> = {
  readonly [Name in Names]: ReturnType<(typeof settings)[Name]['read']>
}

/** The option as commander names it in its values: `--no-backup` is `backup`, negated. */
export function optionName(flags: string): string {
  return (
    flags
      .split(' ')[0]
      ?.replace(/^--(no-)?/, '')
      .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()) ?? ''
  )
}
