import { LockkeeperError } from '../errors.ts'
import type { VerifyOptions } from '../job/verify.ts'
import { formatDuration } from '../units.ts'
import { command } from './command.ts'
import { actorOf, actorSettings, repositorySettings, requiredRepository, temporaryFolder } from './from-config.ts'

export const verify = command({
  name: 'verify',
  summary: 'See that a backup is whole: fetched, put together, checked by SQLite, compared with its manifest.',
  examples: [
    'lockkeeper verify --latest',
    'lockkeeper verify 00000042',
    'lockkeeper verify --all --timeout 2h     # every backup, and every other object of the repository',
  ],
  settings: ['database', ...repositorySettings, 'tmpdir', ...actorSettings],
  argument: { name: 'id', help: 'this backup; the beginning of its id is enough' },
  options: [
    { flags: '--latest', help: 'the newest good one, which a restore would take' },
    { flags: '--all', help: 'all of them, the newest first' },
  ],
  run: async ({ config, given, listener, signal }) => {
    const { verify } = await import('../job/verify.ts')
    const result = await verify({
      database: config.database,
      repository: requiredRepository(config),
      tmpdir: temporaryFolder(config),
      which: chosen(given),
      actor: actorOf(config),
      listener,
      signal,
    })
    const { backups, good, notes, problems, repository, unrecorded } = result
    const lines = backups.flatMap(({ how, id, milliseconds, notes, problems, result }) => [
      `${result.padEnd(4)}  ${id}  ${how === null ? '' : `${how}, `}${formatDuration(milliseconds)}`,
      ...problems.map(problem => `        ${problem}`),
      ...notes.map(note => `      note: ${note}`),
    ])
    lines.push(...problems.map(({ message }) => `bad   ${message}`), ...notes.map(note => `note: ${note}`))
    if (unrecorded !== null) lines.push(`the results could not be stored: ${unrecorded.message}`)
    const bad = backups.filter(backup => backup.result === 'bad').map(({ id }) => id)
    const damaged = backups.filter(backup => backup.result === 'damaged').length
    const others = problems.map(({ key }) => key)
    const sentence = good
      ? damaged > 0
        ? `${backups.length - damaged} of ${backups.length} backups in ${repository} are good; ${damaged} are whole, of a database that was damaged when it was backed up.`
        : `${backups.length === 1 ? `The backup ${backups[0]?.id} is` : `All ${backups.length} backups in ${repository} are`} good.`
      : `${[...bad, ...others].join(', ')} ${bad.length + others.length === 1 ? 'is' : 'are'} bad; ${backups.length - bad.length - damaged} of ${backups.length} backups are good.`
    const code = good ? unrecorded?.code : 'invalid'
    return {
      sentence,
      text: [...lines, '', sentence].join('\n'),
      document: { ...result, unrecorded: unrecorded?.message ?? null },
      facts: { verified: backups.length, bad },
      ...(code === undefined ? {} : { code }),
    }
  },
})

function chosen({ all, id, latest }: Readonly<Record<string, string | true | undefined>>): VerifyOptions['which'] {
  const said = [all, id, latest].filter(value => value !== undefined)
  if (said.length !== 1)
    throw new LockkeeperError('usage', 'verify takes one of an id, --latest and --all', {
      hint: 'lockkeeper backups lists the ids; lockkeeper verify --latest looks at the one that a restore would take.',
    })
  if (typeof id === 'string') return { id }
  return latest === true ? { latest } : { all: true }
}
