/**
 * What a chunk size costs: for databases of some sizes and what an application does to them between two backups, how many
 * chunks are new, their compressed bytes, and the time that this takes with an object store 20 ms away at 50 MB/s, 8
 * requests at once, each new chunk stored and read back. `node bench/chunk-size.ts [megabytes...]`, 10 100 1000 by default.
 */

import { hash } from 'node:crypto'
import { closeSync, copyFileSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { compress } from '../src/backup/chunk-object.ts'
import { addRows, makeDatabase } from './database.ts'

const KiB = 1024
const sizes = [64, 128, 256, 512, 1024, 2048, 4096].map(size => size * KiB)

/** What happens between two backups. */
const workloads: Readonly<Record<string, (database: DatabaseSync, rows: number) => void>> = {
  'one row': database => database.exec("UPDATE visits SET note = 'changed' WHERE id = 1000"),
  '0.1 % of the rows, anywhere': (database, rows) => scattered(database, rows, rows / 1000),
  '1 % of the rows, anywhere': (database, rows) => scattered(database, rows, rows / 100),
  '1 % of the rows, among the last 5 %': (database, rows) => scattered(database, rows, rows / 100, rows * 0.95),
  '1 % more rows': (database, rows) => addRows(database, rows, Math.round(rows / 100)),
  'a column and an index more': database =>
    database.exec('ALTER TABLE visits ADD COLUMN state TEXT; CREATE INDEX visits_price ON visits(price)'),
  VACUUM: database => database.exec('DELETE FROM visits WHERE id % 50 = 0; VACUUM'),
}

function scattered(database: DatabaseSync, rows: number, count: number, from = 0): void {
  const update = database.prepare('UPDATE visits SET price = price + 1 WHERE id = ?')
  database.exec('BEGIN')
  for (let change = 0; change < count; change++) update.run(Math.floor(from + Math.random() * (rows - from)))
  database.exec('COMMIT')
}

interface Cost {
  readonly chunks: number
  readonly bytes: number
}

/** New chunks of a file, for each chunk size; they are known afterwards where `remember` says so. */
async function newChunks(path: string, known: readonly Set<string>[], remember: boolean): Promise<Cost[]> {
  const file = openSync(path, 'r')
  const { size } = fstatSync(file)
  const block = Buffer.alloc(sizes.at(-1)!)
  const costs = sizes.map(() => ({ chunks: 0, bytes: 0 }))
  for (let at = 0; at < size; at += block.length) {
    const plain = block.subarray(0, readSync(file, block, 0, block.length, at))
    for (const [index, chunkSize] of sizes.entries()) {
      const fresh: Buffer[] = []
      for (let start = 0; start < plain.length; start += chunkSize) {
        const chunk = plain.subarray(start, start + chunkSize)
        const sha256 = hash('sha256', chunk)
        if (known[index]!.has(sha256)) continue
        if (remember) known[index]!.add(sha256)
        fresh.push(chunk)
      }
      const frames = await Promise.all(fresh.map(compress))
      costs[index]!.chunks += frames.length
      costs[index]!.bytes += frames.reduce((sum, frame) => sum + frame.length, 0)
    }
  }
  closeSync(file)
  return costs
}

function row({ bytes, chunks }: Cost): string {
  const seconds = ((chunks * 2) / 8) * 0.02 + (bytes * 2) / 50e6
  return `${chunks} / ${(bytes / 1e6).toFixed(1)} / ${seconds.toFixed(1)}`
}

async function measure(megabytes: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-bench-'))
  try {
    const [base, changed] = [join(folder, 'base.db'), join(folder, 'changed.db')]
    makeDatabase(base, megabytes)
    const known = sizes.map(() => new Set<string>())
    const lines: [string, Cost[]][] = [['first backup', await newChunks(base, known, true)]]
    for (const [name, change] of Object.entries(workloads)) {
      copyFileSync(base, changed)
      const database = new DatabaseSync(changed)
      database.exec('PRAGMA synchronous = OFF')
      change(database, Number(database.prepare('SELECT max(id) AS n FROM visits').get()?.['n']))
      database.close()
      lines.push([name, await newChunks(changed, known, false)])
    }
    console.log(`\n${megabytes} MB: new chunks / MB compressed / seconds`)
    console.log(`| | ${sizes.map(size => `${size / KiB} KiB`).join(' | ')} |\n|---|${sizes.map(() => '---|').join('')}`)
    for (const [name, costs] of lines) console.log(`| ${name} | ${costs.map(row).join(' | ')} |`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const asked = process.argv.slice(2).map(Number)
for (const megabytes of asked.length === 0 ? [10, 100, 1000] : asked) await measure(megabytes)
