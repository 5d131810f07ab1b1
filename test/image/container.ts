/** Runs the image that ships in containers of the real engine, as Kubernetes would. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { docker, type Engine, environmentOf } from '../environment/docker.ts'
import type { Ran } from '../support/cli.ts'

/** Whose the volume is: somebody that the image has never heard of. Only root can give a file to another user. */
export const application =
  process.getuid?.() === 0 ? { uid: 12345, gid: 12345 } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

/** What the restricted Pod Security Standard asks for, a root file system that cannot be written, and no network. */
export const restricted = [
  '--read-only',
  ...['--tmpfs', '/tmp'],
  ...['--cap-drop', 'ALL'],
  ...['--security-opt', 'no-new-privileges'],
  ...['--user', `${application.uid}:${application.gid}`],
  ...['--network', 'none'],
]

export interface Setting {
  readonly engine: Engine
  readonly image: string
  /** Options of `docker run`. */
  readonly options?: readonly string[]
  /** Where what of the host is found in the container: `{ '/data': folder }`, read-only with `:ro` after the path. */
  readonly mounts?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

export interface RunningContainer {
  readonly name: string
  readonly done: Promise<Ran>
  /** `docker stop`; resolves when the container is gone. @returns how long that took, in milliseconds */
  stop(): Promise<number>
}

let count = 0

/** Starts a container; it is removed when it ends, and at the end of the test in any case. */
export function startContainer(setting: Setting, args: readonly string[]): RunningContainer {
  const { engine, image, options = restricted, mounts = {}, env = {} } = setting
  const name = `lockkeeper-test-${process.pid}-${++count}`
  const began = performance.now()
  const flags = [
    ...Object.entries(mounts).flatMap(([target, source]) => ['--volume', volume(source, target)]),
    ...Object.entries(env).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]),
  ]
  const child = spawn(engine.client, ['run', '--rm', '--name', name, ...options, ...flags, image, ...args], {
    env: environmentOf(engine),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => remove(engine, name))
  return {
    name,
    done: ran(child, began),
    async stop() {
      const start = performance.now()
      await docker(engine, ['stop', name])
      return performance.now() - start
    },
  }
}

/** Runs a container to its end. */
export function runContainer(setting: Setting, args: readonly string[]): Promise<Ran> {
  return startContainer(setting, args).done
}

/** A container that is made and not started, for looking at its files; removed at the end of the test. */
export async function createContainer({ engine, image }: Setting): Promise<string> {
  const id = await docker(engine, ['create', image])
  onTestFinished(() => remove(engine, id))
  return id
}

async function ran(child: ChildProcess, began: number): Promise<Ran> {
  const text = { stdout: '', stderr: '', output: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (data: string) => {
      text[name] += data
      text.output += data
    })
  const [exit, signal] = await once(child, 'close')
  return { exit, signal, ...text, milliseconds: performance.now() - began }
}

async function remove(engine: Engine, container: string): Promise<void> {
  await docker(engine, ['rm', '--force', '--volumes', container]).catch(() => {})
}

function volume(source: string, target: string): string {
  return source.endsWith(':ro') ? `${source.slice(0, -3)}:${target}:ro` : `${source}:${target}`
}
