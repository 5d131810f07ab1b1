import { formatBytes, formatDuration } from '../units.ts'
import { command } from './command.ts'
import { repositorySettings, requiredRepository } from './from-config.ts'
import { table } from './table.ts'

export const backups = command({
  name: 'backups',
  summary: 'The backups that there are, the newest first.',
  examples: ['lockkeeper backups', 'lockkeeper backups --json'],
  settings: ['database', ...repositorySettings],
  run: async ({ config }) => {
    const { withRepository } = await import('../job/save.ts')
    const { listBackups } = await import('../backup/catalog.ts')
    const settings = requiredRepository(config)
    const { backups: found, problems } = await withRepository(settings, config.database, { create: false }, listBackups)
    const now = Date.now()
    const rows = found
      .toReversed()
      .map(({ checked, id, manifest }) => [
        formatDuration(now - Date.parse(manifest.createdAt)),
        manifest.tiers.join('+'),
        formatBytes(manifest.database.bytes),
        formatBytes(manifest.stored.bytes),
        manifest.schema.level ?? 'none',
        manifest.damaged === false ? checked : 'damaged',
        id,
      ])
    const sentence = `${found.length} ${found.length === 1 ? 'backup' : 'backups'} in ${settings.url}.`
    const lines = rows.length === 0 ? [] : [table(['age', 'tier', 'size', 'new', 'level', 'checked', 'id'], rows), '']
    for (const { message } of problems) lines.push(`problem: ${message}`)
    const document = { repository: settings.url, backups: found.toReversed(), problems }
    return { sentence, text: [...lines, sentence].join('\n'), document, facts: { backups: found.length } }
  },
})
