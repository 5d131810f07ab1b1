/**
 * Time and peak memory of backing up, fetching and verifying a large database, with a `file://` repository:
 * `node bench/backup.ts [megabytes]`, 1000 by default. Each step runs in a process of its own, whose peak resident memory it prints.
 * Needs about three times the size in the folder for temporary files.
 */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createBackup } from '../src/backup/create.ts'
import { fetchBackup } from '../src/backup/fetch.ts'
import { openRepository } from '../src/backup/repository.ts'
import { findBackup } from '../src/backup/select.ts'
import { verifyBackup } from '../src/backup/verify.ts'
import { WorkingCopy } from '../src/backup/working-copy.ts'
import { fileStore } from '../src/storage/file.ts'
import { makeDatabase } from './database.ts'

const run = promisify(execFile)
function changeOneRow(path: string): void {
  const database = new DatabaseSync(path)
  database.exec("UPDATE visits SET note = 'changed' WHERE id = 1000")
  database.close()
}

const facts = {
  tiers: ['manual'],
  database: { pageSize: 4096, journalMode: 'delete', encoding: 'UTF-8' },
  schema: { level: null, fingerprint: null, applied: 0 },
  engine: { lockkeeper: 'bench', node: process.version, sqlite: process.versions['sqlite'] ?? '' },
  by: { host: 'bench' },
} as const

async function step(name: string, folder: string): Promise<void> {
  const database = join(folder, 'bench.db')
  const store = fileStore(join(folder, 'repository'))
  const repository = await openRepository(store, { databaseName: 'bench', create: true })
  const latest = async () => (await findBackup(repository, { latest: true })).backup
  const started = performance.now()
  const processor = process.cpuUsage()
  let stored = ''
  if (name === 'fetch') await fetchBackup(repository, await latest(), join(folder, 'fetched.db'))
  else if (name === 'verify') {
    const inspect = async () => ({ how: 'not at all', problems: [], notes: [] })
    const copy = new WorkingCopy(join(folder, 'copy.db'))
    await verifyBackup(repository, await latest(), { inspect, copy, by: facts.by })
  } else {
    const result = await createBackup(repository, database, facts)
    stored = `, stored ${result.stored.chunks} chunks, ${(result.stored.bytes / 1e6).toFixed(1)} MB`
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(2)
  const { user, system } = process.cpuUsage(processor)
  const peak = (process.resourceUsage().maxRSS / 1024).toFixed(0)
  console.log(`${name}: ${seconds} s (processor ${((user + system) / 1e6).toFixed(2)} s), peak ${peak} MiB${stored}`)
  await store.close()
}

async function main(megabytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lockkeeper-bench-'))
  const database = join(folder, 'bench.db')
  const inOwnProcess = async (name: string) => {
    const { stdout } = await run(process.execPath, [fileURLToPath(import.meta.url), name, folder])
    process.stdout.write(stdout)
  }
  try {
    // A process begins with the peak of the one that started it.
    await run(process.execPath, [fileURLToPath(import.meta.url), 'make', folder, String(megabytes)])
    console.log(`database: ${((await stat(database)).size / 1e6).toFixed(0)} MB`)
    for (const name of ['first', 'unchanged']) await inOwnProcess(name)
    changeOneRow(database)
    for (const name of ['one-row', 'fetch', 'verify']) await inOwnProcess(name)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const [name, folder, size] = process.argv.slice(2)
if (name === 'make' && folder !== undefined) makeDatabase(join(folder, 'bench.db'), Number(size))
else if (name !== undefined && folder !== undefined) await step(name, folder)
else await main(Number(name ?? 1000))
