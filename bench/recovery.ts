/**
 * How long after a kill the next run is at work: `node bench/recovery.ts [megabytes]`, 1000 by default. A migration that
 * rewrites every row is killed, with all its processes, while it writes. On a copy of what it leaves, SQLite's own
 * recovery is measured (Python's sqlite3: open, and take the write lock); then how long `lockkeeper run` takes until it
 * holds the database, and the same run on a database that was not killed. Needs about four times the size in the folder
 * for temporary files.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from '../scripts/build.ts'

const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const megabytes = Number(process.argv[2] ?? 1000)
const parts = ['', '-wal', '-journal']

await build()
for (const mode of ['delete', 'wal']) await measure(mode)

async function measure(mode: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-recovery-'))
  try {
    const database = join(folder, 'app.db')
    mkdirSync(join(folder, 'migrations'))
    const migration = (name: string, sql: string) =>
      writeFileSync(join(folder, 'migrations', `${name}.sql`), `-- migrate:up\n${sql}\n`)
    migration('v001_visits', 'CREATE TABLE visits (id INTEGER PRIMARY KEY, note TEXT, photo BLOB);')
    await run(folder, database).done
    fill(database, mode)
    migration('v002_rewrite', "UPDATE visits SET note = note || '!';")

    const before = await timeToLock(folder, database)
    const killed = run(folder, database)
    const log = join(folder, mode === 'wal' ? 'app.db-wal' : 'app.db-journal')
    // Half of the rows are written: their old pages are in the journal, or their new ones in the log.
    while ((existsSync(log) ? statSync(log).size : 0) < megabytes * 500_000) await sleep(5)
    process.kill(-killed.pid, 'SIGKILL')
    await killed.done
    const left = parts.map(part => (existsSync(database + part) ? statSync(database + part).size : 0))
    for (const part of parts)
      if (existsSync(database + part)) copyFileSync(database + part, join(folder, `copy.db${part}`))
    const own = recoverByPython(join(folder, 'copy.db'))
    const next = await timeToLock(folder, database)
    const [main, wal, journal] = left.map(bytes => `${Math.round(bytes / 1e6)} MB`)
    console.log(
      `${mode}: file ${main}, log ${wal}, journal ${journal}; SQLite's own recovery ${own} ms; ` +
        `lockkeeper run holds it after ${next} ms (${before} ms where nothing was to be recovered)`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function fill(database: string, mode: string): void {
  const db = new DatabaseSync(database)
  db.exec(`PRAGMA synchronous = OFF; PRAGMA journal_mode = ${mode}`)
  db.exec(`WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${megabytes * 1000})
    INSERT INTO visits SELECT i, 'visit ' || i, randomblob(950) FROM c`)
  db.close()
}

function run(folder: string, database: string) {
  const child = spawn(process.execPath, [program, 'run', '--no-backup', '--timeout', '1h'], {
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: database,
      LOCKKEEPER_MIGRATIONS: join(folder, 'migrations'),
      LOCKKEEPER_LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  return { pid: child.pid ?? 0, stderr: child.stderr, done: once(child, 'close') }
}

/** Milliseconds from its start until the line that says that it holds the lock; it is killed then, before it changes anything. */
async function timeToLock(folder: string, database: string): Promise<number> {
  const began = performance.now()
  const job = run(folder, database)
  let log = ''
  for await (const data of job.stderr) {
    log += data
    if (/"step":"lock","ms"/.test(log)) break
  }
  const took = performance.now() - began
  process.kill(-job.pid, 'SIGKILL')
  await job.done
  return Math.round(took)
}

/** Milliseconds. */
function recoverByPython(database: string): number {
  const script = `import sqlite3, sys, time
began = time.monotonic()
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('BEGIN IMMEDIATE')
db.execute('SELECT count(*) FROM sqlite_master').fetchall()
print(round((time.monotonic() - began) * 1000))`
  return Number(execFileSync('python3', ['-c', script, database], { encoding: 'utf8' }))
}
