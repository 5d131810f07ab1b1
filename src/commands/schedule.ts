import type { Config } from '../config/settings.ts'
import { settings } from '../config/settings.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import type { Task } from '../schedule/task.ts'
import type { Timetable } from '../schedule/timetable.ts'
import { told } from './backup.ts'
import { command, type Outcome } from './command.ts'
import {
  actorOf,
  actorSettings,
  lockSettings,
  repositorySettings,
  requiredRepository,
  temporaryFolder,
} from './from-config.ts'

/** Which setting says when a task is due. */
const times = { daily: 'dailyAt', weekly: 'weeklyAt', monthly: 'monthlyAt' } as const satisfies Partial<
  Record<Task, string>
>

export const schedule = command({
  name: 'schedule',
  summary: 'Stay up and make backups on time, where no CronJob can.',
  examples: [
    'lockkeeper schedule',
    'lockkeeper schedule --time-zone Europe/Berlin --daily-at "30 5 * * *" --monthly-at off',
    "lockkeeper schedule --check --health-file /tmp/health.json    # for a container's health check",
  ],
  settings: [
    'database',
    ...repositorySettings,
    ...Object.values(times),
    'timeZone',
    'healthFile',
    ...lockSettings,
    'tmpdir',
    ...actorSettings,
  ],
  options: [{ flags: '--check', help: 'only look into the health file: 0 if all is well' }],
  staysUp: true,
  run: async ({ config, given, inKubernetes, listener, redact, signal, timeout }) => {
    if (given['check'] === true) return look(config)
    const { keepSchedule } = await import('../schedule/keep.ts')
    const { systemClock } = await import('../schedule/clock.ts')
    const { doneInRepository } = await import('../schedule/done.ts')
    const { writeHealth } = await import('../schedule/health.ts')
    const { backUp } = await import('../job/backup.ts')
    const { database, healthFile, lockTimeout } = config
    const repository = requiredRepository(config)
    return keepSchedule({
      timetables: await timetables(config),
      done: () => doneInRepository(repository, database),
      work: async (due, signal) => {
        const tiers = due.filter(task => task === 'daily' || task === 'weekly' || task === 'monthly')
        const fileSystem = { allowed: config.allowFilesystem, inKubernetes }
        const options = {
          fileSystem,
          database,
          repository,
          lockTimeout,
          tmpdir: temporaryFolder(config),
          actor: actorOf(config),
        }
        return told(await backUp({ ...options, tiers, listener, signal, viewInProcess: true }))
      },
      report: async health => {
        if (healthFile !== undefined) await writeHealth(healthFile, health)
      },
      clock: systemClock,
      timeout,
      listener,
      redact,
      signal,
    })
  },
})

async function timetables(config: Config<(typeof times)[keyof typeof times] | 'timeZone'>) {
  const { Timetable } = await import('../schedule/timetable.ts')
  const { Zone } = await import('../schedule/zone.ts')
  const zone = new Zone(config.timeZone)
  const wanted = new Map<Task, Timetable>()
  for (const [task, setting] of Object.entries(times)) {
    const expression = config[setting]
    if (expression === 'off') continue
    try {
      wanted.set(task as Task, new Timetable(expression, zone))
    } catch (error) {
      const { env, flags } = settings[setting]
      throw new LockkeeperError('config', `${env} (${flags}): ${messageOf(error)}`, {
        hint: 'Minute, hour, day of the month, month, day of the week; or off.',
      })
    }
  }
  if (wanted.size > 0) return wanted
  throw new LockkeeperError('config', 'there is nothing to do: everything is off', {
    hint: `Give one of ${Object.values(times)
      .map(name => settings[name].flags)
      .join(', ')} a time.`,
  })
}

/** What the health file says, with the exit code of the first task that fails. */
async function look({ healthFile }: Config<'healthFile'>): Promise<Outcome> {
  if (healthFile === undefined)
    throw new LockkeeperError('config', 'no health file is named', {
      hint: 'Set LOCKKEEPER_HEALTH_FILE (or --health-file) for the schedule and for the check alike.',
    })
  const { readHealth, unhealthy } = await import('../schedule/health.ts')
  const health = await readHealth(healthFile)
  const problem = unhealthy(health, new Date())
  const sentence = problem?.message ?? 'All is well.'
  return {
    sentence,
    text: sentence,
    document: health,
    facts: { status: health.status },
    ...(problem === undefined ? {} : { code: problem.code }),
  }
}
