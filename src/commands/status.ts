import { formatBytes, formatDuration } from '../units.ts'
import { command } from './command.ts'
import { migrationSettings, migrationsFolder } from './from-config.ts'

export const status = command({
  name: 'status',
  summary: 'Where the database stands: level, pending migrations, the last attempt.',
  examples: ['lockkeeper status', 'lockkeeper status --json'],
  settings: ['database', ...migrationSettings],
  run: async ({ config, signal }) => {
    const { status } = await import('../job/inspect.ts')
    const { database, drift, ignore, onNewerSchema, outOfOrder } = config
    const result = await status({
      database,
      migrations: migrationsFolder(config),
      drift: { policy: drift, ignore },
      outOfOrder,
      onNewerSchema,
      signal,
      viewInProcess: true,
    })
    const { applied, bytes, halted, hint, journalMode, lastAttempt, level, pending, problem, state, warnings } = result
    const lines = [
      `database  ${result.database}: ${state}${journalMode === null ? '' : `, ${formatBytes(bytes)}, ${journalMode} mode`}`,
      `level     ${level ?? 'none'} (${applied} applied)`,
      `pending   ${pending.length === 0 ? 'nothing' : pending.join(', ')}`,
    ]
    for (const { begunAt, done, next, statements, version } of halted)
      lines.push(
        `stopped   ${version}, begun at ${begunAt}: ${done}${statements === null ? '' : ` of ${statements}`} statements are committed`,
        `          next: ${next}`,
      )
    if (lastAttempt !== null) {
      const { action, duration_ms, error_message, outcome, started_at, to_level } = lastAttempt
      lines.push(
        `last      ${action} at ${started_at}: ${outcome}, to ${to_level ?? 'nothing'}, ${formatDuration(duration_ms)}`,
      )
      if (error_message !== null) lines.push(`          ${error_message}`)
    }
    for (const warning of warnings) lines.push(`warning   ${warning}`)
    if (problem !== null) lines.push(`problem   ${problem}`)
    if (hint !== null) lines.push(`          ${hint}`)
    const sentence = problem ?? `The database is at ${level ?? 'no level'}, ${pending.length} pending.`
    return { sentence, text: lines.join('\n'), document: result, facts: { state, level, pending: pending.length } }
  },
})
