import { existsSync } from 'node:fs'
import { type Tier, tiers } from '../backup/format.ts'
import type { Selection } from '../backup/select.ts'
import { LockkeeperError, messageOf } from '../errors.ts'
import type { RestoredBeside } from '../job/restore/beside.ts'
import type { RestoreResult } from '../job/restore.ts'
import { formatBytes, parseMoment } from '../units.ts'
import { type Context, command, type Outcome } from './command.ts'
import {
  actorOf,
  actorSettings,
  lockSettings,
  migrationsFolder,
  repositorySettings,
  requiredRepository,
  temporaryFolder,
} from './from-config.ts'

const settings = ['database', 'migrations', ...repositorySettings, ...lockSettings, 'tmpdir', ...actorSettings] as const

export const restore = command({
  name: 'restore',
  summary: 'Bring a backup back: checked before, what is there kept, replaced in place.',
  examples: [
    'lockkeeper restore --latest',
    'lockkeeper restore --at 2026-11-23T08:00:00Z',
    'lockkeeper restore --interactive      # a list to choose from',
    'lockkeeper restore --undo             # back to what was there before the last restore',
    'lockkeeper restore --id 00000042 --to /tmp/look.db   # beside the database, to look at',
  ],
  settings,
  options: [
    { flags: '--latest', help: 'the newest good one, passing over those made before a restore' },
    { flags: '--tier <tier>', help: `with --latest or --at: one of ${tiers.join(', ')}` },
    { flags: '--id <id>', help: 'this one; the beginning of the id is enough' },
    { flags: '--at <time>', help: 'the newest good one that is not younger (ISO 8601, with its zone)' },
    { flags: '--interactive', help: 'choose from a list, at a terminal' },
    { flags: '--undo', help: 'what was there before the last restore' },
    { flags: '--to <path>', help: 'into a new file instead of the database' },
  ],
  run: async context => {
    const { config, given, inKubernetes, listener, signal } = context
    const asked = selectionOf(given)
    const selection = asked === 'interactive' ? { id: await ask(context) } : asked
    const repository = requiredRepository(config)
    if (typeof given['to'] === 'string') {
      const { restoreBeside } = await import('../job/restore/beside.ts')
      const { database } = config
      return besideOutcome(await restoreBeside({ database, repository, selection, to: given['to'], listener, signal }))
    }
    const { restore } = await import('../job/restore.ts')
    const folder = migrationsFolder(config)
    const result = await restore({
      database: config.database,
      repository,
      lockTimeout: config.lockTimeout,
      fileSystem: { allowed: config.allowFilesystem, inKubernetes },
      tmpdir: temporaryFolder(config),
      ...(config.migrations !== undefined || existsSync(folder) ? { migrations: folder } : {}),
      selection,
      actor: actorOf(config),
      listener,
      signal,
      viewInProcess: true,
    })
    return restoredOutcome(result)
  },
})

function restoredOutcome(result: RestoreResult): Outcome {
  const { bytes, database, level, restored, safety, safetyDamaged } = result
  const sentence = `${database} is ${restored} now, at ${level ?? 'no level'} (${formatBytes(bytes)}).`
  const lines = [sentence]
  if (safety !== null && safetyDamaged)
    lines.push(`  what was there before was damaged; its bytes are kept as they were: ${safety}`)
  else if (safety !== null)
    lines.push(`  what was there before is kept: ${safety}`, '  to have that back: lockkeeper restore --undo')
  lines.push(`  next: ${nextStep(result)}`)
  return { sentence, text: lines.join('\n'), document: result, facts: { restored, level, safety } }
}

function nextStep({ standing }: RestoreResult): string {
  if (standing === null) return 'lockkeeper status says whether migrations are pending; lockkeeper run applies them'
  const { highest, hint, kind, pending, problem } = standing
  if (problem !== null)
    return `the migrations here do not fit it: ${problem}${hint === null ? '' : `\n        ${hint}`}`
  if (kind === 'unmanaged') return 'it has tables but no bookkeeping: lockkeeper run --adopt takes it over'
  if (pending.length === 0) return `it is at the level of the migrations here (${highest}), nothing is pending`
  const first = pending.length === 1 ? pending[0] : `${pending[0]} to ${pending.at(-1)}`
  return `${pending.length} of the migrations here ${pending.length === 1 ? 'is' : 'are'} pending, ${first}: lockkeeper run applies them`
}

function besideOutcome(result: RestoredBeside): Outcome {
  const { bytes, damaged, file, level, restored } = result
  const sentence = `${file} holds ${restored}, at ${level ?? 'no level'} (${formatBytes(bytes)}).`
  const text = damaged === null ? sentence : `${sentence}\n  It is of a damaged database, as it was: ${damaged}`
  return { sentence, text, document: result, facts: { restored, level, file } }
}

async function ask(context: Context<(typeof settings)[number]>): Promise<string> {
  const { config, given, signal } = context
  const terminal = await context.terminal()
  if (terminal === undefined)
    throw new LockkeeperError('usage', 'restore --interactive needs a person at a terminal', {
      hint: 'In Kubernetes: kubectl exec -it, or kubectl debug -it. Without one: lockkeeper backups lists them, lockkeeper restore --id takes one.',
    })
  const { choicesIn, describeTarget } = await import('../job/restore/choices.ts')
  const { withRepository } = await import('../job/save.ts')
  const { choose } = await import('./choose.ts')
  const { database } = config
  const holds = await describeTarget({ database, signal, viewInProcess: true })
  const { to } = given
  const place =
    typeof to === 'string'
      ? { path: to, holds: 'a new file', keeps: false }
      : { path: database, holds, keeps: !['not there', 'empty'].includes(holds) }
  return withRepository(requiredRepository(config), database, { create: false }, async repository =>
    choose(terminal, await choicesIn(repository), place),
  )
}

function selectionOf({
  at,
  id,
  interactive,
  latest,
  tier,
  undo,
}: Readonly<Record<string, string | true | undefined>>): Selection | 'interactive' {
  const said = [at, id, interactive, latest, undo].filter(value => value !== undefined)
  if (said.length !== 1)
    throw new LockkeeperError('usage', 'restore takes one of --latest, --id, --at, --interactive and --undo', {
      hint: 'lockkeeper backups lists what there is; lockkeeper restore --latest takes the newest good one.',
    })
  if (tier !== undefined && at === undefined && latest === undefined)
    throw new LockkeeperError('usage', '--tier goes with --latest or --at', { hint: 'Leave it out.' })
  const narrowed = typeof tier === 'string' ? { tier: tierOf(tier) } : {}
  if (interactive === true) return 'interactive'
  if (undo === true) return { undo: true }
  if (typeof id === 'string') return { id }
  if (latest === true) return { latest: true, ...narrowed }
  try {
    return { at: parseMoment(String(at)), ...narrowed }
  } catch (error) {
    throw new LockkeeperError('usage', `--at takes a moment: ${messageOf(error)}`, {
      hint: 'Write it as ISO 8601: 2026-11-23T08:00:00Z. lockkeeper backups shows how old each one is.',
    })
  }
}

function tierOf(tier: string): Tier {
  const known = tiers.find(candidate => candidate === tier)
  if (known !== undefined) return known
  throw new LockkeeperError('usage', `--tier does not know ${tier}`, { hint: `It takes one of: ${tiers.join(', ')}.` })
}
