/** What is in the image, and what is not. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { lockkeeperImage, patience } from '../environment/ask.ts'
import { docker } from '../environment/docker.ts'
import { images } from '../environment/images.ts'
import { buildTarget } from '../environment/lockkeeper-image.ts'
import { createContainer, type Setting } from './container.ts'

/** What the program may add to its base image: the AWS SDK is most of it. */
const largest = 6_000_000

let setting: Setting
beforeAll(async () => {
  setting = await lockkeeperImage()
}, patience)

describe('its files', () => {
  test('are those of its base image, the built program and its licence, and nothing else', async () => {
    const base = new Set(await filesOf({ ...setting, image: images.runtime }))
    const added = (await filesOf(setting)).filter(file => !base.has(file))
    const expected = /^lockkeeper\/(|LICENSE|package\.json|dist\/(|LICENSES\.txt|[\w-]+\.js|node-sqlite3-wasm\.wasm))$/
    expect(added.filter(file => !expected.test(file))).toEqual([])
    expect(added).toEqual(expect.arrayContaining(['lockkeeper/dist/cli.js', 'lockkeeper/dist/child.js']))
    expect(added).toEqual(expect.arrayContaining(['lockkeeper/dist/worker.js', 'lockkeeper/dist/index.js']))
  })

  test('have no shell, no package manager and no tools among them', async () => {
    const names = (await filesOf(setting)).map(file => file.split('/').at(-1))
    const unwanted = ['sh', 'bash', 'dash', 'busybox', 'npm', 'npx', 'apt', 'dpkg', 'env', 'ls', 'cat', 'wget', 'curl']
    expect(names.filter(name => name !== undefined && unwanted.includes(name))).toEqual([])
  })

  test('are the same for every processor: the program has no machine code in it', async () => {
    const folder = await copyOfProgram(setting)
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name))
    const heads = files.filter(file => statSync(file).isFile()).map(file => readFileSync(file).subarray(0, 4))
    expect(heads.length).toBeGreaterThan(5)
    expect(heads.filter(head => head.equals(Buffer.from('\x7fELF')))).toEqual([])
  })

  test('can be read by every user, written by none, and have no times of their own', async () => {
    const lines = (await tar(setting, ['-tv', '--full-time', '--utc'])).filter(line => / lockkeeper\//.test(line))
    expect(lines.length).toBeGreaterThan(5)
    const expected = /^(-rw-r--r--|drwxr-xr-x) (root\/root|0\/0) +\d+ 1970-01-01 00:00:00 /
    expect(lines.filter(line => !expected.test(line))).toEqual([])
  })

  test('say which package and version it is, and that it is ES modules', async () => {
    const { name, version, license } = packageJson
    const folder = await copyOfProgram(setting)
    const written = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    expect(written).toEqual({ name, version, type: 'module', license })
  })

  test('add little to the base image', async () => {
    const [base = 0, ours = 0] = await Promise.all([sizeOf(images.runtime), sizeOf(setting.image)])
    console.log(`the image is ${((ours - base) / 1e6).toFixed(2)} MB beyond its base`)
    expect(ours - base).toBeGreaterThan(1_000_000)
    expect(ours - base).toBeLessThan(largest)
  })

  test('are the same to the bit when it is built again', { timeout: patience }, async () => {
    // Another spelling of the same time: what comes after the installation of the packages is not taken from the cache.
    const epoch = '0'.repeat(2 + (process.pid % 100))
    const options = ['--build-arg', `SOURCE_DATE_EPOCH=${epoch}`, '--target', 'lockkeeper']
    const again = await buildTarget(setting.engine, options)
    expect(await layersOf(again)).toEqual(await layersOf(setting.image))
  })
})

describe('its configuration', () => {
  test('runs the program without a shell, as a user by number, in a folder that everybody may enter', async () => {
    const { User, Entrypoint, Cmd, WorkingDir } = await inspect('{{json .Config}}', setting.image)
    expect({ User, Entrypoint, WorkingDir }).toEqual({
      User: '65532:65532',
      Entrypoint: ['/nodejs/bin/node', '/lockkeeper/dist/cli.js'],
      WorkingDir: '/',
    })
    expect(Cmd ?? []).toEqual([])
  })

  test('has labels that say what it is, at the version of the package', async () => {
    expect((await inspect('{{json .Config}}', setting.image)).Labels).toMatchObject({
      'org.opencontainers.image.title': packageJson.name,
      'org.opencontainers.image.version': packageJson.version,
      'org.opencontainers.image.licenses': packageJson.license,
      'org.opencontainers.image.base.name': images.runtime,
    })
  })

  test('adds no variable to those of its base image, and no word about certificates to its history', async () => {
    const [base, ours] = [
      await inspect('{{json .Config}}', images.runtime),
      await inspect('{{json .Config}}', setting.image),
    ]
    expect(ours.Env).toEqual(base.Env)
    const history = await docker(setting.engine, ['history', '--no-trunc', '--format', '{{.CreatedBy}}', setting.image])
    expect(history).toContain('/nodejs/bin/node')
    expect(history).not.toMatch(/NODE_EXTRA_CA_CERTS|secret/)
  })
})

async function inspect(format: string, image: string) {
  return JSON.parse(await docker(setting.engine, ['image', 'inspect', '--format', format, image]))
}

async function sizeOf(image: string): Promise<number> {
  return inspect('{{json .Size}}', image)
}

async function layersOf(image: string): Promise<string[]> {
  return inspect('{{json .RootFS.Layers}}', image)
}

async function filesOf(from: Setting): Promise<string[]> {
  return tar(from, ['-t'])
}

/** The container's file system through tar. */
async function tar(from: Setting, how: readonly string[]): Promise<string[]> {
  const folder = temporary()
  const archive = join(folder, 'image.tar')
  await docker(from.engine, ['export', '--output', archive, await createContainer(from)])
  return execFileSync('tar', [...how, '-f', archive], { encoding: 'utf8', maxBuffer: 2 ** 26 })
    .trim()
    .split('\n')
}

async function copyOfProgram(from: Setting): Promise<string> {
  const folder = temporary()
  await docker(from.engine, ['cp', `${await createContainer(from)}:/lockkeeper`, folder])
  return join(folder, 'lockkeeper')
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-image-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
