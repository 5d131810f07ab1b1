import { type Tier, tiers } from '../backup/format.ts'
import type { Selection } from '../backup/select.ts'
import { LockkeeperError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { command } from './command.ts'
import {
  actorOf,
  actorSettings,
  lockSettings,
  repositorySettings,
  requiredRepository,
  temporaryFolder,
} from './from-config.ts'

export const restore = command({
  name: 'restore',
  summary: 'Bring a backup back: checked before, what is there kept, replaced in place.',
  examples: [
    'lockkeeper restore --latest',
    'lockkeeper restore --at 2026-11-23T08:00:00Z',
    'lockkeeper restore --id 00000042 --to /tmp/look.db   # beside the database, to look at',
  ],
  settings: ['database', ...repositorySettings, ...lockSettings, 'tmpdir', ...actorSettings],
  options: [
    { flags: '--latest', help: 'the newest good one, passing over those made before a restore' },
    { flags: '--tier <tier>', help: `with --latest or --at: one of ${tiers.join(', ')}` },
    { flags: '--id <id>', help: 'this one; the beginning of the id is enough' },
    { flags: '--at <time>', help: 'the newest that is not younger (ISO 8601)' },
    { flags: '--to <path>', help: 'into a new file instead of the database' },
  ],
  run: async ({ config, given, inKubernetes, listener, signal }) => {
    const { restore } = await import('../job/restore.ts')
    const { to } = given
    const result = await restore({
      database: config.database,
      repository: requiredRepository(config),
      lockTimeout: config.lockTimeout,
      fileSystem: { allowed: config.allowFilesystem, inKubernetes },
      tmpdir: temporaryFolder(config),
      selection: selectionOf(given),
      ...(typeof to === 'string' ? { to } : {}),
      actor: actorOf(config),
      listener,
      signal,
      viewInProcess: true,
    })
    const { bytes, database, level, restored, safety } = result
    const sentence = `${database} is ${restored} now, at ${level ?? 'no level'} (${formatBytes(bytes)}).`
    const lines = [sentence]
    if (safety !== null) lines.push(`  what was there before is kept: ${safety}`)
    if (to === undefined)
      lines.push('  next: lockkeeper status says whether migrations are pending; lockkeeper run applies them')
    return { sentence, text: lines.join('\n'), document: result, facts: { restored, level, safety } }
  },
})

function selectionOf({ at, id, latest, tier }: Readonly<Record<string, string | true | undefined>>): Selection {
  const said = [at, id, latest].filter(value => value !== undefined)
  if (said.length !== 1)
    throw new LockkeeperError('usage', 'restore takes one of --latest, --id and --at', {
      hint: 'lockkeeper backups lists what there is; lockkeeper restore --latest takes the newest good one.',
    })
  const narrowed = typeof tier === 'string' ? { tier: tierOf(tier) } : {}
  if (typeof id === 'string') return { id }
  if (latest === true) return { latest: true, ...narrowed }
  const time = new Date(String(at))
  if (Number.isNaN(time.getTime()))
    throw new LockkeeperError('usage', `--at takes a time, not "${at}"`, {
      hint: 'Write it as ISO 8601: 2026-11-23T08:00:00Z. lockkeeper backups shows how old each one is.',
    })
  return { at: time, ...narrowed }
}

function tierOf(tier: string): Tier {
  const known = tiers.find(candidate => candidate === tier)
  if (known !== undefined) return known
  throw new LockkeeperError('usage', `--tier does not know ${tier}`, { hint: `It takes one of: ${tiers.join(', ')}.` })
}
