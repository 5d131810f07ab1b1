/** What `k8s/` is built to, without a cluster: the examples, and the components on somebody's workload. */
import { readFileSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { patience } from '../environment/ask.ts'
import { type CommandError, run } from '../environment/command.ts'
import { kubernetesProgram } from '../environment/helm.ts'
import { freshFolder } from '../support/folder.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const k8s = join(root, 'k8s')
const examples = ['statefulset', 'deployment', 'in-pod', 'litestream'] as const
const kinds = ['StatefulSet', 'Deployment'] as const
type Kind = (typeof kinds)[number]

// biome-ignore lint/suspicious/noExplicitAny: what Kubernetes takes has no types here
type Manifest = any

let kubectl: string

beforeAll(async () => {
  kubectl = await kubernetesProgram('kubectl')
}, patience)

async function build(folder: string): Promise<Manifest[]> {
  return parseAllDocuments(await run(kubectl, ['kustomize', folder])).flatMap(document => document.toJSON() ?? [])
}

/** Every pod that a manifest makes. */
function podsOf({ kind, spec }: Manifest): Manifest[] {
  if (kind === 'CronJob') return [spec.jobTemplate.spec.template.spec]
  return kind === 'Deployment' || kind === 'StatefulSet' ? [spec.template.spec] : []
}

const containersOf = (pod: Manifest): Manifest[] => [...(pod.initContainers ?? []), ...pod.containers]
const named = (list: Manifest[], name: string): Manifest => list.find(entry => entry.name === name)
const orders = (manifests: Manifest[]): Manifest =>
  manifests.find(({ kind, metadata }) => (kinds as readonly string[]).includes(kind) && metadata.name === 'orders')

test('every kustomization is built', async () => {
  const files = (await readdir(k8s, { recursive: true })).filter(file => file.endsWith('kustomization.yaml'))
  const folders = files
    .map(file => join(k8s, file))
    .filter(file => parse(readFileSync(file, 'utf8')).kind === 'Kustomization')
    .map(file => dirname(file))
  expect(folders.length).toBeGreaterThan(10)
  for (const folder of folders) expect(await build(folder), folder).not.toEqual([])
}, 60_000)

describe.each(examples)('the example %s', example => {
  const built = () => build(join(k8s, 'examples', example))

  test('pins every image by a tag, and ours is the version that this is', async () => {
    const found = (await built())
      .flatMap(podsOf)
      .flatMap(containersOf)
      .map(({ image }) => image as string)
    for (const image of found) expect(image).toMatch(/^[\w./-]+:(?!latest)[\w.-]+$/)
    const base =
      example === 'in-pod' ? await readFile(join(k8s, 'examples/in-pod/app/Dockerfile'), 'utf8') : found.join('\n')
    expect(base).toMatch(new RegExp(`\\blockkeeper:${packageJson.version}$`, 'm'))
  })

  test('has Lockkeeper run as the user of the application, with a /tmp of its own', async () => {
    const manifests = await built()
    const application = orders(manifests).spec.template.spec
    const user = userOf(application, named(application.containers, 'app'))
    const pods = manifests.flatMap(podsOf).filter(pod => containersOf(pod).some(isLockkeeper))
    for (const pod of pods)
      for (const container of containersOf(pod).filter(isLockkeeper)) {
        // Pruning touches no file of the application's.
        if (container.args[0] !== 'prune') expect(userOf(pod, container), container.name).toEqual(user)
        const tmp = container.volumeMounts.find(({ mountPath }: Manifest) => mountPath === '/tmp')
        expect(named(pod.volumes, tmp?.name)?.emptyDir, container.name).toEqual({ sizeLimit: '64Mi' })
        const sharing = containersOf(pod).filter(({ volumeMounts }) => named(volumeMounts, tmp.name) !== undefined)
        expect(sharing.map(({ name }) => name)).toEqual([container.name])
      }
  })

  test('never has two pods write', async () => {
    const { kind, spec } = orders(await built())
    expect(spec.replicas).toBe(1)
    if (kind === 'Deployment') expect(spec.strategy).toEqual({ type: 'Recreate' })
  })
})

test('the examples have namespaces of their own, and the same first migration', async () => {
  const namespaces = new Set<string>()
  const migrations = new Set<string>()
  for (const example of examples) {
    const manifests = await build(join(k8s, 'examples', example))
    const { metadata } = manifests.find(({ kind }) => kind === 'Namespace')
    for (const { kind, metadata: its } of manifests) if (kind !== 'Namespace') expect(its.namespace).toBe(metadata.name)
    namespaces.add(metadata.name)
    const folder = join(k8s, 'examples', example, example === 'statefulset' ? '' : 'app', 'migrations')
    migrations.add(await readFile(join(folder, 'v001_orders.sql'), 'utf8'))
  }
  expect(namespaces.size).toBe(examples.length)
  expect(migrations.size).toBe(1)
})

describe('the example litestream', () => {
  const order = (manifests: Manifest[]): [string, boolean][] =>
    orders(manifests).spec.template.spec.initContainers.map(({ name, restartPolicy }: Manifest) => [
      name,
      restartPolicy === 'Always',
    ])

  test('restores, then migrates, then replicates', async () => {
    expect(order(await build(join(k8s, 'examples/litestream')))).toEqual([
      ['litestream-restore', false],
      ['lockkeeper', false],
      ['litestream', true],
    ])
  })

  test('has a patch for the release after a restore, which is commented out', async () => {
    const folder = join(await freshFolder(), 'k8s')
    await cp(k8s, folder, { recursive: true })
    const file = join(folder, 'examples/litestream/app/kustomization.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(
      file,
      text.replace(/^ {2}# (- path: reset\.yaml\n)((?: {2}# .*\n)+)/m, (_, first, rest) => {
        return `  ${first}${rest.replaceAll(/^ {2}# /gm, '  ')}`
      }),
    )
    const manifests = await build(join(folder, 'examples/litestream'))
    expect(order(manifests).map(([name]) => name)).toEqual([
      'litestream-restore',
      'lockkeeper',
      'litestream-reset',
      'litestream',
    ])
    const reset = named(orders(manifests).spec.template.spec.initContainers, 'litestream-reset')
    expect(reset.args).toEqual(['reset', '-config', '/etc/litestream/litestream.yml', '/data/orders.db'])
  })
})

describe('the components', () => {
  test('give a StatefulSet and a Deployment the same init container, at the front or at the end', async () => {
    const added: Manifest[] = []
    for (const kind of kinds)
      for (const component of ['first', 'last'] as const)
        for (const others of [[], ['one', 'two']]) {
          const pod = await podWith([component], { kind, others })
          const names = pod.initContainers.map(({ name }: Manifest) => name)
          expect(names).toEqual(component === 'first' ? ['lockkeeper', ...others] : [...others, 'lockkeeper'])
          added.push({
            container: named(pod.initContainers, 'lockkeeper'),
            volumes: pod.volumes.filter(({ name }: Manifest) => name.startsWith('lockkeeper')),
          })
        }
    for (const one of added) expect(one).toEqual(added[0])
    expect(added[0].container).toMatchObject({
      args: ['run'],
      securityContext: { runAsUser: 1234, runAsGroup: 5678, runAsNonRoot: true },
      volumeMounts: [
        { name: 'files', mountPath: '/files' },
        { name: 'lockkeeper-tmp', mountPath: '/tmp' },
      ],
    })
    expect(named(added[0].container.env, 'DATABASE_URL').value).toBe('/files/shop.db')
  })

  test('leave it to a patch to put it between two others', async () => {
    const page = await readFile(join(root, 'docs/kubernetes.md'), 'utf8')
    const [patch] = /\{op: move, [^}]*\}/.exec(page) ?? []
    const folder = await overlay({
      workloads: [workload({ others: ['one', 'two'] }), settingsOf(settings)],
      components: ['first'],
      patches: [{ target: { kind: 'Deployment', name: 'shop' }, patch: `- ${patch}` }],
    })
    const names = podOf(await build(folder)).initContainers.map(({ name }: Manifest) => name)
    expect(names).toEqual(['one', 'lockkeeper', 'two'])
  })

  test('add what the StatefulSet example has by hand', async () => {
    const [byHand] = orders(await build(join(k8s, 'examples/statefulset'))).spec.template.spec.initContainers
    const container = named((await podWith(['first'])).initContainers, 'lockkeeper')
    const envOf = ({ env }: Manifest) => env.map(({ name, value, ...rest }: Manifest) => ({ name, ...rest }))
    expect(envOf(container)).toEqual(envOf(byHand))
    expect(container.resources).toEqual(byHand.resources)
    expect(container.securityContext).toMatchObject(byHand.securityContext)
  })

  test.each(['schedule', 'serve'])('%s is a sidecar behind it, as the same user on the same database', async name => {
    for (const kind of kinds)
      for (const component of ['first', 'last']) {
        const pod = await podWith([component, name], { kind, others: ['one'] })
        const [init, sidecar] = ['lockkeeper', `lockkeeper-${name}`].map(each => named(pod.initContainers, each))
        expect(pod.initContainers.at(-1)).toBe(sidecar)
        expect(sidecar).toMatchObject({ restartPolicy: 'Always', args: expect.arrayContaining([name]) })
        expect(sidecar.securityContext).toEqual(init.securityContext)
        expect(sidecar.envFrom).toEqual(init.envFrom)
        expect(named(sidecar.env, 'DATABASE_URL')).toEqual(named(init.env, 'DATABASE_URL'))
        expect(sidecar.volumeMounts[0]).toEqual(init.volumeMounts[0])
      }
  })

  test.each<[string, (files: Files) => void, string]>([
    ['no DATABASE_URL', ({ settings }) => delete settings['DATABASE_URL'], '`data.DATABASE_URL` is missing'],
    ['no volume', ({ settings }) => delete settings['volume'], '`data.volume` is missing'],
    ['no mountPath', ({ settings }) => delete settings['mountPath'], '`data.mountPath` is missing'],
    ['no settings', files => (files.workloads = [workload()]), 'nothing selected by ConfigMap'],
    ['no user', ({ workloads }) => delete podOf(workloads).securityContext.runAsUser, 'runAsUser` is missing'],
    ['no group', ({ workloads }) => delete podOf(workloads).securityContext.runAsGroup, 'runAsGroup` is missing'],
    ['two workloads', ({ workloads }) => workloads.push(workload({ name: 'two' })), 'multiple matches for selector'],
    ['no workload', ({ workloads }) => workloads.shift(), 'nothing selected by'],
    ['more than one replica', ({ workloads }) => (workloads[0].spec.replicas = 2), '/spec/replicas failed'],
    ['no word on replicas', ({ workloads }) => delete workloads[0].spec.replicas, '/spec/replicas failed'],
    [
      'RollingUpdate',
      ({ workloads }) => (workloads[0].spec.strategy = { type: 'RollingUpdate' }),
      'testing value /spec/strategy/type failed',
    ],
    ['no strategy', ({ workloads }) => delete workloads[0].spec.strategy, 'missing path: /spec/strategy/type'],
    ['a sidecar before it', ({ components }) => components.unshift('schedule'), 'initContainers'],
  ])('refuse %s', async (_, spoil, sentence) => {
    const files: Files = { workloads: [workload()], settings: { ...settings }, components: ['first'] }
    files.workloads.push(settingsOf(files.settings))
    spoil(files)
    const refused = await build(await overlay(files)).then(
      () => 'it was built',
      (error: CommandError) => error.stderr,
    )
    expect(refused).toContain(sentence)
  })

  test('are used in the documentation as they can be', async () => {
    const page = await readFile(join(root, 'docs/kubernetes.md'), 'utf8')
    const section = /\n## The init container\n([\s\S]*?)\n## /.exec(page)?.[1] ?? ''
    const blocks = [...section.matchAll(/```yaml\n# (\S+)\n([\s\S]*?)```/g)]
    expect(blocks.map(([, name]) => name)).toEqual(['kustomization.yaml', 'lockkeeper.yaml'])
    const folder = join(await freshFolder(), 'mine')
    await mkdir(folder)
    await cp(k8s, join(folder, '../lockkeeper/k8s'), { recursive: true })
    for (const [, name = '', text = ''] of blocks) await writeFile(join(folder, name), text)
    await writeFile(join(folder, 'app.yaml'), JSON.stringify(workload()))
    await writeFile(join(folder, 'repository.env'), 'LOCKKEEPER_REPOSITORY=s3://backups/app\n')
    const [pod] = (await build(folder)).flatMap(podsOf)
    expect(pod.initContainers[0]).toMatchObject({
      name: 'lockkeeper',
      image: 'registry.example.com/my-app-migrations:42',
    })
    expect(pod.initContainers[0].envFrom[0].configMapRef.name).toMatch(/^repository-\w+$/)
  })
})

interface Files {
  workloads: Manifest[]
  readonly settings: Record<string, string>
  readonly components: string[]
}

const settings = { DATABASE_URL: '/files/shop.db', volume: 'files', mountPath: '/files' }

function settingsOf(data: Record<string, string>): Manifest {
  const annotations = { 'config.kubernetes.io/local-config': 'true' }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'lockkeeper', annotations }, data }
}

/** Somebody's, that these components have never seen. */
function workload({ kind = 'Deployment' as Kind, name = 'shop', others = [] as readonly string[] } = {}): Manifest {
  const labels = { shop: name }
  const volumeMounts = [{ name: 'files', mountPath: '/srv' }]
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name },
    spec: {
      replicas: 1,
      ...(kind === 'Deployment' ? { strategy: { type: 'Recreate' } } : { serviceName: name }),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          securityContext: { runAsUser: 1234, runAsGroup: 5678 },
          ...(others.length > 0 ? { initContainers: others.map(other => ({ name: other, image: 'other:1' })) } : {}),
          containers: [{ name: 'shop', image: 'shop:1', volumeMounts }],
          volumes: [{ name: 'files', persistentVolumeClaim: { claimName: 'files' } }],
        },
      },
    },
  }
}

const podOf = ([first]: Manifest[]): Manifest => first.spec.template.spec

/** A kustomization of these beside a copy of ours. */
async function overlay({
  workloads,
  components,
  patches = [],
}: Pick<Files, 'workloads' | 'components'> & { patches?: object[] }): Promise<string> {
  const folder = join(await freshFolder(), 'shop')
  await mkdir(folder)
  await cp(join(k8s, 'components'), join(folder, '../components'), { recursive: true })
  await writeFile(join(folder, 'all.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: workloads }))
  const kustomization = {
    resources: ['all.json'],
    components: components.map(name => `../components/${name}`),
    patches,
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return folder
}

/** The pod of a workload with these components. */
async function podWith(components: string[], options: Parameters<typeof workload>[0] = {}): Promise<Manifest> {
  const built = await build(await overlay({ workloads: [workload(options), settingsOf(settings)], components }))
  // The settings are for kustomize alone.
  expect(built).toHaveLength(1)
  return podOf(built)
}

function isLockkeeper({ image }: Manifest): boolean {
  return /\blockkeeper:/.test(image)
}

/** Under which numbers a container runs. */
function userOf({ securityContext: pod }: Manifest, { securityContext: own }: Manifest): Record<string, number> {
  return { uid: own.runAsUser ?? pod.runAsUser, gid: own.runAsGroup ?? pod.runAsGroup, volumes: pod.fsGroup }
}
