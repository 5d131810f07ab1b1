import { type Tier, tiers } from '../backup/format.ts'
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

export const backup = command({
  name: 'backup',
  summary: 'Store a consistent copy while the application goes on.',
  examples: ['lockkeeper backup', 'lockkeeper backup --tier daily', 'lockkeeper backup --note "before the audit"'],
  settings: ['database', ...repositorySettings, ...lockSettings, 'tmpdir', ...actorSettings],
  options: [
    { flags: '--tier <tiers>', help: `one or several of ${tiers.join(', ')}; separated by commas; default manual` },
    { flags: '--note <text>', help: 'kept with the backup' },
  ],
  run: async ({ config, given, inKubernetes, listener, signal }) => {
    const { backUp } = await import('../job/backup.ts')
    const { note, tier } = given
    const result = await backUp({
      database: config.database,
      repository: requiredRepository(config),
      lockTimeout: config.lockTimeout,
      fileSystem: { allowed: config.allowFilesystem, inKubernetes },
      tmpdir: temporaryFolder(config),
      tiers: chosenTiers(tier),
      ...(typeof note === 'string' ? { note } : {}),
      actor: actorOf(config),
      listener,
      signal,
      viewInProcess: true,
    })
    const { id, manifest, stored } = result
    const { damaged } = manifest
    const done = `Backup ${id}: ${formatBytes(manifest.database.bytes)}, ${formatBytes(stored.bytes)} of it new.`
    const sentence =
      damaged === false
        ? done
        : `The database is damaged: ${damaged.reason}. Its bytes are kept as ${id}, which never counts as a good backup; lockkeeper restore --latest brings back the newest good one.`
    const document = { id, existing: result.existing ?? null, stored, reused: result.reused, manifest }
    return {
      sentence,
      text: sentence,
      document,
      facts: { backup: id, bytes: manifest.database.bytes, stored: stored.bytes },
      ...(damaged === false ? {} : { code: 'invalid' }),
    }
  },
})

function chosenTiers(given: string | true | undefined): readonly Tier[] {
  if (typeof given !== 'string') return ['manual']
  const named = given.split(',').map(tier => tier.trim())
  const unknown = named.filter(tier => !(tiers as readonly string[]).includes(tier))
  if (unknown.length > 0)
    throw new LockkeeperError('usage', `--tier does not know ${unknown.join(', ')}`, {
      hint: `It takes: ${tiers.join(', ')}.`,
    })
  return tiers.filter(tier => named.includes(tier))
}
