/**
 * A process that prunes, for being killed: `prune-process.ts ROOT [CALL]`. Says `done` and how many calls of the store it
 * made. With a number it kills itself, as `kill -9` does, just before that call.
 */

import { writeSync } from 'node:fs'
import { prune } from '../../src/backup/prune.ts'
import { openRepository } from '../../src/backup/repository.ts'
import { fileStore } from '../../src/storage/file.ts'
import { nothing } from './facts.ts'
import { by, observed } from './observed.ts'

const [root = '', last = 'never'] = process.argv.slice(2)
let calls = 0
const { store } = observed(fileStore(root), () => {
  if (String(calls++) === last) process.kill(process.pid, 'SIGKILL')
})
const repository = await openRepository(store, { databaseName: 'app', create: false })
await prune(repository, { policy: { ...nothing, keepLast: 1 }, grace: 0, timeZone: 'UTC', dryRun: false, by })
writeSync(1, `done ${calls}\n`)
