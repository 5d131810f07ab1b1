/**
 * The programs that tests use as native peers and plain tools. What is missing is installed where that is possible
 * (Debian, as root); elsewhere the tests stop with one sentence that says what to install. Nothing is skipped.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const packages: Readonly<Record<string, string>> = {
  python3: 'python3',
  sqlite3: 'sqlite3',
  zstd: 'zstd',
  sha256sum: 'coreutils',
}

export function ensurePrograms(): void {
  const missing = Object.keys(packages).filter(program => !isThere(program))
  if (missing.length === 0) return
  if (!(existsSync('/etc/debian_version') && process.getuid?.() === 0))
    throw new Error(`The tests need ${missing.join(', ')}: please install what is missing and run them again.`)
  const start = performance.now()
  const wanted = [...new Set(missing.map(program => packages[program] ?? program))]
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...wanted], options)
  console.log(`installed ${wanted.join(', ')} (${Math.round((performance.now() - start) / 1000)} s)`)
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}
