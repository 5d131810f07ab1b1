/**
 * Time, peak memory and requests of pruning a repository of very many backups:
 * `node bench/prune.ts [backups] [chunks] [changed]`, 10,000 backups, one an hour, of a database of 256 chunks (256 MiB),
 * 10 of which change between two of them. A listing counts as one request for each 1,000 objects, as in S3. Each step runs
 * in a process of its own. The chunks are small here: nothing reads them.
 */

import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { backupId, chunkKey, listKey, manifestKey } from '../src/backup/format.ts'
import { makeList } from '../src/backup/lists.ts'
import { manifestBytes, sealManifest } from '../src/backup/manifest.ts'
import { prune } from '../src/backup/prune.ts'
import { openRepository, type Repository } from '../src/backup/repository.ts'
import { defaults } from '../src/job/defaults.ts'
import { fileStore } from '../src/storage/file.ts'
import type { ObjectStore } from '../src/storage/object-store.ts'

const run = promisify(execFile)
const hour = 60 * 60 * 1000
const by = { host: 'bench' }

const { policy } = defaults()

/** Writes the objects of such a repository straight into its folder. */
async function fill(root: string, backups: number, chunks: number, changed: number): Promise<void> {
  const repository = await openRepository(fileStore(root), { databaseName: 'bench', create: true })
  const write = (key: string, bytes: Uint8Array | string) => {
    const path = join(root, key)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
  const newChunk = (name: string) => {
    const key = chunkKey(hash('sha256', name))
    write(key, 'x'.repeat(100))
    return key
  }
  const keys = Array.from({ length: chunks }, (_, position) => newChunk(`${position}`))
  const begin = Date.now() - backups * hour
  for (let index = 0; index < backups; index++) {
    for (let change = 0; change < changed; change++)
      keys[(index * 7919 + change * 104_729) % chunks] = newChunk(`${index} ${change}`)
    const lists: string[] = []
    for (let from = 0; from < chunks; from += 1024) {
      const { sha256, text } = makeList(keys.slice(from, from + 1024))
      write(listKey(sha256), text)
      lists.push(listKey(sha256))
    }
    write(...manifestOf(repository, index + 1, new Date(begin + index * hour), chunks, lists))
  }
}

function manifestOf(
  { chunkSize: size, databaseName: name, id: repository }: Repository,
  sequence: number,
  createdAt: Date,
  count: number,
  lists: readonly string[],
): [string, Uint8Array] {
  const tiers = ['daily'] as const
  const level = `v${String(Math.ceil(sequence / 500)).padStart(3, '0')}`
  const manifest = sealManifest({
    format: 1,
    id: backupId({ sequence, createdAt, tiers, level }),
    repository,
    sequence,
    createdAt: createdAt.toISOString(),
    tiers,
    database: {
      name,
      bytes: count * size,
      sha256: hash('sha256', `${sequence}`),
      pageSize: 4096,
      journalMode: 'wal',
      encoding: 'UTF-8',
    },
    chunks: { size, count, lists },
    stored: { chunks: 10, bytes: 1000 },
    schema: { level, fingerprint: 'abc', applied: 2 },
    tables: Object.fromEntries(Array.from({ length: 50 }, (_, table) => [`table_${table}`, table * 1000])),
    engine: { lockkeeper: 'bench', node: process.version, sqlite: process.versions['sqlite'] ?? '' },
    by,
    damaged: false,
  })
  return [manifestKey(manifest.id), manifestBytes(manifest)]
}

/** The same store, and how often it was asked, by what. */
function counted(store: ObjectStore): { store: ObjectStore; requests: Record<string, number> } {
  const requests: Record<string, number> = {}
  const count = (what: string, times = 1) => {
    requests[what] = (requests[what] ?? 0) + times
  }
  const asked = <T>(what: string, answer: T, times = 1): T => {
    count(what, times)
    return answer
  }
  const counting: ObjectStore = {
    url: store.url,
    freeBytes: () => store.freeBytes(),
    putIfAbsent: (key, body) => asked('put', store.putIfAbsent(key, body)),
    putIfUnchanged: (key, body, etag) => asked('put', store.putIfUnchanged(key, body, etag)),
    batch: () => {
      const batch = store.batch()
      return { put: (key, body, options) => asked('put', batch.put(key, body, options)), flush: () => batch.flush() }
    },
    get: key => asked('get', store.get(key)),
    head: key => asked('head', store.head(key)),
    deleteMany: keys => asked('delete', store.deleteMany(keys), Math.ceil(keys.length / 1000)),
    async *list(prefix) {
      let listed = 0
      for await (const info of store.list(prefix)) {
        if (listed++ % 1000 === 0) count('list')
        yield info
      }
      if (listed === 0) count('list')
    },
    close: () => store.close(),
  }
  return { store: counting, requests }
}

async function step(name: string, root: string): Promise<void> {
  const { requests, store } = counted(fileStore(root))
  const repository = await openRepository(store, { databaseName: 'bench', create: false })
  const started = performance.now()
  const processor = process.cpuUsage()
  const options = { policy, grace: 0, timeZone: 'UTC', by }
  const { deleted, released, removed } = await prune(repository, { ...options, dryRun: name === 'dry-run' })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const { system, user } = process.cpuUsage(processor)
  const peak = (process.resourceUsage().maxRSS / 1024).toFixed(0)
  console.log(
    `${name}: ${seconds} s (processor ${((user + system) / 1e6).toFixed(1)} s), peak ${peak} MiB; ${JSON.stringify(requests)}; ` +
      `${removed.length} removed, ${released.objects} marked, ${deleted.objects} deleted`,
  )
  await store.close()
}

async function main(backups: number, chunks: number, changed: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lockkeeper-bench-'))
  try {
    await fill(folder, backups, chunks, changed)
    console.log(`${backups} backups of ${chunks} chunks, ${changed} of them changed each time`)
    for (const name of ['dry-run', 'prune', 'sweep', 'nothing to do']) {
      const { stdout } = await run(process.execPath, [fileURLToPath(import.meta.url), name, folder])
      process.stdout.write(stdout)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const [first, second, third] = process.argv.slice(2)
if (first !== undefined && Number.isNaN(Number(first))) await step(first, second ?? '')
else await main(Number(first ?? 10_000), Number(second ?? 256), Number(third ?? 10))
