/**
 * A real one-node Kubernetes for tests. Where the workspace has a cluster tool beside the repository (no image registry
 * needed), that one; elsewhere kind. Where neither can be had the tests that need one fail with a sentence.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { programsNamed, run } from './command.ts'
import { type Engine, environmentOf } from './docker.ts'
import { takeMachineLock } from './machine-lock.ts'
import { step } from './say.ts'

const tool = fileURLToPath(new URL('../../../shared/tools/cluster/cluster', import.meta.url))
const kindName = 'lockkeeper-test'

/** Which of the two it is. */
export type ClusterKind = 'tool' | 'kind'

export interface Cluster {
  /** Standard output of kubectl. Rejects with its standard error in the message. */
  kubectl(...args: readonly string[]): Promise<string>
  /** Makes images of a Docker Engine known to the node. */
  load(engine: Engine, images: readonly string[]): Promise<void>
}

export interface StartedCluster {
  readonly kind: ClusterKind
  stop(): Promise<void>
}

/**
 * An empty one: what a run that was cut off has left goes first. Waits where another run on this machine has one.
 * @param engine where kind puts its node
 */
export async function startCluster(engine: Engine): Promise<StartedCluster> {
  const kind = await whichKind()
  const release = await takeMachineLock('cluster')
  const { down, up } = kind === 'tool' ? lifeByTool : lifeByKind(engine)
  const stop = async () => {
    try {
      await down()
    } finally {
      release()
    }
  }
  try {
    await down()
    await up()
    return { kind, stop }
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }
}

/** Talks to a cluster that is up. */
export function clusterOf(kind: ClusterKind): Cluster {
  const name = ['--name', kindName]
  return kind === 'tool'
    ? {
        kubectl: (...args) => run(tool, ['kubectl', ...args]),
        load: async (engine, images) => void (await run(tool, ['load', ...images], { env: environmentOf(engine) })),
      }
    : {
        kubectl: (...args) => run('kubectl', ['--context', `kind-${kindName}`, ...args]),
        load: async (engine, images) =>
          void (await run('kind', ['load', 'docker-image', ...name, ...images], { env: environmentOf(engine) })),
      }
}

async function whichKind(): Promise<ClusterKind> {
  if (existsSync(tool)) return 'tool'
  const found = await Promise.all(['kind', 'kubectl'].map(program => programsNamed(program)))
  if (found.every(paths => paths.length > 0)) return 'kind'
  throw new Error(
    'These tests need a Kubernetes: please install kind and kubectl, or leave them out with: npm test -- --exclude "test/kubernetes/**"',
  )
}

interface Life {
  up(): Promise<unknown>
  down(): Promise<unknown>
}

const lifeByTool: Life = {
  up: async () => {
    await step('Compiling a one-node Kubernetes (several minutes the first time)', () => run(tool, ['build']))
    await step('Starting a one-node Kubernetes', () => run(tool, ['up']))
  },
  down: () => run(tool, ['down']),
}

function lifeByKind(engine: Engine): Life {
  const kind = (...args: readonly string[]) =>
    run('kind', [...args, '--name', kindName], { env: environmentOf(engine) })
  return {
    up: () => step('Starting a one-node Kubernetes (kind)', () => kind('create', 'cluster', '--wait', '120s')),
    down: () => kind('delete', 'cluster'),
  }
}
