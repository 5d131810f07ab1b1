import type { BackupResult } from '../backup/create.ts'
import { type Tier, tiers } from '../backup/format.ts'
import { LockkeeperError } from '../errors.ts'
import type { BackupAndPrune } from '../job/backup-and-prune.ts'
import { formatBytes } from '../units.ts'
import { command, type Outcome } from './command.ts'
import {
  actorOf,
  actorSettings,
  lockSettings,
  repositorySettings,
  requiredRepository,
  retentionFrom,
  temporaryFolder,
} from './from-config.ts'
import { pruneDocument, pruneSettings, toldOfPrune } from './prune.ts'

export const backup = command({
  name: 'backup',
  summary: 'Store a consistent copy while the application goes on.',
  examples: [
    'lockkeeper backup',
    'lockkeeper backup --tier daily --prune          # what a CronJob does',
    'lockkeeper backup --pin --note "before the audit"',
  ],
  settings: ['database', ...repositorySettings, ...lockSettings, 'tmpdir', ...pruneSettings, ...actorSettings],
  options: [
    { flags: '--tier <tiers>', help: `one or several of ${tiers.join(', ')}; separated by commas; default manual` },
    { flags: '--note <text>', help: 'kept with the backup' },
    { flags: '--pin', help: 'keep it for good: prune never removes it' },
    { flags: '--prune', help: 'afterwards, remove the backups that the retention policy does not keep' },
  ],
  run: async ({ config, given, inKubernetes, listener, signal }) => {
    const { backUpAndPrune } = await import('../job/backup-and-prune.ts')
    const { note, pin, tier } = given
    const { grace } = config
    const done = await backUpAndPrune({
      database: config.database,
      repository: requiredRepository(config),
      lockTimeout: config.lockTimeout,
      fileSystem: { allowed: config.allowFilesystem, inKubernetes },
      tmpdir: temporaryFolder(config),
      tiers: chosenTiers(tier),
      ...(typeof note === 'string' ? { note } : {}),
      pin: pin === true,
      ...(given['prune'] === true ? { prune: { ...retentionFrom(config), grace } } : {}),
      actor: actorOf(config),
      listener,
      signal,
      viewInProcess: true,
    })
    const { id, manifest, stored, existing = null, reused } = done.backup
    const parts = [told(done.backup), ...toldOfPin(done.pinned), ...toldAfterwards(done.pruned, grace)]
    const code = parts.find(part => part.code !== undefined)?.code
    return {
      sentence: parts.map(({ sentence }) => sentence).join(' '),
      text: parts.map(({ sentence }) => sentence).join('\n'),
      document: { id, existing, stored, reused, manifest, ...documentOf(done) },
      facts: { backup: id, bytes: manifest.database.bytes, stored: stored.bytes, ...factsOf(done) },
      ...(code === undefined ? {} : { code }),
    }
  },
})

type Part = Pick<Outcome, 'sentence' | 'code'>

function toldOfPin(pinned: BackupAndPrune['pinned']): Part[] {
  if (pinned === undefined) return []
  if (pinned === true) return [{ sentence: 'It is pinned.' }]
  return [{ sentence: `It is not pinned: ${pinned.message}.`, code: pinned.code }]
}

/** The backup is there, whatever came of the prune; that it failed still has to be seen, or the repository fills up. */
function toldAfterwards(pruned: BackupAndPrune['pruned'], grace: number): Part[] {
  if (pruned === undefined) return []
  if (!(pruned instanceof LockkeeperError)) return [toldOfPrune(pruned, { dryRun: false, grace })]
  const hint = pruned.hint === undefined ? '' : ` ${pruned.hint}`
  return [{ sentence: `The backup is stored, but pruning failed: ${pruned.message}.${hint}`, code: pruned.code }]
}

function documentOf({ pinned, pruned }: BackupAndPrune): object {
  const errorOf = ({ code, hint, message }: LockkeeperError) => ({ error: { code, message, hint: hint ?? null } })
  return {
    ...(pinned === undefined ? {} : { pinned: pinned === true ? true : errorOf(pinned) }),
    ...(pruned === undefined
      ? {}
      : { prune: pruned instanceof LockkeeperError ? errorOf(pruned) : pruneDocument(pruned) }),
  }
}

function factsOf({ pruned }: BackupAndPrune): object {
  return pruned === undefined || pruned instanceof LockkeeperError ? {} : { removed: pruned.removed.length }
}

/** What there is to say of a backup that was made. */
function told({ id, manifest, stored }: BackupResult): Pick<Outcome, 'sentence' | 'code'> {
  const { damaged, database } = manifest
  if (damaged === false)
    return { sentence: `Backup ${id}: ${formatBytes(database.bytes)}, ${formatBytes(stored.bytes)} of it new.` }
  return {
    sentence: `The database is damaged: ${damaged.reason}. Its bytes are kept as ${id}, which never counts as a good backup; lockkeeper restore --latest brings back the newest good one.`,
    code: 'invalid',
  }
}

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
