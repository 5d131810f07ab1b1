/** Builds Lockkeeper's own image from this tree, by its Dockerfile as it is. */
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { docker, type Engine } from './docker.ts'
import { ensureImage, images } from './images.ts'
import { step } from './say.ts'

export const targets = ['lockkeeper', 'fossawork'] as const
/** A target of the Dockerfile. */
export type Target = (typeof targets)[number]

export const projectFolder = fileURLToPath(new URL('../../', import.meta.url))

const repository = 'lockkeeper-test'
const machine = hostname()
  .toLowerCase()
  .replaceAll(/[^a-z0-9]+/g, '')

/** Two runs at once may be of two trees: each has its own names, which say whose they are. */
function nameOf(target: Target, pid: number): string {
  return `${repository}/${target}:${machine}-${pid}`
}

/** Returns the name of the image, which is there until `removeLockkeeper`. */
export async function buildLockkeeper(engine: Engine, target: Target): Promise<string> {
  const name = nameOf(target, process.pid)
  await ensureImage(engine, images.build)
  await ensureImage(engine, images.runtime)
  await removeForgotten(engine)
  await step(`Building the image ${name}`, () => buildTarget(engine, ['--target', target, '--tag', name]))
  return name
}

/** `docker build` of this tree; returns the image's id. A private CA of this machine is handed in as it would be by hand. */
export function buildTarget(engine: Engine, options: readonly string[]): Promise<string> {
  const ca = process.env['NODE_EXTRA_CA_CERTS']
  const secret = ca ? ['--secret', `id=ca,src=${ca}`] : []
  return docker(engine, ['build', '--quiet', ...secret, ...options, projectFolder])
}

/** While `work` runs the image has another name as well; what a person has under that name gets it back. */
export async function alsoNamed<T>(engine: Engine, image: string, name: string, work: () => Promise<T>): Promise<T> {
  const theirs = await docker(engine, ['image', 'inspect', '--format', '{{.Id}}', name]).catch(() => undefined)
  await docker(engine, ['tag', image, name])
  try {
    return await work()
  } finally {
    await docker(engine, theirs === undefined ? ['image', 'rm', name] : ['tag', theirs, name])
  }
}

/** Takes away what this run has built; layers stay in the build cache. */
export async function removeLockkeeper(engine: Engine): Promise<void> {
  const names = targets.map(target => nameOf(target, process.pid))
  await docker(engine, ['image', 'rm', '--force', ...names]).catch(() => {})
}

/** Images of this machine's runs that were killed before they could remove them. */
async function removeForgotten(engine: Engine): Promise<void> {
  const all = await docker(engine, ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', `${repository}/*`])
  const forgotten = all.split('\n').filter(name => {
    const [, host, pid] = /:(.+)-(\d+)$/.exec(name) ?? []
    return host === machine && !isAlive(Number(pid))
  })
  if (forgotten.length > 0) await docker(engine, ['image', 'rm', '--force', ...forgotten])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
