/**
 * A process that makes one backup, for being killed: `backup-process.ts ROOT DATABASE [CALL]`. Says `started` before,
 * `done` after. With a number it kills itself, as `kill -9` does, just before that call of the store.
 */

import { writeSync } from 'node:fs'
import { createBackup } from '../../src/backup/create.ts'
import { openRepository } from '../../src/backup/repository.ts'
import { fileStore } from '../../src/storage/file.ts'
import { factsWith, observed } from './observed.ts'

const [root = '', database = '', last = 'never'] = process.argv.slice(2)
let begun = false
let calls = 0
const { store } = observed(fileStore(root), () => {
  if (begun && String(calls++) === last) process.kill(process.pid, 'SIGKILL')
})
const repository = await openRepository(store, { databaseName: 'app', create: true, chunkSize: 4096 })
begun = true
writeSync(1, 'started\n')
await createBackup(repository, database, factsWith())
writeSync(1, `done ${calls}\n`)
