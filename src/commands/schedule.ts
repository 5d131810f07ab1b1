import { existsSync } from 'node:fs'
import { type Config, settings } from '../config/settings.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import { type BackupTask, backupTasks, type Task } from '../schedule/task.ts'
import type { Timetable } from '../schedule/timetable.ts'
import { backup } from './backup.ts'
import { type Command, type Context, command, type Outcome } from './command.ts'
import { drill } from './drill.ts'
import { migrationsFolder, requiredRepository } from './from-config.ts'
import { prune } from './prune.ts'
import { verify } from './verify.ts'

/** Which setting says when a task is due. */
const times = {
  daily: 'dailyAt',
  weekly: 'weeklyAt',
  monthly: 'monthlyAt',
  prune: 'pruneAt',
  verify: 'verifyAt',
  drill: 'drillAt',
} as const satisfies Partial<Record<Task, string>>
const timeSettings = Object.values(times)

type Given = Context['given']

/** A task is the command of that name; the tiers are `backup`. */
const others: Readonly<Record<Exclude<keyof typeof times, BackupTask>, readonly [Command, Given]>> = {
  prune: [prune, {}],
  verify: [verify, { latest: true }],
  drill: [drill, {}],
}

export const schedule = command({
  name: 'schedule',
  summary: 'Stay up, and back up, prune, verify and drill on time, where no CronJob can.',
  examples: [
    'lockkeeper schedule',
    'lockkeeper schedule --time-zone Europe/Berlin --daily-at "30 5 * * *" --monthly-at off',
    "lockkeeper schedule --check --health-file /tmp/health.json    # for a container's health check",
  ],
  settings: [
    ...new Set([...backup.settings, ...prune.settings, ...verify.settings, ...drill.settings, 'timeZone' as const]),
    ...timeSettings,
    'healthFile',
  ],
  options: [{ flags: '--check', help: 'only look into the health file: 0 if all is well' }],
  staysUp: true,
  run: async context => {
    const { config, given, listener, redact, signal, timeout } = context
    if (given['check'] === true) return look(config)
    const { keepSchedule } = await import('../schedule/keep.ts')
    const { systemClock } = await import('../schedule/clock.ts')
    const { doneInRepository } = await import('../schedule/done.ts')
    const { writeHealth } = await import('../schedule/health.ts')
    const { database, healthFile } = config
    const repository = requiredRepository(config)
    return keepSchedule({
      timetables: await timetables(config),
      done: () => doneInRepository(repository, database),
      work: (due, signal) => {
        const [command, given] = workFor(due)
        return command.run({ ...context, given, signal })
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

function workFor(due: readonly Task[]): readonly [Command, Given] {
  const tiers = backupTasks.filter(tier => due.includes(tier))
  if (tiers.length > 0) return [backup, { tier: tiers.join(',') }]
  return others[due.includes('prune') ? 'prune' : due.includes('verify') ? 'verify' : 'drill']
}

async function timetables(config: Config<(typeof timeSettings)[number] | 'timeZone' | 'migrations'>) {
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
  if (wanted.size === 0)
    throw new LockkeeperError('config', 'there is nothing to do: everything is off', {
      hint: `Give one of these a time: ${timeSettings.map(name => settings[name].flags).join(', ')}.`,
    })
  const folder = migrationsFolder(config)
  if (wanted.has('drill') && !existsSync(folder))
    throw new LockkeeperError('config', `a drill runs the migrations, and there is no folder ${folder}`, {
      hint: 'Set LOCKKEEPER_MIGRATIONS, or leave drills out: --drill-at off.',
    })
  return wanted
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
