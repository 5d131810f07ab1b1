import { command } from './command.ts'
import { encryptionFrom, fossawork, fossaworkSettings, rowsOptions } from './fossawork.ts'

export const encryptCredentials = command({
  group: fossawork,
  name: 'encrypt-credentials',
  summary: 'Encrypt the credentials that the database has in plain text.',
  examples: [
    'lockkeeper fossawork encrypt-credentials --dry-run   # how many there are',
    'lockkeeper fossawork encrypt-credentials',
  ],
  settings: fossaworkSettings,
  options: [{ flags: '--dry-run', help: 'only tell how many would be encrypted; touch nothing' }],
  run: async context => {
    const { encryptStored } = await import('../fossawork/encrypt-stored.ts')
    const { rewriteCells } = await import('../job/rewrite-cells.ts')
    const { plan, ...result } = await rewriteCells(rowsOptions(context), encryptStored(encryptionFrom(context.config)))
    const { backup, database, level, outcome } = result
    const [encrypted, rows] = [plan.changes.length, plan.rows]
    if (outcome === 'changed' && backup !== null)
      context.listener({
        kind: 'warning',
        step: 'done',
        message: `the backup ${backup} still has them in plain text, and so have older ones: let them go when they are not needed any more`,
      })
    const sentence = {
      unchanged: `Nothing to encrypt: ${rows} of ${rows} rows of user_credentials are encrypted, and can be read with this password.`,
      planned: `Would encrypt ${encrypted} of ${rows} rows of user_credentials. Nothing was touched.`,
      changed: `Encrypted ${encrypted} of ${rows} rows of user_credentials; all of them can be read with this password.`,
    }[outcome]
    const text = backup === null ? sentence : `${sentence}\nbackup of what was there before: ${backup}`
    return {
      sentence,
      text,
      document: { ...result, rows, encrypted },
      facts: { outcome, database, level, rows, encrypted, backup },
    }
  },
})
