import { counted, formatDuration } from '../units.ts'
import { command } from './command.ts'
import { table } from './table.ts'

export const history = command({
  name: 'history',
  summary: 'What was done to the database: every attempt, the newest first.',
  examples: ['lockkeeper history', 'lockkeeper history --json'],
  settings: ['database'],
  run: async ({ config, signal }) => {
    const { history } = await import('../job/inspect.ts')
    const result = await history({ database: config.database, signal, viewInProcess: true })
    const { attempts, migrations } = result
    const rows = attempts.map(
      ({ action, backup_id, duration_ms, from_level, image, outcome, pod, host, started_at, to_level }) => [
        started_at.slice(0, 19),
        action,
        outcome,
        `${from_level ?? 'nothing'} to ${to_level ?? 'nothing'}`,
        formatDuration(duration_ms),
        pod ?? host ?? '',
        image ?? '',
        backup_id ?? '',
      ],
    )
    const errors = attempts.filter(({ error_message }) => error_message !== null)
    const lines =
      rows.length === 0
        ? []
        : [table(['when', 'what', 'outcome', 'levels', 'took', 'where', 'image', 'backup before'], rows)]
    for (const { error_message, started_at } of errors) lines.push(`\n${started_at.slice(0, 19)}  ${error_message}`)
    const sentence = `${counted(attempts.length, 'attempt')}, ${counted(migrations.length, 'migration')} on record.`
    return { sentence, text: [...lines, sentence].join('\n'), document: result, facts: { attempts: attempts.length } }
  },
})
