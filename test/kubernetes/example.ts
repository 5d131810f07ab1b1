/** The example in `k8s/examples/statefulset`, copied so that a test can change it, in a namespace of its own. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { cluster as askForCluster, image, lockkeeperImage } from '../environment/ask.ts'
import type { Cluster } from '../environment/cluster.ts'
import { images } from '../environment/images.ts'
import { alsoNamed } from '../environment/lockkeeper-image.ts'
import { takeMachineLock } from '../environment/machine-lock.ts'

const manifests = fileURLToPath(new URL('../../k8s/', import.meta.url))
/** A container that failed is started again after 10 s, 20 s, and so on up to 5 minutes. Milliseconds. */
const patient = 360_000
const itsNamespace = 'lockkeeper-example'
/** As docs/kubernetes.md has it built and loaded. */
const itsImage = `lockkeeper:${packageJson.version}`

export class Example {
  readonly namespace: string
  /** Its kustomization. */
  readonly folder: string
  /** The name of our own image, as the node knows it. */
  readonly image = itsImage
  readonly #cluster: Cluster
  readonly #copy: string
  readonly #leave: () => void

  private constructor(cluster: Cluster, copy: string, namespace: string, leave: () => void) {
    this.#leave = leave
    this.#cluster = cluster
    this.#copy = copy
    this.folder = join(copy, 'examples', 'statefulset')
    this.namespace = namespace
  }

  /** With the images that it needs known to the cluster; nothing is applied yet. */
  static async prepare(namespace: string): Promise<Example> {
    // One at a time: a node on two processors, that starts two of everything, takes minutes for what takes seconds.
    const leave = await takeMachineLock(itsNamespace)
    return Example.#prepared(namespace, leave).catch(error => {
      leave()
      throw error
    })
  }

  static async #prepared(namespace: string, leave: () => void): Promise<Example> {
    const { engine, image: ours } = await lockkeeperImage()
    await image(images.versitygw)
    const cluster = await askForCluster()
    const others = [images.runtime, images.versitygw]
    await alsoNamed(engine, ours, itsImage, () => cluster.load(engine, [itsImage, ...others]))
    const copy = await mkdtemp(join(tmpdir(), 'lockkeeper-example-'))
    await cp(manifests, copy, { recursive: true })
    const example = new Example(cluster, copy, namespace, leave)
    await example.edit('namespace.yaml', `name: ${itsNamespace}`, `name: ${namespace}`)
    await example.edit('kustomization.yaml', `namespace: ${itsNamespace}`, `namespace: ${namespace}`)
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
    const status = ['rollout', 'status', 'statefulset/orders', `--timeout=${patient / 1000}s`]
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
      ['logs', 'statefulset/orders', '--all-containers', '--tail=20'],
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
