/** What the commands for the reference application have in common. */
import type { Config } from '../config/settings.ts'
import type { RowsJobOptions } from '../job/rows/change.ts'
import type { CommandGroup, Context } from './command.ts'
import { jobOptions, jobSettings } from './from-config.ts'

export const fossawork: CommandGroup = {
  name: 'fossawork',
  summary: 'For FossaWork V2, the reference application: import the data of V1, encrypt what is in plain text.',
}

const encryptionSettings = ['encryptionPassword', 'encryptionSalt'] as const

export const fossaworkSettings = [...jobSettings, ...encryptionSettings] as const

export function encryptionFrom({ encryptionPassword, encryptionSalt }: Config<(typeof encryptionSettings)[number]>) {
  return { password: encryptionPassword, salt: encryptionSalt }
}

export function rowsOptions(context: Context<(typeof fossaworkSettings)[number]>): RowsJobOptions {
  return { ...jobOptions(context), dryRun: context.given['dryRun'] === true }
}
