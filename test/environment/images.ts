/**
 * The images that tests need: there already; else pulled; else, on Debian as root, a stand-in built under the same name
 * (`stand-ins.ts`). Each of it happens only when some test asks.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { messageOf } from '../../src/errors.ts'
import { canInstall } from './apt.ts'
import { docker, type Engine, environmentOf } from './docker.ts'
import { withMachineLock } from './machine-lock.ts'
import { step } from './say.ts'
import { type StandIn, standInFor, standInLabel } from './stand-ins.ts'

/** Images that are used by name. What the Dockerfile builds on stands there. */
export const images = {
  build: dockerfileDefault('BUILD_IMAGE'),
  runtime: dockerfileDefault('RUNTIME_IMAGE'),
  versitygw: 'versity/versitygw:v1.8.0',
  minio: 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z',
  litestream: 'litestream/litestream:0.5.18',
} as const

/** In milliseconds. */
export interface PullPatience {
  /** Until a registry says that it has the image: where there is none, a connection may hang. */
  readonly answer: number
  /** Until the image is here. */
  readonly whole: number
}

/** Makes sure that an image of that name is there. Rejects with what was tried. */
export async function ensureImage(
  engine: Engine,
  name: string,
  patience: PullPatience = { answer: 20_000, whole: 15 * 60_000 },
): Promise<void> {
  const standIn = canInstall() ? standInFor(name) : undefined
  await withMachineLock(`image/${name}`, async () => {
    if (await isThere(engine, name, standIn)) return
    const problem = await step(
      `Pulling ${name}`,
      () => pull(engine, name, patience),
      why => (why === undefined ? 'done' : `not possible: ${why}`),
    )
    if (problem === undefined) return
    if (standIn === undefined)
      throw new Error(
        `The tests need the image ${name}, and it cannot be pulled: ${problem}\n` +
          'Please make it known to the Docker Engine by that name (docker load, docker tag).',
      )
    for (const base of standIn.needs) await ensureImage(engine, base, patience)
    const label = `LABEL ${standInLabel}="${standIn.madeOf}"`
    await step(`Building a stand-in for ${name} (${standIn.madeOf})`, () => standIn.make(engine, name, label))
  })
}

/** The image itself; or its stand-in, as it would be built now. */
async function isThere(engine: Engine, name: string, standIn: StandIn | undefined): Promise<boolean> {
  const configuration = await docker(engine, ['image', 'inspect', '--format', '{{json .Config}}', name]).catch(() => '')
  if (configuration === '') return false
  const label: unknown = JSON.parse(configuration)?.Labels?.[standInLabel]
  return label === undefined || standIn === undefined || label === standIn.madeOf
}

/** The default of a build argument of the Dockerfile. */
export function dockerfileDefault(argument: string): string {
  const text = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')
  const value = new RegExp(`^ARG ${argument}=(\\S+)$`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`The Dockerfile has no default for ${argument}.`)
  return value
}

/** Undefined when it is there, otherwise why not. */
async function pull(engine: Engine, name: string, { answer, whole }: PullPatience): Promise<string | undefined> {
  const child = spawn(engine.client, ['pull', name], {
    env: environmentOf(engine),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let late: string | undefined
  const giveUp = (why: string) => {
    late = why
    child.kill('SIGKILL')
  }
  let timer = setTimeout(giveUp, answer, `its registry did not answer within ${answer / 1000} s`)
  // The first line is printed when the registry has described the image.
  createInterface({ input: child.stdout }).once('line', () => {
    clearTimeout(timer)
    timer = setTimeout(giveUp, whole, `it was not here within ${whole / 60_000} minutes`)
  })
  let errors = ''
  child.stderr.on('data', data => (errors += data))
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return code === 0 ? undefined : (late ?? (errors.trim() || `exit ${code}`))
  } catch (error) {
    return messageOf(error)
  } finally {
    clearTimeout(timer)
  }
}
