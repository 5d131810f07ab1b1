/** Programs with a fault planted in them, each made from a copy of the sources: what the harness has to find. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Fault {
  /** It is in each of them. */
  readonly files: readonly string[]
  readonly from: string
  readonly to: string
}

export const faults = {
  'a lock that is not taken': {
    files: ['src/database/exclusive.ts'],
    from: 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT',
    to: 'SELECT count(*) FROM sqlite_schema',
  },
  'a commit that does not wait for the backup': {
    files: ['src/backup/create.ts'],
    from: "if ((await store.putIfAbsent(key, bytes)) === 'stored') return manifest",
    to: 'setTimeout(() => void store.putIfAbsent(key, bytes).catch(() => {}), 300); return manifest',
  },
  'a child that outlives its parent': {
    files: ['src/database/child.ts', 'src/database/end-with-parent.ts'],
    from: "process.kill(process.pid, 'SIGKILL')",
    to: 'setInterval(() => {}, 1000)',
  },
  'a commit after each migration': {
    files: ['src/job/steps.ts'],
    from: 'const after = goingOn === undefined',
    to: "await db.exec('COMMIT; BEGIN IMMEDIATE'); const after = goingOn === undefined",
  },
  'a write-ahead log that is thrown away': {
    files: ['src/database/lock.ts'],
    from: 'await refuseReadOnly(file)\n',
    to: "await refuseReadOnly(file)\n  await (await import('node:fs/promises')).rm(file + '-wal', { force: true })\n",
  },
} as const satisfies Readonly<Record<string, Fault>>

/** Builds it in `folder`. @returns the path of the program */
export function plant(name: keyof typeof faults, folder: string): string {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  mkdirSync(folder, { recursive: true })
  for (const part of ['src', 'scripts', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const { files, from, to }: Fault = faults[name]
  for (const file of files) {
    const path = join(folder, file)
    const text = readFileSync(path, 'utf8')
    if (!text.includes(from))
      throw new Error(`the fault "${name}" fits nowhere in ${file} any more: mend it in faults.ts`)
    writeFileSync(path, text.replaceAll(from, to))
  }
  execFileSync(process.execPath, [join(folder, 'scripts/build.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })
  return join(folder, 'dist/cli.js')
}
