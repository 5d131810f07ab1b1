/**
 * A real one-node Kubernetes for tests. Where the workspace has a cluster tool beside the repository (no image registry
 * needed), that one; elsewhere kind. Where neither can be had the tests that need one fail with a sentence.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { programsNamed, run } from './command.ts'
import { type Engine, environmentOf } from './docker.ts'
import { step } from './say.ts'

const tool = fileURLToPath(new URL('../../../shared/tools/cluster/cluster', import.meta.url))
const kindName = 'lockkeeper-test'

export interface Cluster {
  /** Standard output of kubectl. Rejects with its standard error in the message. */
  kubectl(...args: readonly string[]): Promise<string>
  /** Makes images of a Docker Engine known to the node. */
  load(engine: Engine, images: readonly string[]): Promise<void>
  /** Ends what `startCluster` started. */
  stop(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  if (existsSync(tool)) return withTool()
  if ((await programsNamed('kind')).length > 0) return withKind()
  throw new Error(
    'These tests need a Kubernetes: please install kind and kubectl, or leave them out with: npm test -- --exclude "test/kubernetes/**"',
  )
}

async function withTool(): Promise<Cluster> {
  await step('Compiling a one-node Kubernetes (several minutes the first time)', () => run(tool, ['build']))
  await step('Starting a one-node Kubernetes', () => run(tool, ['up']))
  return {
    kubectl: (...args) => run(tool, ['kubectl', ...args]),
    load: async (engine, images) => void (await run(tool, ['load', ...images], { env: environmentOf(engine) })),
    stop: async () => void (await run(tool, ['down'])),
  }
}

async function withKind(): Promise<Cluster> {
  const name = ['--name', kindName]
  await step('Starting a one-node Kubernetes (kind)', () =>
    run('kind', ['create', 'cluster', ...name, '--wait', '120s']),
  )
  return {
    kubectl: (...args) => run('kubectl', ['--context', `kind-${kindName}`, ...args]),
    load: async (engine, images) =>
      void (await run('kind', ['load', 'docker-image', ...name, ...images], { env: environmentOf(engine) })),
    stop: async () => void (await run('kind', ['delete', 'cluster', ...name])),
  }
}
