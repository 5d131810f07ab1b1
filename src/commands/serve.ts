import { command } from './command.ts'
import {
  migrationSettings,
  migrationsFolder,
  repositoryFrom,
  repositorySettings,
  retentionFrom,
  retentionSettings,
} from './from-config.ts'

export const serve = command({
  name: 'serve',
  summary: 'Stay up, and answer over HTTP: status, health, and metrics for Prometheus.',
  examples: [
    'lockkeeper serve',
    'lockkeeper serve --listen 0.0.0.0:9375     # in a pod, for probes and Prometheus',
    'curl http://127.0.0.1:9375/readyz',
  ],
  settings: ['database', ...migrationSettings, ...repositorySettings, ...retentionSettings, 'listen'],
  staysUp: true,
  run: async ({ config, listener, redact, signal }) => {
    const { history, plan, status } = await import('../job/inspect.ts')
    const { overview } = await import('../job/overview.ts')
    const { backups } = await import('../job/backups.ts')
    const { serve } = await import('../serve/server.ts')
    const { database, drift, ignore, listen, onNewerSchema, outOfOrder } = config
    const asked = {
      database,
      migrations: migrationsFolder(config),
      drift: { policy: drift, ignore },
      outOfOrder,
      onNewerSchema,
    }
    const repository = repositoryFrom(config)
    return serve({
      listen,
      questions: {
        status: signal => status({ ...asked, signal }),
        plan: signal => plan({ ...asked, signal }),
        history: signal => history({ database, signal }),
        repository: repository && {
          backups: () => backups(repository, database, retentionFrom(config)),
          overview: () => overview(repository, database),
        },
      },
      listener,
      redact,
      signal,
    })
  },
})
