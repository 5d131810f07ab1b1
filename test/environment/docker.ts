/**
 * Finds a Docker Engine for the tests: one that answers (`DOCKER_HOST`, the client's context, the default socket); else,
 * on Debian as root, one that it installs and starts, and that ends with the last run that uses it; else a sentence that
 * says what is missing.
 */
import { existsSync } from 'node:fs'
import { canInstall, install } from './apt.ts'
import { programsNamed, run } from './command.ts'
import { type Lease, leaseEngine } from './docker-lease.ts'
import { say, step } from './say.ts'

export interface Engine {
  /** What `DOCKER_HOST` has to be for it. */
  readonly host: string
  /** The path of a client that builds with BuildKit, which the first one on the path may not. */
  readonly client: string
  readonly version: string
}

export interface FoundEngine extends Engine {
  /** Lets go of an engine that was started for the tests, and resolves when it is gone unless another run uses it. */
  release(): Promise<void>
}

/** Where Debian has its client, which may be behind another one on the path. */
const debianClient = '/usr/bin/docker'

/** How long an engine may take to answer, in milliseconds. */
const answerTime = 10_000

/** @param mayInstall whether this machine may be changed when none answers */
export async function findEngine(mayInstall: boolean = canInstall()): Promise<FoundEngine> {
  const found = await answering()
  if (found !== undefined) {
    say(`a Docker Engine ${found.version} answers at ${found.host}`)
    return { ...found, release: async () => {} }
  }
  if (!mayInstall) throw new Error(whatIsMissing())
  if ((await programsNamed('dockerd')).length === 0 || (await builder()) === undefined) await installEngine()
  return startOwn()
}

/** The variables under which a Docker client, and anything else that looks for an engine, finds this one. */
export function environmentOf(engine: Engine): NodeJS.ProcessEnv {
  // Builds with the engine's own BuildKit, whatever other builder a person has chosen.
  return { ...process.env, DOCKER_HOST: engine.host, DOCKER_BUILDKIT: '1', BUILDX_BUILDER: 'default' }
}

/** Runs the client; `options` are those of `execFile`. */
export function docker(engine: Engine, args: readonly string[], options: { timeout?: number } = {}): Promise<string> {
  return run(engine.client, args, { env: environmentOf(engine), ...options })
}

/** The engine that the first client on the path talks to, together with a client that can build. */
async function answering(): Promise<Engine | undefined> {
  const client = await builder()
  if (client === undefined) return undefined
  const host = process.env['DOCKER_HOST'] || (await contextHost())
  try {
    const env = { ...process.env, ...(host === undefined ? {} : { DOCKER_HOST: host }) }
    const version = await run(client, ['version', '--format', '{{.Server.Version}}'], { env, timeout: answerTime })
    return { host: host ?? 'unix:///var/run/docker.sock', client, version }
  } catch {
    return undefined
  }
}

/** A context that a person has chosen (Docker Desktop, rootless, Colima) is known to newer clients only. */
async function contextHost(): Promise<string | undefined> {
  const [client] = await programsNamed('docker')
  if (client === undefined) return undefined
  const host = await run(client, ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}']).catch(() => '')
  return host === '' ? undefined : host
}

/** The first client that builds with BuildKit: by its plugin, or up to version 22 by itself. */
async function builder(): Promise<string | undefined> {
  for (const client of await programsNamed('docker', debianClient)) {
    const plugin = await run(client, ['buildx', 'version']).catch(() => undefined)
    if (plugin !== undefined) return client
    const said = await run(client, ['--version']).catch(() => '')
    const major = Number(/version (\d+)\./.exec(said)?.[1] ?? Number.NaN)
    if (major >= 19 && major < 23) return client
  }
  return undefined
}

/** Where systemd runs, the packages start their services, which would outlive the tests: those that are new are ended. */
async function installEngine(): Promise<void> {
  const absent = async (program: string) => (await programsNamed(program)).length === 0
  const units = [
    ...((await absent('dockerd')) ? ['docker.socket', 'docker.service'] : []),
    ...((await absent('containerd')) ? ['containerd.service'] : []),
  ]
  // Since Debian 13 the client and its builder are packages of their own.
  await install(['docker.io', 'iptables'], ['docker-cli', 'docker-buildx'])
  if (existsSync('/run/systemd/system') && units.length > 0)
    await step(`Ending ${units.join(', ')} (systemctl)`, () => run('systemctl', ['disable', '--now', ...units]))
}

async function startOwn(): Promise<FoundEngine> {
  const client = await builder()
  if (client === undefined) throw new Error(whatIsMissing())
  const lease = await step('Starting a Docker Engine of our own', leaseEngine)
  const engine = { host: lease.host, client, version: '' }
  const version = await docker(engine, ['version', '--format', '{{.Server.Version}}'], { timeout: answerTime })
  return { ...engine, version, release: () => release(lease) }
}

async function release(lease: Lease): Promise<void> {
  await step(
    'Letting go of the Docker Engine',
    () => lease.release(),
    ended => (ended ? 'it is ended' : 'another run uses it'),
  )
}

function whatIsMissing(): string {
  const host = process.env['DOCKER_HOST']
  const where = host ? `at DOCKER_HOST (${host})` : 'here'
  return (
    `The tests need a Docker Engine, and none answers ${where}: please install one (with a docker client that has ` +
    'buildx) and start it. On Debian as root they would have done that themselves.'
  )
}
