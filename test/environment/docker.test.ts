import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { engine as ask, patience } from './ask.ts'
import { docker, type Engine, findEngine } from './docker.ts'

let engine: Engine

beforeAll(async () => {
  engine = await ask()
}, patience)

const withoutInstalling = false

describe('finding an engine', () => {
  test('the one that DOCKER_HOST names is used, and is not ended', async () => {
    vi.stubEnv('DOCKER_HOST', engine.host)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { release, ...found } = await findEngine(withoutInstalling)
    expect(found).toEqual(engine)
    await release()
    expect(await docker(engine, ['version', '--format', '{{.Server.Version}}'])).toBe(engine.version)
  })

  test('where none answers and none may be installed, one sentence says what is missing', async () => {
    const nowhere = 'unix:///nonexistent/docker.sock'
    vi.stubEnv('DOCKER_HOST', nowhere)
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(findEngine(withoutInstalling)).rejects.toThrow(
      `The tests need a Docker Engine, and none answers at DOCKER_HOST (${nowhere}): please install one`,
    )
  })

  test('a client that cannot build with BuildKit is passed over, though it comes first on the path', async () => {
    const folder = await folderWithDocker(
      `case "$1" in --version) echo 'Docker version 28.2.2, build e6534b4';; *) exit 1;; esac`,
    )
    vi.stubEnv('PATH', [folder, process.env['PATH']].join(delimiter))
    vi.stubEnv('DOCKER_HOST', engine.host)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(dirname((await findEngine(withoutInstalling)).client)).not.toBe(folder)
  })

  test('a client that brings the plugin is taken where it comes first', async () => {
    const folder = await folderWithDocker(`[ "$1" = buildx ] || exec ${engine.client} "$@"`)
    vi.stubEnv('PATH', [folder, process.env['PATH']].join(delimiter))
    vi.stubEnv('DOCKER_HOST', engine.host)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect((await findEngine(withoutInstalling)).client).toBe(join(folder, 'docker'))
  })
})

describe('the engine', () => {
  test('builds with secrets that end up in no layer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lockkeeper-build-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'secret'), 'hunter2')
    await writeFile(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n')
    const id = await docker(engine, ['build', '--quiet', '--secret', `id=ca,src=${folder}/secret`, folder])
    onTestFinished(async () => void (await docker(engine, ['image', 'rm', '--force', id])))
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  test('is the one that programs started from a test find by DOCKER_HOST', () => {
    expect(process.env['DOCKER_HOST']).toBe(engine.host)
  })

  test('says in its error what a failed command said', async () => {
    await expect(docker(engine, ['run', '--no-such-option'])).rejects.toThrow(/exit 125\n.*no-such-option/s)
  })
})

/** A folder with a program called `docker`. */
async function folderWithDocker(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lockkeeper-client-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'docker'), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, 'docker'), 0o755)
  return folder
}
