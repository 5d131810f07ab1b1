/** What is measured, from what `status` and an overview of the repository say. docs/monitoring.md describes it. */
import { isReady, type Status } from '../job/inspect.ts'
import type { Overview } from '../job/overview.ts'
import type { Gauge, Sample } from '../report/exposition.ts'
import { lockkeeperVersion } from '../version.ts'

interface Metric {
  readonly labels: readonly string[]
  readonly help: string
}

const tier = ['tier']
const attempt = ['action', 'outcome']

export const metrics = {
  lockkeeper_build_info: { labels: ['version'], help: 'The version of Lockkeeper.' },
  lockkeeper_database_readable: { labels: [], help: 'Whether the database could be looked at.' },
  lockkeeper_database_ready: { labels: [], help: 'Whether the database is at the level of this image, and sound.' },
  lockkeeper_database_bytes: { labels: [], help: 'Size of the database file.' },
  lockkeeper_schema_info: { labels: ['state', 'level'], help: 'Where the schema stands.' },
  lockkeeper_migrations_applied: { labels: [], help: 'Migrations that are applied.' },
  lockkeeper_migrations_pending: { labels: [], help: 'Migrations of this image that are not applied.' },
  lockkeeper_last_attempt_timestamp_seconds: {
    labels: attempt,
    help: 'When the last migration, rollback or restore began.',
  },
  lockkeeper_last_attempt_duration_seconds: { labels: attempt, help: 'How long it took.' },
  lockkeeper_repository_readable: { labels: [], help: 'Whether the repository could be looked at.' },
  lockkeeper_backups: { labels: tier, help: 'Backups by tier; one may count for several.' },
  lockkeeper_backups_bad: { labels: [], help: 'Backups that a verification or a drill has found bad.' },
  lockkeeper_last_backup_timestamp_seconds: { labels: tier, help: 'When the newest good backup of a tier was made.' },
  lockkeeper_last_backup_database_bytes: { labels: tier, help: 'Size of the database in that backup.' },
  lockkeeper_last_good_check_timestamp_seconds: {
    labels: ['kind'],
    help: 'When a backup was last fetched and found good, by a verification or a drill.',
  },
} as const satisfies Readonly<Record<string, Metric>>

/** The values of its labels, in their order, and its value. */
type Measured = readonly [labels: readonly string[], value: number]

/** @param repository undefined: none is named; null, here and for the database: it cannot be read now */
export function gaugesOf(database: Status | null, repository: Overview | null | undefined): Gauge[] {
  return [
    gauge('lockkeeper_build_info', [[lockkeeperVersion], 1]),
    gauge('lockkeeper_database_readable', [[], database === null ? 0 : 1]),
    ...(database === null ? [] : databaseGauges(database)),
    ...(repository === undefined ? [] : [gauge('lockkeeper_repository_readable', [[], repository === null ? 0 : 1])]),
    ...(repository ? repositoryGauges(repository) : []),
  ]
}

function databaseGauges(status: Status): Gauge[] {
  const { applied, bytes, lastAttempt, level, pending, state } = status
  const attempts = lastAttempt === null ? [] : [lastAttempt]
  return [
    gauge('lockkeeper_database_ready', [[], isReady(status) ? 1 : 0]),
    gauge('lockkeeper_database_bytes', [[], bytes]),
    gauge('lockkeeper_schema_info', [[state, level ?? ''], 1]),
    gauge('lockkeeper_migrations_applied', [[], applied]),
    gauge('lockkeeper_migrations_pending', [[], pending.length]),
    gauge(
      'lockkeeper_last_attempt_timestamp_seconds',
      ...attempts.map(
        ({ action, outcome, started_at }): Measured => [[action, outcome], seconds(new Date(started_at))],
      ),
    ),
    gauge(
      'lockkeeper_last_attempt_duration_seconds',
      ...attempts.map(({ action, duration_ms, outcome }): Measured => [[action, outcome], duration_ms / 1000]),
    ),
  ]
}

function repositoryGauges({ bad, checked, tiers }: Overview): Gauge[] {
  const all = Object.entries(tiers)
  const newest = all.flatMap(([tier, { newest }]) => (newest === null ? [] : [{ tier, ...newest }]))
  return [
    gauge('lockkeeper_backups', ...all.map(([tier, { backups }]): Measured => [[tier], backups])),
    gauge('lockkeeper_backups_bad', [[], bad]),
    gauge(
      'lockkeeper_last_backup_timestamp_seconds',
      ...newest.map(({ createdAt, tier }): Measured => [[tier], seconds(createdAt)]),
    ),
    gauge('lockkeeper_last_backup_database_bytes', ...newest.map(({ bytes, tier }): Measured => [[tier], bytes])),
    gauge(
      'lockkeeper_last_good_check_timestamp_seconds',
      ...Object.entries(checked).flatMap(([kind, time]): Measured[] =>
        time === null ? [] : [[[kind], seconds(time)]],
      ),
    ),
  ]
}

function gauge(name: keyof typeof metrics, ...measured: readonly Measured[]): Gauge {
  const { help, labels } = metrics[name]
  const samples = measured.map(
    ([values, value]): Sample => ({
      labels: Object.fromEntries(labels.map((label, position) => [label, values[position] ?? ''])),
      value,
    }),
  )
  return { name, help, samples }
}

function seconds(time: Date): number {
  return time.getTime() / 1000
}
