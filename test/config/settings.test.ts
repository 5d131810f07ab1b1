import { describe, expect, test } from 'vitest'
import { resolveSettings } from '../../src/config/resolve.ts'
import { optionName, type SettingName, settings } from '../../src/config/settings.ts'
import { LockkeeperError } from '../../src/errors.ts'

const every = Object.keys(settings) as SettingName[]
const needed = { DATABASE_URL: '/data/app.db' }

function refusal(work: () => unknown): LockkeeperError {
  try {
    work()
  } catch (error) {
    if (error instanceof LockkeeperError) return error
    throw error
  }
  throw new Error('it was not refused')
}

/** Variables that other programs have as well, under the names that they have everywhere. */
const ecosystem: Readonly<Record<string, SettingName>> = {
  DATABASE_URL: 'database',
  AWS_CA_BUNDLE: 'caBundle',
  HTTPS_PROXY: 'httpsProxy',
  HTTP_PROXY: 'httpProxy',
  NO_PROXY: 'noProxy',
  ENCRYPTION_PASSWORD: 'encryptionPassword',
  ENCRYPTION_SALT: 'encryptionSalt',
}

/** A value for each setting other than its default, and what it is read as. */
const values: Record<SettingName, readonly [string, unknown]> = {
  database: ['sqlite:////data/other.db', '/data/other.db'],
  anyDatabase: ['sqlite:////data/other.db', '/data/other.db'],
  migrations: ['/app/migrations', '/app/migrations'],
  repository: ['s3://bucket/prefix', 's3://bucket/prefix'],
  allowFilesystem: ['true', true],
  lockTimeout: ['1m30s', 90_000],
  timeout: ['48h', 172_800_000],
  noBackup: ['true', true],
  firstInstall: ['1', true],
  ifMissing: ['restore', 'restore'],
  restoreOnce: [
    '00000042-20261123T114000Z-daily-v7#2',
    { value: '00000042-20261123T114000Z-daily-v7#2', selection: { id: '00000042-20261123T114000Z-daily-v7' } },
  ],
  adopt: ['TRUE', true],
  allowOtherDatabase: ['true', true],
  drift: ['warn', 'warn'],
  ignore: [' apscheduler_jobs, _litestream_* ,', ['apscheduler_jobs', '_litestream_*']],
  outOfOrder: ['allow', 'allow'],
  onNewerSchema: ['rollback', 'rollback'],
  allowRowLoss: ['true', true],
  tmpdir: ['/scratch', '/scratch'],
  keepLast: ['20', 20],
  keepDaily: ['14', 14],
  keepWeekly: ['0', 0],
  keepMonthly: ['24', 24],
  keepYearly: ['10', 10],
  keepPreMigration: ['100', 100],
  keepPreRestore: ['2', 2],
  keepWithin: ['48h', 172_800_000],
  grace: ['0s', 0],
  encryptionPassword: ['made up', 'made up'],
  encryptionSalt: ['salt', 'salt'],
  listen: ['[::1]:80', { host: '::1', port: 80 }],
  s3PathStyle: ['on', 'on'],
  s3Sse: ['aws:kms:alias/backups', { kmsKey: 'alias/backups' }],
  s3StorageClass: ['STANDARD_IA', 'STANDARD_IA'],
  s3Tags: ['team=payments, app=shop', { team: 'payments', app: 'shop' }],
  s3Timeout: ['30s', 30_000],
  caBundle: ['/ca.pem', '/ca.pem'],
  httpsProxy: ['http://proxy:3128', 'http://proxy:3128'],
  httpProxy: ['http://proxy:3128', 'http://proxy:3128'],
  noProxy: ['.svc', '.svc'],
  dailyAt: ['30 5 * * *', '30 5 * * *'],
  weeklyAt: ['off', 'off'],
  monthlyAt: ['@monthly', '@monthly'],
  pruneAt: ['0 8 * * *', '0 8 * * *'],
  verifyAt: ['0 6 * * *', '0 6 * * *'],
  drillAt: ['0 7 1 * *', '0 7 1 * *'],
  timeZone: ['Europe/Berlin', 'Europe/Berlin'],
  healthFile: ['/tmp/health.json', '/tmp/health.json'],
  logFormat: ['pretty', 'pretty'],
  terminationLog: ['/tmp/log', '/tmp/log'],
  pod: ['app-0', 'app-0'],
  namespace: ['shops', 'shops'],
  node: ['n1', 'n1'],
  image: ['shop:2', 'shop:2'],
  job: ['deploy-9', 'deploy-9'],
}

test('defaults are what the help says', () => {
  expect(resolveSettings(every, {}, needed)).toEqual({
    database: '/data/app.db',
    anyDatabase: '/data/app.db',
    migrations: undefined,
    repository: undefined,
    allowFilesystem: false,
    lockTimeout: 60_000,
    timeout: 900_000,
    noBackup: false,
    firstInstall: false,
    ifMissing: 'fail',
    restoreOnce: undefined,
    adopt: false,
    allowOtherDatabase: false,
    drift: 'fail',
    ignore: [],
    outOfOrder: 'fail',
    onNewerSchema: 'fail',
    allowRowLoss: false,
    tmpdir: undefined,
    keepLast: 0,
    keepDaily: 7,
    keepWeekly: 5,
    keepMonthly: 12,
    keepYearly: 0,
    keepPreMigration: 10,
    keepPreRestore: 5,
    keepWithin: 0,
    grace: 86_400_000,
    s3PathStyle: 'auto',
    s3Sse: undefined,
    s3StorageClass: undefined,
    s3Tags: undefined,
    s3Timeout: 600_000,
    caBundle: undefined,
    httpsProxy: undefined,
    httpProxy: undefined,
    noProxy: undefined,
    dailyAt: '15 4 * * *',
    weeklyAt: '15 4 * * 0',
    monthlyAt: '15 4 1 * *',
    pruneAt: '15 6 * * *',
    verifyAt: '15 5 * * 0',
    drillAt: 'off',
    timeZone: 'UTC',
    listen: { host: '127.0.0.1', port: 9375 },
    healthFile: undefined,
    encryptionPassword: undefined,
    encryptionSalt: undefined,
    logFormat: undefined,
    terminationLog: undefined,
    pod: undefined,
    namespace: undefined,
    node: undefined,
    image: undefined,
    job: undefined,
  })
})

describe.each(every)('%s', name => {
  const [text, value] = values[name]
  const { env } = settings[name]

  test('is read from its variable', () => {
    expect(resolveSettings([name], {}, { ...needed, [env]: text })).toEqual({ [name]: value })
  })

  test('is read from its flag, which wins over the variable, even one that is wrong', () => {
    expect(resolveSettings([name], { [name]: text }, { ...needed, [env]: 'soon' })).toEqual({ [name]: value })
  })

  test('is as if it were not set where its variable is empty', () => {
    const unset =
      name === 'database' ? refusal(() => resolveSettings([name], {}, {})).message : resolveSettings([name], {}, {})
    const empty = () => resolveSettings([name], {}, { [env]: '' })
    expect(name === 'database' ? refusal(empty).message : empty()).toEqual(unset)
  })

  test('has a variable that begins with LOCKKEEPER_, and a flag of the same words', () => {
    if (name === 'anyDatabase') return expect(env).toBe('DATABASE_URL')
    if (env in ecosystem) return expect(ecosystem[env]).toBe(name)
    const words = settings[name].flags.split(' ')[0]?.slice(2) ?? ''
    expect(env).toBe(`LOCKKEEPER_${words.toUpperCase().replaceAll('-', '_')}`)
  })
})

describe('what is wrong', () => {
  const wrong: readonly [SettingName, string | undefined, string][] = [
    ['database', undefined, 'DATABASE_URL (--database <url>) is not set'],
    [
      'lockTimeout',
      '3',
      'LOCKKEEPER_LOCK_TIMEOUT (--lock-timeout <duration>): "3" is not a duration such as 90s, 15m or 48h',
    ],
    ['timeout', '-5s', '"-5s" is not a duration'],
    ['drift', 'maybe', 'LOCKKEEPER_DRIFT (--drift <fail|warn>) should be one of [fail, warn], not "maybe"'],
    ['keepDaily', '-1', 'LOCKKEEPER_KEEP_DAILY (--keep-daily <number>) should be a positive integer, not "-1"'],
    ['keepWithin', '48', '"48" is not a duration'],
    ['timeZone', 'Mars/Olympus', '"Mars/Olympus" is no time zone'],
    ['outOfOrder', 'yes', 'should be one of [fail, allow], not "yes"'],
    ['logFormat', 'xml', 'should be one of [json, pretty], not "xml"'],
    [
      'adopt',
      'perhaps',
      'LOCKKEEPER_ADOPT (--adopt) should be either "true", "false", "TRUE", "FALSE", 1, or 0, not "perhaps"',
    ],
    [
      'repository',
      '/backups/app',
      'LOCKKEEPER_REPOSITORY (--repository <url>): a repository is a URL: file:///backups/app',
    ],
    ['repository', 'bucket/prefix', 'a repository is s3://bucket/prefix or file:///absolute/path'],
    ['database', 'postgres://me:hidden@host/db', 'DATABASE_URL (--database <url>): postgres: is not SQLite'],
  ]
  test.each(wrong)('%s %s is told with the name of the setting and the value', (name, value, says) => {
    const error = refusal(() => resolveSettings([name], {}, { [settings[name].env]: value }))
    expect(error).toMatchObject({ code: 'config', exitCode: 78 })
    expect(error.message).toContain(says)
    expect(error.hint).toMatch(/\w/)
  })

  test('is told all at once', () => {
    const error = refusal(() =>
      resolveSettings(every, { drift: 'maybe' }, { LOCKKEEPER_TIMEOUT: 'soon', LOCKKEEPER_ADOPT: 'x' }),
    )
    expect(error.message).toMatch(/^several settings are wrong:\n/)
    for (const env of ['DATABASE_URL', 'LOCKKEEPER_TIMEOUT', 'LOCKKEEPER_ADOPT', 'LOCKKEEPER_DRIFT'])
      expect(error.message).toContain(env)
    expect(error.details['problems']).toHaveLength(4)
  })

  test('in a setting that the command does not take is nobody’s business', () => {
    expect(resolveSettings(['drift'], {}, { LOCKKEEPER_TIMEOUT: 'soon' })).toEqual({ drift: 'fail' })
  })

  test('and may be a password is not repeated', () => {
    for (const [name, value] of [
      ['database', 'postgres://me:hidden@host/db'],
      ['repository', 'https://me:hidden@host/bucket'],
    ] as const)
      expect(refusal(() => resolveSettings([name], { [name]: value }, {})).message).not.toContain('hidden')
  })
})

test('a flag that is given as empty is empty, not unset', () => {
  expect(resolveSettings(['ignore'], { ignore: '' }, { LOCKKEEPER_IGNORE: 'x' })).toEqual({ ignore: [] })
  expect(refusal(() => resolveSettings(['database'], { database: '' }, needed)).message).toContain('is empty')
})

test('settings cannot be changed once they are read', () => {
  const config = resolveSettings(['drift'], {}, {})
  expect(() => Object.assign(config, { drift: 'warn' })).toThrow(TypeError)
})

test('optionName is what commander calls an option', () => {
  expect(['--lock-timeout <duration>', '--no-backup', '--json', '--to <version>'].map(optionName)).toEqual([
    'lockTimeout',
    'backup',
    'json',
    'to',
  ])
})

test('a proxy is found under its name in lower case too', () => {
  const environment = {
    https_proxy: 'http://lower:3128',
    HTTP_PROXY: 'http://upper:3128',
    http_proxy: 'http://lower:3128',
  }
  expect(resolveSettings(['httpsProxy', 'httpProxy'], {}, environment)).toEqual({
    httpsProxy: 'http://lower:3128',
    httpProxy: 'http://upper:3128',
  })
})

test.each([
  ['s3Sse', 'LOCKKEEPER_S3_SSE', 'rot13'],
  ['s3Tags', 'LOCKKEEPER_S3_TAGS', 'team'],
] as const)('%s names what it cannot read', (name, variable, value) => {
  expect(refusal(() => resolveSettings([name], {}, { [variable]: value })).message).toContain(variable)
})
