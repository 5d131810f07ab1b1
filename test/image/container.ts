/** Runs the image that ships in containers of the real engine, as Kubernetes would. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { docker, type Engine, environmentOf } from '../environment/docker.ts'
import type { Ran } from '../support/cli.ts'

/** Whose the volume is: somebody that the image has never heard of. Only root can give a file to another user. */
export const application =
  process.getuid?.() === 0 ? { uid: 12345, gid: 12345 } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

/** What the restricted Pod Security Standard asks for, and a root file system that cannot be written. */
export const unprivileged = [
  '--read-only',
  ...['--tmpfs', '/tmp'],
  ...['--cap-drop', 'ALL'],
  ...['--security-opt', 'no-new-privileges'],
  ...['--user', `${application.uid}:${application.gid}`],
]

/** That, and no network. */
export const restricted = [...unprivileged, '--network', 'none']

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
  /** Resolves when it has written that text. */
  shows(text: string): Promise<void>
  readonly done: Promise<Ran>
  /** `docker stop`; resolves when the container is gone. @returns how long that took, in milliseconds */
  stop(): Promise<number>
}

let count = 0

function newName(): string {
  return `lockkeeper-test-${process.pid}-${++count}`
}

/** Starts a container; it is removed when it ends, and at the end of the test in any case. */
export function startContainer(setting: Setting, args: readonly string[]): RunningContainer {
  const { engine, image } = setting
  const name = newName()
  const began = performance.now()
  const child = spawn(engine.client, ['run', '--rm', '--name', name, ...optionsOf(setting), image, ...args], {
    env: environmentOf(engine),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => remove(engine, name))
  const text = outputOf(child)
  return {
    name,
    async shows(wanted) {
      while (!text.output.includes(wanted)) {
        const ended = child.exitCode !== null || child.signalCode !== null
        if (ended) throw new Error(`it ended and never wrote ${JSON.stringify(wanted)}, but:\n${text.output}`)
        await once(child, 'shown')
      }
    },
    done: once(child, 'close').then(([exit, signal]) => {
      child.emit('shown')
      return { exit, signal, ...text, milliseconds: performance.now() - began }
    }),
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

/** Runs containers to their end in which nothing says HOME: to a user whom the image does not know, Docker gives `/`. */
export function withoutHome(setting: Setting): (args: readonly string[]) => Promise<Ran> {
  const options = [...(setting.options ?? restricted), '--entrypoint', '/nodejs/bin/node']
  const program = "delete process.env.HOME; import('/lockkeeper/dist/cli.js')"
  return args => runContainer({ ...setting, options }, ['--eval', program, '--', 'lockkeeper', ...args])
}

/** A container that is made and neither started nor removed before the end of the test. @returns its name */
export async function createContainer(setting: Setting, args: readonly string[] = []): Promise<string> {
  const { engine, image } = setting
  const name = newName()
  onTestFinished(() => remove(engine, name))
  await docker(engine, ['create', '--name', name, ...optionsOf(setting), image, ...args])
  return name
}

function optionsOf({ options = restricted, mounts = {}, env = {} }: Setting): string[] {
  return [
    ...options,
    ...Object.entries(mounts).flatMap(([target, source]) => ['--volume', volume(source, target)]),
    ...Object.entries(env).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]),
  ]
}

function outputOf(child: ChildProcess): Pick<Ran, 'stdout' | 'stderr' | 'output'> {
  const text = { stdout: '', stderr: '', output: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (data: string) => {
      text[name] += data
      text.output += data
      child.emit('shown')
    })
  return text
}

async function remove(engine: Engine, container: string): Promise<void> {
  await docker(engine, ['rm', '--force', '--volumes', container]).catch(() => {})
}

function volume(source: string, target: string): string {
  return source.endsWith(':ro') ? `${source.slice(0, -3)}:${target}:ro` : `${source}:${target}`
}
