import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { canInstall } from './apt.ts'
import { engine as askForEngine, image, patience } from './ask.ts'
import { docker, type Engine } from './docker.ts'
import { dockerfileDefault, ensureImage, images } from './images.ts'
import { alsoNamed, buildLockkeeper, removeLockkeeper } from './lockkeeper-image.ts'
import { startRegistry, startSilence } from './registry.ts'
import { standInLabel } from './stand-ins.ts'

let engine: Engine

beforeAll(async () => {
  engine = await askForEngine()
}, patience)

describe('an image that is needed', () => {
  test('is pulled where a registry has it, by one of those who need it at once, and only once', async () => {
    const registry = await startRegistry()
    onTestFinished(() => remove(registry.image))
    await Promise.all([ensureImage(engine, registry.image), ensureImage(engine, registry.image)])
    const before = registry.requests.length
    expect(before).toBeGreaterThan(0)
    await ensureImage(engine, registry.image)
    expect(registry.requests.length).toBe(before)
    expect(registry.requests.filter(path => path.includes('/blobs/'))).toHaveLength(2)
    expect(await docker(engine, ['image', 'inspect', '--format', '{{.Os}}', registry.image])).toBe('linux')
  })

  test('is named, with the reason, when no registry has it and there is no stand-in', async () => {
    await expect(image('127.0.0.1:1/one:1')).rejects.toThrow(
      /^The tests need the image 127\.0\.0\.1:1\/one:1, and it cannot be pulled: .*connection refused.*docker load/s,
    )
  })

  test('is not waited for where a registry says nothing', async () => {
    const name = await startSilence()
    const start = performance.now()
    await expect(ensureImage(engine, name, { answer: 500, whole: 60_000 })).rejects.toThrow(
      'its registry did not answer within 0.5 s',
    )
    expect(performance.now() - start).toBeLessThan(10_000)
  })

  test('has a stand-in built where it cannot be had, and an old one is replaced', {
    timeout: patience,
  }, async context => {
    needsToInstall(context)
    const name = `versity/versitygw:no-such-version-${process.pid}`
    onTestFinished(() => remove(name))
    await importEmpty(name, `LABEL ${standInLabel}="an older recipe"`)
    await ensureImage(engine, name)
    expect(await labelOf(name)).toMatch(/^github\.com\/versity\/versitygw\/.*@v\d/)
    const id = await idOf(name)
    await ensureImage(engine, name)
    expect(await idOf(name)).toBe(id)
  })

  test('that a person has put there is taken as it is, whatever its name stands for', async () => {
    const name = `versity/versitygw:by-hand-${process.pid}`
    onTestFinished(() => remove(name))
    await importEmpty(name, 'LABEL somebody=else')
    const id = await idOf(name)
    await ensureImage(engine, name)
    expect(await idOf(name)).toBe(id)
  })
})

describe('what is relied upon, of the real image or its stand-in:', () => {
  test('the Dockerfile builds where there are Node, as its default says, and npm', { timeout: patience }, async () => {
    await image(images.build)
    const said = await run(images.build, ['sh', '-c', 'node --version && npm --version'])
    expect(said).toMatch(new RegExp(`^v${/:([\d.]+)-/.exec(images.build)?.[1]}\\n\\d+\\.`))
  })

  test('it runs where Node is all there is, as a user who is not root', { timeout: patience }, async () => {
    await image(images.runtime)
    const script = "console.log(process.getuid(), require('node:sqlite').DatabaseSync.name, process.version)"
    expect(await run(images.runtime, ['-e', script])).toMatch(/^65532 DatabaseSync v24\.(1[5-9]|[2-9]\d)\./)
    await expect(run(images.runtime, ['-e', 'fs.writeFileSync("/file", "")'])).rejects.toThrow('EACCES')
    const shell = ['--entrypoint', '/bin/sh', images.runtime, '-c', 'true']
    await expect(docker(engine, ['run', '--rm', '--network', 'none', ...shell])).rejects.toThrow('no such file')
  })

  test.each([
    [
      images.versitygw,
      7070,
      '/health',
      ['ROOT_ACCESS_KEY', 'ROOT_SECRET_KEY'],
      '--port :7070 --health /health posix /data',
    ],
    [images.minio, 9000, '/minio/health/live', ['MINIO_ROOT_USER', 'MINIO_ROOT_PASSWORD'], 'server /data'],
  ] as const)(
    '%s serves',
    async (name, port, path, [user, password], command) => {
      await image(name)
      const credentials = ['--env', `${user}=lockkeeper-test`, '--env', `${password}=the-secret-of-the-tests`]
      const options = ['--detach', '--tmpfs', '/data', '--publish', `127.0.0.1::${port}`, ...credentials]
      const id = await docker(engine, ['run', ...options, name, ...command.split(' ')])
      onTestFinished(async () => void (await docker(engine, ['rm', '--force', '--volumes', id])))
      const address = (await docker(engine, ['port', id, `${port}`])).split('\n')[0]
      expect(await statusOf(`http://${address}${path}`)).toBe(200)
    },
    patience,
  )
})

describe("Lockkeeper's own image", () => {
  test('is removed after the run, and so is what a killed run has left', { timeout: patience }, async () => {
    await image(images.runtime)
    const ours = await buildLockkeeper(engine, 'lockkeeper')
    onTestFinished(() => removeLockkeeper(engine))
    const forgotten = ours.replace(/\d+$/, '99999999')
    const elsewhere = 'lockkeeper-test/lockkeeper:anothermachine-99999999'
    onTestFinished(() => remove(elsewhere))
    for (const name of [forgotten, elsewhere]) await docker(engine, ['tag', ours, name])

    await buildLockkeeper(engine, 'lockkeeper')
    expect(await idOf(forgotten)).toBeUndefined()
    expect(await idOf(elsewhere)).toBeDefined()
    await removeLockkeeper(engine)
    expect(await idOf(ours)).toBeUndefined()
  })

  test('gets another name for a while, and what had that name before has it again', async () => {
    const [ours, another] = ['ours', 'another'].map(tag => `lockkeeper-test/named:${tag}-${process.pid}`) as [
      string,
      string,
    ]
    onTestFinished(() => remove(ours))
    onTestFinished(() => remove(another))
    await importEmpty(ours, 'LABEL whose=ours')
    const meanwhile = () => alsoNamed(engine, ours, another, () => idOf(another))
    expect(await meanwhile()).toBe(await idOf(ours))
    expect(await idOf(another)).toBeUndefined()

    await importEmpty(another, 'LABEL whose=theirs')
    const theirs = await idOf(another)
    expect(await meanwhile()).toBe(await idOf(ours))
    expect(await idOf(another)).toBe(theirs)
  })

  test('is built on what the Dockerfile says', () => {
    expect(images.runtime).toBe(dockerfileDefault('RUNTIME_IMAGE'))
    expect(() => dockerfileDefault('NO_SUCH')).toThrow('no default for NO_SUCH')
  })
})

function needsToInstall(context: TestContext): void {
  if (!canInstall()) context.skip('NOT CHECKED on this machine: stand-ins are built only as root on Debian')
}

function run(name: string, args: readonly string[]): Promise<string> {
  return docker(engine, ['run', '--rm', '--network', 'none', name, ...args])
}

async function importEmpty(name: string, change: string): Promise<void> {
  const empty = Buffer.alloc(10240)
  execFileSync(engine.client, ['import', '--change', change, '-', name], {
    input: empty,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
}

function idOf(name: string): Promise<string | undefined> {
  return docker(engine, ['image', 'inspect', '--format', '{{.Id}}', name]).catch(() => undefined)
}

function labelOf(name: string): Promise<string> {
  return docker(engine, ['image', 'inspect', '--format', `{{index .Config.Labels "${standInLabel}"}}`, name])
}

async function remove(name: string): Promise<void> {
  await docker(engine, ['image', 'rm', '--force', name]).catch(() => {})
}

/** Asks until there is an answer. */
async function statusOf(url: string): Promise<number> {
  const deadline = performance.now() + 30_000
  for (;;) {
    try {
      const { status } = await fetch(url, { signal: AbortSignal.timeout(2000) })
      if (status === 200 || performance.now() > deadline) return status
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await sleep(50)
  }
}
