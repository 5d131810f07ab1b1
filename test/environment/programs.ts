/**
 * The programs that tests use as native peers and plain tools. What is missing is installed where that is possible
 * (Debian, as root); elsewhere the tests stop with one sentence that says what to install. Nothing is skipped.
 */
import { spawnSync } from 'node:child_process'
import { canInstall, install } from './apt.ts'
import { programsNamed } from './command.ts'

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

/** Modules of Python, of which any interpreter on the path may have them. */
const modules: Readonly<Record<string, string>> = {
  "Python's bcrypt": 'python3-bcrypt',
  "Python's cryptography": 'python3-cryptography',
}

export async function ensurePrograms(): Promise<void> {
  const missing = Object.keys(packages).filter(program => !isThere(program))
  for (const module of Object.keys(modules))
    if ((await pythonWith(module.split(' ')[1] ?? '')) === undefined) missing.push(module)
  if (missing.length === 0) return
  if (!canInstall())
    throw new Error(`The tests need ${missing.join(', ')}: please install what is missing and run them again.`)
  await install([...new Set(missing.map(program => packages[program] ?? modules[program] ?? program))])
}

/** The first interpreter on the path that can import the module. */
export async function pythonWith(module: string): Promise<string | undefined> {
  const interpreters = await programsNamed('python3')
  return interpreters.find(path => spawnSync(path, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0)
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}
