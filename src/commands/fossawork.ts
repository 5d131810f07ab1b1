/** What the commands for the reference application have in common. */
import type { Config } from '../config/settings.ts'
import type { RowsJobOptions } from '../job/rows/change.ts'
import type { CommandGroup, Context } from './command.ts'
import { actorOf, actorSettings, lockSettings, repositoryFrom, repositorySettings } from './from-config.ts'

export const fossawork: CommandGroup = {
  name: 'fossawork',
  summary: 'For FossaWork V2, the reference application: import the data of V1, encrypt what is in plain text.',
}

const encryptionSettings = ['encryptionPassword', 'encryptionSalt'] as const

export const fossaworkSettings = [
  'database',
  ...repositorySettings,
  'noBackup',
  ...lockSettings,
  'tmpdir',
  ...encryptionSettings,
  ...actorSettings,
] as const

export function encryptionFrom({ encryptionPassword, encryptionSalt }: Config<(typeof encryptionSettings)[number]>) {
  return { password: encryptionPassword, salt: encryptionSalt }
}

export function rowsOptions({
  config,
  given,
  inKubernetes,
  listener,
  redact,
  signal,
}: Context<(typeof fossaworkSettings)[number]>): RowsJobOptions {
  return {
    database: config.database,
    repository: repositoryFrom(config),
    noBackup: config.noBackup,
    lockTimeout: config.lockTimeout,
    ...(config.tmpdir === undefined ? {} : { tmpdir: config.tmpdir }),
    fileSystem: { allowed: config.allowFilesystem, inKubernetes },
    actor: actorOf(config),
    listener,
    redact,
    signal,
    dryRun: given['dryRun'] === true,
    // The command line never has the database open otherwise.
    viewInProcess: true,
  }
}
