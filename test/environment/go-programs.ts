/**
 * S3 servers and Litestream as programs of this machine, built once with Go: for tests that need one as a process, and
 * for the images that stand in for the published ones.
 */
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { programsNamed, run } from './command.ts'
import { withMachineLock } from './machine-lock.ts'
import { step } from './say.ts'

const modules = {
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
  // The last state of the archived repository.
  minio: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
  litestream: 'github.com/benbjohnson/litestream/cmd/litestream@v0.5.18',
} as const

export type GoProgram = keyof typeof modules

/** Which module, at which version. */
export function moduleOf(name: GoProgram): string {
  return modules[name]
}

const folder = join(homedir(), '.cache', 'lockkeeper-test', 'bin')

/** The path of the program; builds it if it is not there. Statically linked. */
export function goProgram(name: GoProgram): Promise<string> {
  const path = join(folder, name)
  return withMachineLock(`go/${name}`, async () => {
    if (existsSync(path)) return path
    if ((await programsNamed('go')).length === 0)
      throw new Error(`The tests need ${name}, which is built with Go: please install Go 1.24 or later.`)
    const fresh = join(folder, `.building-${name}`)
    await mkdir(folder, { recursive: true })
    await step(`Building ${name} (go install)`, () =>
      run('go', ['install', '-trimpath', '-ldflags', '-s -w', modules[name]], {
        env: { ...process.env, GOBIN: fresh, CGO_ENABLED: '0' },
      }),
    )
    await rename(join(fresh, name), path)
    await rm(fresh, { recursive: true })
    return path
  })
}
