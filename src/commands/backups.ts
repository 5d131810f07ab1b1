import type { BackupList } from '../job/backups.ts'
import { counted, formatBytes, formatDuration } from '../units.ts'
import { command } from './command.ts'
import { repositorySettings, requiredRepository, retentionFrom, retentionSettings } from './from-config.ts'
import { table } from './table.ts'

export const backups = command({
  name: 'backups',
  summary: 'The backups that there are, the newest first.',
  examples: ['lockkeeper backups', 'lockkeeper backups --json'],
  settings: ['database', ...repositorySettings, ...retentionSettings],
  run: async ({ config }) => {
    const { backups } = await import('../job/backups.ts')
    const document = await backups(requiredRepository(config), config.database, retentionFrom(config))
    const { backups: found, problems, repository } = document
    const sentence = `${counted(found.length, 'backup')} in ${repository}.`
    const lines =
      found.length === 0
        ? []
        : [table(['age', 'tier', 'size', 'new', 'level', 'verified', 'id', 'kept'], found.map(rowOf)), '']
    for (const { found: wrong, id } of found) if (wrong.length > 0) lines.push(`${id} is bad: ${wrong[0]}`)
    for (const { message } of problems) lines.push(`problem: ${message}`)
    return { sentence, text: [...lines, sentence].join('\n'), document, facts: { backups: found.length } }
  },
})

function rowOf({ check, id, manifest, retention }: BackupList['backups'][number]): string[] {
  const since = (moment: number) => formatDuration(Math.max(0, Date.now() - moment))
  const verified = check === undefined ? '-' : `${check.result}, ${since(check.time.getTime())} ago`
  return [
    since(Date.parse(manifest.createdAt)),
    manifest.tiers.join('+'),
    formatBytes(manifest.database.bytes),
    formatBytes(manifest.stored.bytes),
    manifest.schema.level ?? 'none',
    manifest.damaged === false ? verified : 'damaged',
    id,
    `${retention?.keep ? '' : 'not: '}${retention?.reasons.join('; ')}`,
  ]
}
