/** The example in `k8s/examples/statefulset`, copied so that a test can change it, in a namespace of its own. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { cluster as askForCluster, image, lockkeeperImage } from '../environment/ask.ts'
import type { Cluster } from '../environment/cluster.ts'
import { images } from '../environment/images.ts'

const manifests = fileURLToPath(new URL('../../k8s/', import.meta.url))
const itsNamespace = 'lockkeeper-example'

export class Example {
  readonly namespace: string
  /** Its kustomization. */
  readonly folder: string
  /** The name of our own image. */
  readonly image: string
  readonly #cluster: Cluster
  readonly #copy: string

  private constructor(cluster: Cluster, copy: string, namespace: string, image: string) {
    this.image = image
    this.#cluster = cluster
    this.#copy = copy
    this.folder = join(copy, 'examples', 'statefulset')
    this.namespace = namespace
  }

  /** With the images that it needs known to the cluster; nothing is applied yet. */
  static async prepare(namespace: string): Promise<Example> {
    const { engine, image: ours } = await lockkeeperImage()
    await image(images.versitygw)
    const cluster = await askForCluster()
    await cluster.load(engine, [ours, images.runtime, images.versitygw])
    const copy = await mkdtemp(join(tmpdir(), 'lockkeeper-example-'))
    await cp(manifests, copy, { recursive: true })
    const example = new Example(cluster, copy, namespace, ours)
    await example.edit('namespace.yaml', `name: ${itsNamespace}`, `name: ${namespace}`)
    await example.edit('kustomization.yaml', `namespace: ${itsNamespace}`, `namespace: ${namespace}`)
    // What `kustomize edit set image` does.
    const [newName, newTag] = ours.split(':')
    await example.edit('kustomization.yaml', '    newTag: latest', `    newName: ${newName}\n    newTag: ${newTag}`)
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

  /** Asks again and again, for three minutes at most. */
  async until(condition: () => Promise<boolean>, describe = 'pods'): Promise<void> {
    const end = performance.now() + 180_000
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`waited in vain:\n${await this.kubectl('describe', describe)}`)
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }

  async remove(): Promise<void> {
    await this.kubectl('delete', 'namespace', this.namespace, '--ignore-not-found', '--wait=false')
    await rm(this.#copy, { recursive: true, force: true })
  }
}
