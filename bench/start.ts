/**
 * What a deploy with nothing to do costs, beside Node alone and beside the least that such a program has to do (open the
 * database, read and hash its schema, print a line), with few and with many migrations applied:
 * `node scripts/build.ts && node bench/start.ts [runs] [migrations]`, 25 and 5000 by default.
 * One after the other in turns, so that a busy machine slows all of them; medians, and the least, of wall and CPU time.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [runs = '25', many = '5000'] = process.argv.slice(2)
const lockkeeper = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const fossawork = fileURLToPath(new URL('../migrations', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-bench-'))
try {
  bench()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

interface Measured {
  readonly name: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly wall: number[]
  readonly cpu: number[]
}

function bench(): void {
  const few = deployed('few', fossawork)
  const measured = [
    measure('Node alone', [script('empty', '')]),
    measure('the least', [script('least', least(few.DATABASE_URL))]),
    measure('6 applied', [lockkeeper, 'run'], few),
    measure(`${many} applied`, [lockkeeper, 'run'], deployed('many', manyMigrations(Number(many)))),
  ]
  for (let run = 0; run < Number(runs); run++)
    for (const { args, cpu, env, wall } of measured) {
      const [real = 0, user = 0, system = 0] = timed(args, env)
      wall.push(real * 1000)
      cpu.push((user + system) * 1000)
    }
  const [alone] = measured
  for (const { cpu, name, wall } of measured)
    console.log(`${name.padEnd(14)} wall ${figures(wall, alone?.wall ?? [])}   CPU ${figures(cpu, alone?.cpu ?? [])}`)
}

function measure(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Measured {
  return { name, args, env, wall: [], cpu: [] }
}

/** Seconds: real, user, system. Bash measures the process and nothing of ours. */
function timed(args: readonly string[], env: Readonly<Record<string, string>>): number[] {
  const command = `TIMEFORMAT='%R %U %S'; time "$@" >/dev/null 2>&1`
  const { PATH = '' } = process.env
  const output = execFileSync('bash', ['--norc', '-c', `{ ${command}; } 2>&1`, 'bash', process.execPath, ...args], {
    env: { PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  return output.trim().split(' ').map(Number)
}

function figures(values: readonly number[], base: readonly number[]): string {
  const ratio = (of: (list: readonly number[]) => number) => (of(values) / of(base)).toFixed(2)
  return `${median(values).toFixed(0)} ms (${ratio(median)} times), least ${lowest(values).toFixed(0)} ms (${ratio(lowest)} times)`
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

function lowest(values: readonly number[]): number {
  return Math.min(...values)
}

function script(name: string, text: string): string {
  const file = join(folder, `${name}.mjs`)
  writeFileSync(file, text)
  return file
}

function least(database: string): string {
  return `import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
const db = new DatabaseSync(${JSON.stringify(database)}, { readOnly: true })
const rows = db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema').all()
console.log(createHash('sha256').update(JSON.stringify(rows)).digest('hex'))
`
}

/** A database at the level of the migrations in a folder. @returns the environment for it */
function deployed(name: string, migrations: string) {
  const env = {
    DATABASE_URL: join(folder, `${name}.db`),
    LOCKKEEPER_MIGRATIONS: migrations,
    LOCKKEEPER_LOG_FORMAT: 'json',
  }
  execFileSync(process.execPath, [lockkeeper, 'run', '--no-backup'], { env, stdio: ['ignore', 'ignore', 'ignore'] })
  return env
}

function manyMigrations(count: number): string {
  const target = join(folder, 'migrations')
  mkdirSync(target)
  for (let n = 1; n <= count; n++) {
    const text = `-- description: column ${n}\n-- migrate:up\n${up(n)}\n-- migrate:down\n${down(n)}\n`
    writeFileSync(join(target, `v${String(n).padStart(5, '0')}_step.sql`), text)
  }
  return target
}

/** A table every 50 migrations, and its columns in between. */
function up(n: number): string {
  const table = Math.floor((n - 1) / 50)
  return n % 50 === 1
    ? `CREATE TABLE t${table} (id INTEGER PRIMARY KEY);`
    : `ALTER TABLE t${table} ADD COLUMN c${n} TEXT;`
}

function down(n: number): string {
  const table = Math.floor((n - 1) / 50)
  return n % 50 === 1 ? `DROP TABLE t${table};` : `ALTER TABLE t${table} DROP COLUMN c${n};`
}
