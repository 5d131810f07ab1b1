/**
 * A real one-node Kubernetes for tests. Where the workspace has a cluster tool beside the repository (no image registry
 * needed), that one; elsewhere kind. Where neither can be had the tests that need one fail with a sentence.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const tool = fileURLToPath(new URL('../../../shared/tools/cluster/cluster', import.meta.url))
const kindName = 'lockkeeper-test'

export interface Cluster {
  /** Standard output of kubectl. Rejects with its standard error in the message. */
  kubectl(...args: readonly string[]): Promise<string>
  /** Makes images of the local Docker Engine known to the node. */
  load(...images: readonly string[]): Promise<void>
  /** Ends what `startCluster` started. */
  stop(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  if (existsSync(tool)) return withTool()
  if (spawnSync('kind', ['version'], { stdio: 'ignore' }).error === undefined) return withKind()
  throw new Error(
    'These tests need a Kubernetes: please install kind and kubectl, or leave them out with: npm test -- --exclude "test/kubernetes/**"',
  )
}

async function withTool(): Promise<Cluster> {
  timed('the programs of a one-node Kubernetes (several minutes the first time)', () =>
    execFileSync(tool, ['build'], { stdio: ['ignore', 'ignore', 'inherit'] }),
  )
  timed('a one-node Kubernetes', () => execFileSync(tool, ['up'], { stdio: ['ignore', 'ignore', 'inherit'] }))
  return {
    kubectl: (...args) => output(tool, ['kubectl', ...args]),
    load: async (...images) => void (await output(tool, ['load', ...images])),
    stop: async () => void (await output(tool, ['down'])),
  }
}

async function withKind(): Promise<Cluster> {
  timed('a one-node Kubernetes (kind)', () =>
    execFileSync('kind', ['create', 'cluster', '--name', kindName, '--wait', '120s'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  )
  return {
    kubectl: (...args) => output('kubectl', ['--context', `kind-${kindName}`, ...args]),
    load: async (...images) => void (await output('kind', ['load', 'docker-image', '--name', kindName, ...images])),
    stop: async () => void (await output('kind', ['delete', 'cluster', '--name', kindName])),
  }
}

async function output(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, [...args], { maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

function timed(what: string, work: () => void): void {
  const start = performance.now()
  work()
  console.log(`${what}: ${Math.round((performance.now() - start) / 1000)} s`)
}
