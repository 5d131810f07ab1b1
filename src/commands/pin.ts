import { LockkeeperError } from '../errors.ts'
import { command } from './command.ts'
import { actorOf, actorSettings, repositorySettings, requiredRepository } from './from-config.ts'

const argument = { name: 'id', help: 'this backup; the beginning of its id is enough' }
const settings = ['database', ...repositorySettings, ...actorSettings] as const

export const pin = command({
  name: 'pin',
  summary: 'Keep a backup for good: prune never removes it.',
  examples: ['lockkeeper pin 00000042', 'lockkeeper pin 00000042 --reason "the audit of 2026"'],
  settings,
  argument,
  options: [{ flags: '--reason <text>', help: 'kept with the pin' }],
  run: async ({ config, given }) => {
    const { pinBackup } = await import('../job/pins.ts')
    const { reason } = given
    const pinned = await pinBackup({
      database: config.database,
      repository: requiredRepository(config),
      id: requiredId(given['id'], 'pin'),
      ...(typeof reason === 'string' ? { reason } : {}),
      actor: actorOf(config),
    })
    const sentence = `${pinned.id} ${pinned.before ? 'was pinned before' : 'is pinned'}.`
    return { sentence, text: sentence, document: pinned, facts: { pinned: pinned.id } }
  },
})

export const unpin = command({
  name: 'unpin',
  summary: 'Let the retention policy decide about a backup again.',
  examples: ['lockkeeper unpin 00000042'],
  settings,
  argument,
  run: async ({ config, given }) => {
    const { unpinBackup } = await import('../job/pins.ts')
    const unpinned = await unpinBackup({
      database: config.database,
      repository: requiredRepository(config),
      id: requiredId(given['id'], 'unpin'),
      actor: actorOf(config),
    })
    const sentence = `${unpinned.id} ${unpinned.before ? 'is no longer pinned' : 'was not pinned'}.`
    return { sentence, text: sentence, document: unpinned, facts: { unpinned: unpinned.id } }
  },
})

function requiredId(id: string | true | undefined, name: string): string {
  if (typeof id === 'string' && id !== '') return id
  throw new LockkeeperError('usage', `${name} takes the id of a backup`, {
    hint: 'lockkeeper backups lists the ids; the beginning of one is enough.',
  })
}
