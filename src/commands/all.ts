/** Every command, in the order in which help lists them. Loaded where more than the usual command line is wanted. */
import { backup } from './backup.ts'
import { backups } from './backups.ts'
import { baseline } from './baseline.ts'
import type { Command } from './command.ts'
import { drill } from './drill.ts'
import { encryptCredentials } from './fossawork-encrypt-credentials.ts'
import { importV1 } from './fossawork-import-v1.ts'
import { history } from './history.ts'
import { lint } from './lint.ts'
import { newCommand } from './new.ts'
import { pin, unpin } from './pin.ts'
import { plan } from './plan.ts'
import { prune } from './prune.ts'
import { restore } from './restore.ts'
import { rollback } from './rollback.ts'
import { run } from './run.ts'
import { schedule } from './schedule.ts'
import { schema } from './schema.ts'
import { serve } from './serve.ts'
import { status } from './status.ts'
import { validate } from './validate.ts'
import { verify } from './verify.ts'

export { runProgram } from './program.ts'

export const commands: readonly Command[] = [
  run,
  status,
  plan,
  history,
  rollback,
  validate,
  backup,
  backups,
  verify,
  drill,
  prune,
  pin,
  unpin,
  restore,
  schedule,
  serve,
  baseline,
  lint,
  schema,
  newCommand,
  importV1,
  encryptCredentials,
]
