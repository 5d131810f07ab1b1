/** The engine that the tests start for themselves: another one here, with data of its own, beside the one that is in use. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, beforeEach, expect, onTestFinished, type TestContext, test } from 'vitest'
import { canInstall } from './apt.ts'
import { engine, patience } from './ask.ts'
import { programsNamed, run } from './command.ts'
import { keeperName, leaseEngine } from './docker-lease.ts'
import { hold } from './holding.ts'
import { abstractAddress } from './machine-lock.ts'

interface Has {
  readonly host: string
  readonly pid: number
}

let client: string
let folder: string

beforeAll(async () => {
  client = (await engine()).client
}, patience)

beforeEach(async (context: TestContext) => {
  if (!canInstall() || (await programsNamed('dockerd')).length === 0)
    context.skip(
      'NOT CHECKED on this machine: it has an engine, and the tests start one of their own only as root on Debian',
    )
  folder = await mkdtemp(join(tmpdir(), 'lockkeeper-engine-'))
  onTestFinished(async () => {
    await until('the keeper is gone', async () => !(await hasKeeper()))
    await rm(folder, { recursive: true, force: true })
  })
})

test('several runs at once share one, and it ends with the last of them', async () => {
  const [first, second] = await Promise.all([hold<Has>('engine', folder), hold<Has>('engine', folder)])
  expect(first.has).toEqual(second.has)
  expect(await answers(first.has)).toBe(true)

  expect(await first.release()).toEqual({ ended: false })
  expect(await answers(second.has)).toBe(true)
  expect(await second.release()).toEqual({ ended: true })
  expect(await answers(second.has)).toBe(false)
  expect(existsSync(pathOf(second.has))).toBe(false)
})

test('it ends with the last run also when that one was killed', async () => {
  const [first, second] = await Promise.all([hold<Has>('engine', folder), hold<Has>('engine', folder)])
  await first.kill()
  expect(await answers(second.has)).toBe(true)
  await second.kill()
  await until('the keeper is gone', async () => !isAlive(second.has.pid))
  expect(await answers(second.has)).toBe(false)
})

test('a run that comes while it is ending gets another one', async () => {
  const first = await hold<Has>('engine', folder)
  const [, second] = await Promise.all([first.release(), hold<Has>('engine', folder)])
  // It came in time to keep the first, or it waited for the next: either way there is one.
  expect(await answers(second.has)).toBe(true)
  expect(await second.release()).toEqual({ ended: true })
})

test('a killed keeper takes it along, and the next run gets another one', async () => {
  const first = await hold<Has>('engine', folder)
  process.kill(first.has.pid, 'SIGKILL')
  await until('the engine is gone', async () => !(await answers(first.has)))
  const second = await hold<Has>('engine', folder)
  expect(second.has.pid).not.toBe(first.has.pid)
  expect(await answers(second.has)).toBe(true)
  expect(await second.release()).toEqual({ ended: true })
})

test('it begins without what a killed run has left: containers, networks, and images without a name', async () => {
  const first = await hold<Has>('engine', folder)
  const ask = (has: Has, ...args: string[]) => run(client, args, { env: { ...process.env, DOCKER_HOST: has.host } })
  const [named, nameless] = ['named', 'nameless'].map(name => join(folder, `${name}.tar`)) as [string, string]
  for (const file of [named, nameless]) {
    await writeFile(`${file}.content`, file)
    await run('tar', ['-C', folder, '-cf', file, `${basename(file)}.content`])
  }
  await ask(first.has, 'import', named, 'kept:1')
  await ask(first.has, 'import', nameless)
  await ask(first.has, 'create', 'kept:1', '/no-such-program')
  await ask(first.has, 'network', 'create', '--internal', 'forgotten')
  expect((await ask(first.has, 'images', '--quiet')).split('\n')).toHaveLength(2)
  await first.release()

  const second = await hold<Has>('engine', folder)
  expect(await ask(second.has, 'ps', '--all', '--quiet')).toBe('')
  expect(await ask(second.has, 'network', 'ls', '--filter', 'type=custom', '--quiet')).toBe('')
  expect(await ask(second.has, 'images', '--format', '{{.Repository}}:{{.Tag}}')).toBe('kept:1')
  await second.release()
})

test('one that cannot start says why, with the end of its log', async () => {
  const lease = leaseEngine(folder, ['--storage-driver=nonsense', '--bridge=none', '--iptables=false'])
  await expect(lease).rejects.toThrow(/did not come up: it ended by itself \(exit 1\)\.\n.*driver not supported/s)
})

async function answers({ host }: Has): Promise<boolean> {
  const env = { ...process.env, DOCKER_HOST: host }
  return run(client, ['version'], { env, timeout: 10_000 }).then(
    () => true,
    () => false,
  )
}

function pathOf({ host }: Has): string {
  return host.replace('unix://', '')
}

async function hasKeeper(): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(abstractAddress(keeperName(folder)))
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited too long until ${what}`)
    await sleep(50)
  }
}
