import { formatDuration } from '../units.ts'
import { command } from './command.ts'
import {
  actorOf,
  actorSettings,
  migrationSettings,
  migrationsFolder,
  repositorySettings,
  requiredRepository,
  temporaryFolder,
} from './from-config.ts'

export const drill = command({
  name: 'drill',
  summary:
    "Rehearse the worst day: the newest good backup comes back to a private place, and this image's migrations run on it.",
  examples: ['lockkeeper drill', 'lockkeeper drill --json'],
  settings: [
    'database',
    ...migrationSettings,
    ...repositorySettings,
    'adopt',
    'lockTimeout',
    'tmpdir',
    ...actorSettings,
  ],
  run: async ({ config, listener, redact, signal }) => {
    const { drill } = await import('../job/drill.ts')
    const result = await drill({
      database: config.database,
      migrations: migrationsFolder(config),
      repository: requiredRepository(config),
      adopt: config.adopt,
      drift: { policy: config.drift, ignore: config.ignore },
      outOfOrder: config.outOfOrder,
      lockTimeout: config.lockTimeout,
      tmpdir: temporaryFolder(config),
      actor: actorOf(config),
      listener,
      redact,
      signal,
    })
    const { backup, bad, failure, unrecorded } = result
    const lines = bad.flatMap(({ id, problems }) => [`bad   ${id}`, ...problems.map(problem => `        ${problem}`)])
    lines.push(`good  ${backup.id}  ${backup.how}, ${formatDuration(backup.milliseconds)}`)
    lines.push(...backup.notes.map(note => `      note: ${note}`))
    if (unrecorded !== null) lines.push(`the results could not be stored: ${unrecorded.message}`)
    const comesBack = `The backup ${backup.id} comes back`
    const sentences = [
      failure === null
        ? `${comesBack} whole, and this image runs on it at ${result.deploy?.level ?? 'no level'}.`
        : `${comesBack} whole, but this image does not run on it: ${failure.message}`,
      ...(bad.length === 0 ? [] : [`Bad are: ${bad.map(({ id }) => id).join(', ')}.`]),
    ]
    const sentence = sentences.join(' ')
    const code = bad.length > 0 ? 'invalid' : (failure ?? unrecorded)?.code
    return {
      sentence,
      text: [...lines, '', sentence].join('\n'),
      document: {
        ...result,
        failure: failure && { code: failure.code, message: failure.message },
        unrecorded: unrecorded?.message ?? null,
      },
      facts: { backup: backup.id, level: result.deploy?.level ?? null, bad: bad.map(({ id }) => id) },
      ...(code === undefined ? {} : { code }),
    }
  },
})
