/**
 * The programs that tests use as native peers and plain tools. What is missing is installed where that is possible
 * (Debian, as root); elsewhere the tests stop with one sentence that says what to install. Nothing is skipped.
 */
import { spawnSync } from 'node:child_process'
import { canInstall, install } from './apt.ts'

const packages: Readonly<Record<string, string>> = {
  python3: 'python3',
  sqlite3: 'sqlite3',
  zstd: 'zstd',
  jq: 'jq',
  sha256sum: 'coreutils',
  strace: 'strace',
  openssl: 'openssl',
  'mkfs.ext4': 'e2fsprogs',
  bindfs: 'bindfs',
}

export async function ensurePrograms(): Promise<void> {
  const missing = Object.keys(packages).filter(program => !isThere(program))
  if (missing.length === 0) return
  if (!canInstall())
    throw new Error(`The tests need ${missing.join(', ')}: please install what is missing and run them again.`)
  await install([...new Set(missing.map(program => packages[program] ?? program))])
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}
