import type { JudgedBackup, PruneReport } from '../backup/prune.ts'
import { formatBytes, formatDuration } from '../units.ts'
import { command, type Outcome } from './command.ts'
import {
  actorOf,
  actorSettings,
  repositorySettings,
  requiredRepository,
  retentionFrom,
  retentionSettings,
} from './from-config.ts'
import { table } from './table.ts'

export const pruneSettings = [...retentionSettings, 'grace'] as const

export const prune = command({
  name: 'prune',
  summary: 'Remove the backups that the retention policy does not keep, and later what only they used.',
  examples: [
    'lockkeeper prune --dry-run                # what would stay and what would go, and why',
    'lockkeeper prune',
    'lockkeeper prune --keep-daily 14 --keep-within 48h --time-zone Europe/Berlin',
  ],
  settings: ['database', ...repositorySettings, ...pruneSettings, ...actorSettings],
  options: [{ flags: '--dry-run', help: 'only tell, with the reason for each backup' }],
  run: async ({ config, given, listener, signal }) => {
    const { pruneBackups } = await import('../job/prune.ts')
    const dryRun = given['dryRun'] === true
    const report = await pruneBackups({
      database: config.database,
      repository: requiredRepository(config),
      ...retentionFrom(config),
      grace: config.grace,
      dryRun,
      actor: actorOf(config),
      listener,
      signal,
    })
    const { sentence, ...code } = toldOfPrune(report, { dryRun, grace: config.grace })
    const shown = report.backups.toReversed().filter(({ keep }) => dryRun || !keep)
    const lines =
      shown.length === 0 ? [] : [table(['', 'age', 'tier', 'level', 'size', 'id', 'why'], shown.map(rowOf)), '']
    return {
      sentence,
      text: [...lines, sentence].join('\n'),
      document: { dryRun, ...pruneDocument(report) },
      facts: {
        removed: report.removed.length,
        kept: report.backups.length - report.removed.length,
        freed: report.deleted.bytes,
      },
      ...code,
    }
  },
})

export function pruneDocument({ blocked, refused, withoutBackups, ...report }: PruneReport): object {
  return {
    ...report,
    withoutBackups: withoutBackups ?? null,
    blocked: blocked ?? null,
    refused: refused?.message ?? null,
  }
}

function rowOf({ bytes, facts, id, keep, reasons }: JudgedBackup): string[] {
  const age = formatDuration(Math.max(0, Date.now() - facts.createdAt))
  const { level, tiers } = facts
  return [keep ? 'keep' : 'remove', age, tiers.join('+'), level ?? 'none', formatBytes(bytes), id, reasons.join('; ')]
}

/** What there is to say of a prune that was done, or tried. */
export function toldOfPrune(
  { backups, blocked, deleted, refused, released, removed, waiting, withoutBackups }: PruneReport,
  { dryRun, grace }: { readonly dryRun: boolean; readonly grace: number },
): Pick<Outcome, 'sentence' | 'code'> {
  if (blocked !== undefined)
    return {
      sentence: `${removed.length === 0 ? 'Nothing was removed' : 'Nothing was deleted'}: ${blocked}. Bring that object back, or move it out of the repository if it is beyond help.`,
      code: 'invalid',
    }
  if (withoutBackups !== undefined)
    return {
      sentence: `There is no backup, but ${formatBytes(withoutBackups.bytes)} of content, of which nothing was deleted. If there were backups, something else than lockkeeper removed their manifests, such as a lifecycle rule or a wrong command: bring backups/ back from older versions or from a copy before the next backup is made. If the first backup was killed, the next one uses what is there.`,
    }
  const parts: string[] = []
  if (backups.length === 0) parts.push('There are no backups')
  else if (removed.length === 0) parts.push(`All ${backups.length} backups stay`)
  else parts.push(`${dryRun ? 'Would remove' : 'Removed'} ${removed.length} of ${backups.length} backups`)
  if (released.objects > 0)
    parts.push(
      `${formatBytes(released.bytes)} that nothing uses any more can be deleted after ${formatDuration(grace)}`,
    )
  if (waiting.objects > 0) parts.push(`${formatBytes(waiting.bytes)} that was marked before still waits`)
  if (deleted.objects > 0)
    parts.push(`${dryRun ? 'would delete' : 'deleted'} ${formatBytes(deleted.bytes)} that was marked before`)
  const sentence = `${parts.join('; ')}.`
  if (refused === undefined) return { sentence }
  const hint = refused.hint === undefined ? '' : ` ${refused.hint}`
  return { sentence: `The object store refuses to delete: ${refused.message}.${hint} ${sentence}`, code: refused.code }
}
