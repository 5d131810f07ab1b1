/** An example of `k8s/examples`, copied so that a test can change it, in a namespace of its own. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { cluster as askForCluster, image, lockkeeperImage } from '../environment/ask.ts'
import type { Cluster } from '../environment/cluster.ts'
import { docker, type Engine } from '../environment/docker.ts'
import { images } from '../environment/images.ts'
import { alsoNamed } from '../environment/lockkeeper-image.ts'
import { takeMachineLock } from '../environment/machine-lock.ts'

const manifests = fileURLToPath(new URL('../../k8s/', import.meta.url))
/** A container that failed is started again after 10 s, 20 s, and so on up to 5 minutes. Milliseconds. */
const patient = 360_000
/** Images that the cluster has from this file's tests: each takes seconds. */
const loaded = new Set<string>()
/** Which there are. */
type ExampleName = 'statefulset' | 'deployment' | 'in-pod' | 'litestream'
/** As docs/kubernetes.md has it built and loaded. */
const itsImage = `lockkeeper:${packageJson.version}`

export class Example {
  readonly namespace: string
  /** Its kustomization. */
  readonly folder: string
  /** The name of our own image, as the node knows it. */
  readonly image = itsImage
  /** What `kubectl exec` and the like find its pod by. */
  readonly pod: string
  readonly #workload: string
  readonly #cluster: Cluster
  readonly #copy: string
  readonly #leave: () => void

  private constructor(cluster: Cluster, copy: string, namespace: string, name: ExampleName, leave: () => void) {
    this.#leave = leave
    this.#cluster = cluster
    this.#copy = copy
    this.#workload = `${name === 'statefulset' ? 'statefulset' : 'deployment'}/orders`
    this.pod = name === 'statefulset' ? 'orders-0' : this.#workload
    this.folder = join(copy, 'examples', name)
    this.namespace = namespace
  }

  /** With the images that it needs known to the cluster; nothing is applied yet. */
  static async prepare(namespace: string, name: ExampleName = 'statefulset'): Promise<Example> {
    // Before the lock: a run that had the lock and waited for the cluster would stop the run that has the cluster.
    const cluster = await askForCluster()
    // One at a time: a node on two processors, that starts two of everything, takes minutes for what takes seconds.
    const leave = await takeMachineLock('lockkeeper-example')
    return Example.#prepared(cluster, namespace, name, leave).catch(error => {
      leave()
      throw error
    })
  }

  static async #prepared(cluster: Cluster, namespace: string, name: ExampleName, leave: () => void): Promise<Example> {
    const { engine, image: ours } = await lockkeeperImage()
    const others: string[] = [images.versitygw, ...(name === 'litestream' ? [images.litestream] : [])]
    for (const other of others) await image(other)
    await alsoNamed(engine, ours, itsImage, async () => {
      const missing = [itsImage, images.runtime, ...others].filter(each => !loaded.has(each))
      if (missing.length > 0) await cluster.load(engine, missing)
      for (const each of missing) loaded.add(each)
      if (name === 'in-pod') await loadDerived(cluster, engine)
    })
    const copy = await mkdtemp(join(tmpdir(), 'lockkeeper-example-'))
    await cp(manifests, copy, { recursive: true })
    const example = new Example(cluster, copy, namespace, name, leave)
    const [line = ''] =
      /^namespace: .*$/m.exec(await readFile(join(example.folder, 'kustomization.yaml'), 'utf8')) ?? []
    await example.edit('kustomization.yaml', line, `namespace: ${namespace}`)
    return example
  }

  async edit(file: string, old: string, fresh: string): Promise<void> {
    const path = join(this.folder, file)
    const text = await readFile(path, 'utf8')
    expect(text).toContain(old)
    await writeFile(path, text.replace(old, fresh))
  }

  async apply(): Promise<void> {
    await this.#cluster.kubectl('apply', '-k', this.folder)
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.#cluster.kubectl('--namespace', this.namespace, ...args)
  }

  /** Waits until the application of the newest release is ready. */
  async rolledOut(): Promise<void> {
    const status = ['rollout', 'status', this.#workload, `--timeout=${patient / 1000}s`]
    await this.kubectl(...status).catch(async (cause: unknown) => {
      throw new Error(`the release is not ready\n${await this.#state('pods')}`, { cause })
    })
  }

  /** Asks again and again, for six minutes at most. */
  async until(condition: () => Promise<boolean>, describe = 'pods'): Promise<void> {
    const end = performance.now() + patient
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`waited in vain\n${await this.#state(describe)}`)
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }

  /** What there is to see when something does not come about, the newest last. */
  async #state(describe: string): Promise<string> {
    const asked = [
      ['describe', describe],
      ['logs', this.#workload, '--all-containers', '--tail=20'],
      ['get', 'events', '--sort-by=.lastTimestamp'],
      ['get', 'pods,pvc', '--output=wide'],
    ]
    const answers = await Promise.all(asked.map(args => this.kubectl(...args).catch(String)))
    return answers.map(answer => answer.trim().split('\n').slice(-60).join('\n')).join('\n\n')
  }

  async remove(): Promise<void> {
    try {
      await this.kubectl('delete', 'namespace', this.namespace, '--ignore-not-found', '--timeout=100s')
      await rm(this.#copy, { recursive: true, force: true })
    } finally {
      this.#leave()
    }
  }
}

/** The image with migrations in it, built and named as the example in-pod says. */
async function loadDerived(cluster: Cluster, engine: Engine): Promise<void> {
  const built = await docker(engine, ['build', '--quiet', join(manifests, 'examples/in-pod/app')])
  await alsoNamed(engine, built, 'orders-lockkeeper:1', () => cluster.load(engine, ['orders-lockkeeper:1']))
  await docker(engine, ['image', 'rm', '--force', built])
}
