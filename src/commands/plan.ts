import { command } from './command.ts'
import { migrationSettings, migrationsFolder } from './from-config.ts'
import { table } from './table.ts'

export const plan = command({
  name: 'plan',
  summary: 'What run would do, in which order, and why; what it drops, deletes, rebuilds and fires is marked.',
  examples: ['lockkeeper plan', 'lockkeeper plan --to v004_add_rate_limiting --json'],
  settings: ['database', ...migrationSettings],
  options: [{ flags: '--to <version>', help: 'as far as this version' }],
  run: async ({ config, given, signal }) => {
    const { plan } = await import('../job/inspect.ts')
    const { database, drift, ignore, onNewerSchema, outOfOrder } = config
    const result = await plan({
      database,
      migrations: migrationsFolder(config),
      drift: { policy: drift, ignore },
      outOfOrder,
      onNewerSchema,
      signal,
      viewInProcess: true,
      ...(typeof given['to'] === 'string' ? { to: given['to'] } : {}),
    })
    const { from, level, migrations, takeBack } = result
    const rows = [
      ...takeBack.map(version => ['back', version, 'this image does not know it', '']),
      ...migrations.map(({ batch, description, version, why }) => [String(batch), version, why, description]),
    ]
    const back = takeBack.length === 0 ? '' : `${takeBack.length} to take back, `
    const sentence =
      rows.length === 0
        ? `Nothing to do: the database is at ${level ?? 'no level'}.`
        : `${back}${migrations.length} to run: from ${from ?? 'nothing'} to ${level ?? 'nothing'}.`
    const marks = migrations.flatMap(({ marks: found, version }) => found.map(mark => `! ${version} ${mark}`))
    const below = marks.length === 0 ? '' : `\n\n${marks.join('\n')}`
    const text =
      rows.length === 0 ? sentence : `${table(['batch', 'version', 'why', 'description'], rows)}${below}\n\n${sentence}`
    return { sentence, text, document: result, facts: { from, level, pending: migrations.length } }
  },
})
