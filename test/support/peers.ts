/** Other programs on the same database: Python's sqlite3 and SQLite's own command line, each with its own SQLite. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs a Python script, `args` in `sys.argv[1:]`, `input` on its standard input. @returns what it printed */
export function python(script: string, args: readonly string[] = [], input = ''): string {
  return execFileSync(needed('python3'), ['-c', script, ...args], { encoding: 'utf8', input, maxBuffer: 2 ** 28 })
}

/** Runs SQL with SQLite's command line. @returns what it printed */
export function sqlite3(database: string, sql: string): string {
  return execFileSync(needed('sqlite3'), ['-bail', '-batch', database], {
    encoding: 'utf8',
    input: sql,
    maxBuffer: 2 ** 28,
  })
}

/** Runs SQL with Python's sqlite3, as an application on the same database would, and closes it. */
export function pythonSql(database: string, sql: string): void {
  python(
    'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.stdin.read()); db.close()',
    [database],
    sql,
  )
}

export interface Holder {
  /** Ends what it does (`COMMIT`, say), closes the database and resolves when the process is gone. */
  release(sql?: string): Promise<void>
  /** Ends the process without closing anything. */
  kill(): Promise<void>
}

const holding = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
for statement in sys.argv[2].split(';'):
    if statement.strip(): db.execute(statement).fetchall()
print('holding', flush=True)
last = sys.stdin.readline()
if last.strip(): db.execute(last)
db.close()
`

/** A Python process that has run these statements and keeps its connection open. */
export async function hold(database: string, sql: string): Promise<Holder> {
  const child = spawn(needed('python3'), ['-c', holding, database, sql], { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (data: Buffer) => {
    complaint += data.toString()
  })
  const closed = once(child, 'close')
  const first = await Promise.race([once(child.stdout, 'data'), closed.then(() => undefined)])
  if (first === undefined) throw new Error(`python could not hold ${database}: ${complaint}`)
  return {
    async release(last = '') {
      child.stdin.end(`${last}\n`)
      const [code] = await closed
      if (code !== 0) throw new Error(`python could not let go of ${database}: ${complaint}`)
    },
    async kill() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

const known = new Map<string, string>()

function needed(name: string): string {
  if (!known.has(name)) {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
    } catch (error) {
      throw new Error(`These tests share a database with another program and need ${name} on the path.`, {
        cause: error,
      })
    }
    known.set(name, name)
  }
  return name
}
