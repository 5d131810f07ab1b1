/**
 * What `k8s/` is built to, before a real API server; and the examples `deployment`, `in-pod` and `litestream` on a real
 * cluster, with the application that writes. `statefulset` has a file of its own.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { cluster as askForCluster, patience } from '../environment/ask.ts'
import type { Cluster } from '../environment/cluster.ts'
import { CommandError } from '../environment/command.ts'
import { Example } from './example.ts'
import { levelOf, lost, ordersOf, takesOrders } from './orders.ts'

const minutes = 60_000
const examples = fileURLToPath(new URL('../../k8s/examples/', import.meta.url))

// biome-ignore lint/suspicious/noExplicitAny: what Kubernetes takes has no types here
type Manifest = any

describe('a strict API server, with the restricted Pod Security Standard,', () => {
  const namespace = 'lockkeeper-strict'
  let cluster: Cluster
  let folder: string

  beforeAll(async () => {
    cluster = await askForCluster()
    folder = await mkdtemp(join(tmpdir(), 'lockkeeper-strict-'))
    await cluster.kubectl('create', 'namespace', namespace)
    await cluster.kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted')
    await cluster.kubectl('--namespace', namespace, 'wait', '--for=create', 'serviceaccount/default', '--timeout=60s')
  }, patience)

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
    await cluster.kubectl('delete', 'namespace', namespace, '--wait=false')
  })

  test.each(['statefulset', 'deployment', 'in-pod', 'litestream'])('takes the example %s, and its pods', async name => {
    const manifests = await built(join(examples, name))
    const pods = manifests.flatMap(podsOf)
    expect(pods.length).toBeGreaterThan(1)
    await take(name, [...manifests.filter(({ kind }) => kind !== 'Namespace'), ...pods])
  })

  test('refuses a volume that the pod does not have', async () => {
    const manifests = await built(join(examples, 'deployment'))
    const orders = manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'orders')
    const volumes: Manifest[] = orders.spec.template.spec.volumes
    orders.spec.template.spec.volumes = volumes.filter(({ name }) => name !== 'data')
    await expect(take('wrong', [orders])).rejects.toThrow(/volumeMounts\[\d\].name: Not found: "data"/)
  })

  async function built(kustomization: string): Promise<Manifest[]> {
    return parseAllDocuments(await cluster.kubectl('kustomize', kustomization)).flatMap(document => document.toJSON())
  }

  async function take(name: string, manifests: Manifest[]): Promise<void> {
    const file = join(folder, `${name}.json`)
    const items = manifests.map(({ metadata, ...rest }) => ({ ...rest, metadata: { ...metadata, namespace } }))
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    try {
      await cluster.kubectl('apply', '--dry-run=server', '--validate=strict', '-f', file)
    } catch (error) {
      // Before 1.35 an API server knows an image volume and does not take it.
      const text = await readFile(file, 'utf8')
      const others = text.replaceAll(/"image":\{[^{}]*"reference"[^{}]*\}/g, '"emptyDir":{}')
      const isThat = error instanceof CommandError && error.stderr.includes('must specify a volume type')
      if (!isThat || others === text) throw error
      await writeFile(file, others)
      await cluster.kubectl('apply', '--dry-run=server', '--validate=strict', '-f', file)
    }
  }

  /** A pod as the manifest's controller would make it: what is enforced is enforced on pods. */
  function podsOf({ kind, metadata, spec }: Manifest): Manifest[] {
    const template = kind === 'CronJob' ? spec.jobTemplate.spec.template : spec?.template
    if (template === undefined) return []
    const claimed = (spec.volumeClaimTemplates ?? []).map((claim: Manifest) => ({
      name: claim.metadata.name,
      persistentVolumeClaim: { claimName: claim.metadata.name },
    }))
    const volumes = [...template.spec.volumes, ...claimed]
    const name = `${kind.toLowerCase()}-${metadata.name}`
    return [{ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { ...template.spec, volumes } }]
  }
})

describe('the Deployment example', () => {
  let example: Example

  beforeAll(async () => {
    example = await Example.prepare('lockkeeper-deployment', 'deployment')
  }, patience)

  afterAll(() => example?.remove(), 2 * minutes)

  test(
    'comes up, rolls out another migration, and does not start with a broken one',
    async () => {
      await example.apply()
      await ready('v001_orders')

      await add('v002_more', 'ALTER TABLE orders ADD COLUMN more INTEGER DEFAULT 2;')
      await example.apply()
      await ready('v002_more')
      expect(await lost(example)).toEqual({ lost: 0, twice: 0, columns: 4 })

      const good = await readFile(kustomization(), 'utf8')
      await add('v003_broken', 'INSERT INTO orders (what) VALUES (NULL);')
      await example.apply()
      await example.until(async () => (await pods()).some(pod => failed(pod) !== undefined))
      const [pod, ...others] = await pods()
      expect(others).toEqual([])
      expect(failed(pod)).toContain('v003_broken failed at /migrations/v003_broken.sql')
      expect(failed(pod)).toContain('NOT NULL constraint failed: orders.what')
      expect(pod.status.containerStatuses[0]).toMatchObject({ started: false, restartCount: 0 })

      // Not by hand: a Deployment replaces a pod that never became ready.
      await writeFile(kustomization(), good)
      await example.apply()
      await ready('v002_more')
      expect(await lost(example)).toEqual({ lost: 0, twice: 0, columns: 4 })
    },
    8 * minutes,
  )

  const kustomization = () => join(example.folder, 'app/kustomization.yaml')

  async function add(version: string, sql: string): Promise<void> {
    const file = `migrations/${version}.sql`
    await writeFile(join(example.folder, 'app', file), `-- migrate:up\n${sql}\n-- migrate:down\n`)
    const first = '      - migrations/v001_orders.sql\n'
    await example.edit('app/kustomization.yaml', first, `${first}      - ${file}\n`)
  }

  async function ready(level: string): Promise<void> {
    await example.rolledOut()
    expect(await levelOf(example)).toBe(level)
    await takesOrders(example)
  }

  async function pods(): Promise<Manifest[]> {
    return JSON.parse(await example.kubectl('get', 'pods', '--selector=app=orders', '-o', 'json')).items
  }

  /** The last word of its init container, if that failed. */
  function failed({ status }: Manifest): string | undefined {
    const [{ state, lastState } = { state: {}, lastState: {} }] = status.initContainerStatuses ?? []
    const { exitCode, message } = state.terminated ?? lastState.terminated ?? { exitCode: 0 }
    return exitCode === 0 ? undefined : message
  }
})

describe('the example in-pod', () => {
  let example: Example

  beforeAll(async () => {
    example = await Example.prepare('lockkeeper-in-pod', 'in-pod')
    const region = 'AWS_REGION=us-east-1\n'
    const everyMinute = 'LOCKKEEPER_DAILY_AT=* * * * *\n'
    await example.edit('../shared/surroundings/repository.env', region, `${region}${everyMinute}`)
    const schedule = '  - ../../../components/schedule\n'
    await example.edit('app/kustomization.yaml', schedule, `${schedule}  - ../../../components/serve\n`)
  }, patience)

  afterAll(() => example?.remove(), 2 * minutes)

  test(
    'backs up from inside the pod while the application writes, where no other pod finds a way in',
    async () => {
      await example.apply()
      await example.rolledOut()
      await takesOrders(example)
      const before = await ordersOf(example)
      const pod = podOf(JSON.parse(await example.kubectl('get', 'deployment', 'orders', '-o', 'json')))
      await start('intruder', { ...pod, initContainers: [] })
      expect(await answer('readyz')).toBe(200)
      const since = new Date()
      await example.until(async () => (await newestBackup()) > since)
      await takesOrders(example)

      const copy = await restored(pod)
      expect(copy.integrity).toBe('ok')
      expect(copy.orders).toBeGreaterThanOrEqual(before)
      expect(copy).toMatchObject({ first: 1, last: copy.orders })
      expect(copy.orders).toBeLessThan(await ordersOf(example))
      expect(await lost(example)).toMatchObject({ lost: 0, twice: 0 })

      const { status } = JSON.parse(await example.kubectl('get', 'pod', 'intruder', '-o', 'json'))
      expect(status.phase).toBe('Pending')
      expect(status.conditions[0].message).toContain('ReadWriteOncePod')
    },
    8 * minutes,
  )

  const podOf = ({ spec }: Manifest): Manifest => spec.template.spec

  /** What the sidecar `serve` answers. */
  async function answer(path: string): Promise<number> {
    const script = `fetch('http://127.0.0.1:9375/${path}').then(({ status }) => console.log(status))`
    return Number(await example.kubectl('exec', example.pod, '-c', 'app', '--', '/nodejs/bin/node', '-e', script))
  }

  /** When the newest backup was begun, as the sidecar says; its id has it to the second. */
  async function newestBackup(): Promise<Date> {
    const said = await example.kubectl('logs', example.pod, '-c', 'lockkeeper-schedule')
    const times = [...said.matchAll(/"Backup \d{8}-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/g)]
    const [, year, month, day, hour, minute, second] = times.at(-1) ?? []
    return new Date(year === undefined ? 0 : `${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  }

  async function start(name: string, spec: Manifest): Promise<void> {
    const file = join(example.folder, `${name}.json`)
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }))
    await example.kubectl('create', '-f', file)
  }

  /** What is in the newest backup, brought back in a pod that has nothing of the application's volume. */
  async function restored(pod: Manifest): Promise<{ orders: number; first: number; last: number; integrity: string }> {
    const script = `
      const { DatabaseSync } = require('node:sqlite')
      const db = new DatabaseSync('/scratch/copy.db')
      const counted = db.prepare('SELECT count(*) AS orders, min(id) AS first, max(id) AS last FROM orders').get()
      const [integrity] = Object.values(db.prepare('PRAGMA integrity_check').get())
      console.log(JSON.stringify({ ...counted, integrity }))`
    const mounts = ['tmp', 'scratch'].map(name => ({ name, mountPath: `/${name}` }))
    const [lockkeeper, app] = [pod.initContainers[0], pod.containers[0]]
    await start('restored', {
      ...pod,
      restartPolicy: 'Never',
      initContainers: [
        { ...lockkeeper, args: ['restore', '--latest', '--to', '/scratch/copy.db'], volumeMounts: mounts },
      ],
      containers: [{ ...app, args: ['-e', script], readinessProbe: null, volumeMounts: mounts }],
      volumes: mounts.map(({ name }) => ({ name, emptyDir: {} })),
    })
    await example.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/restored', '--timeout=60s')
    return JSON.parse(await example.kubectl('logs', 'restored'))
  }
})

describe('the example litestream', () => {
  let example: Example

  beforeAll(async () => {
    example = await Example.prepare('lockkeeper-litestream', 'litestream')
    // Image volumes are for clusters of 1.36 or later.
    const [volume] = /image:\n(?: {12}.*\n)+/.exec(await readFile(migrations(), 'utf8')) ?? ['not there']
    await example.edit('app/migrations.yaml', volume, 'configMap:\n            name: migrations\n')
    await generate(['v001_orders'])
  }, patience)

  afterAll(() => example?.remove(), 2 * minutes)

  test(
    'brings a lost volume back before Lockkeeper looks, with what was written and migrated beside Litestream',
    async () => {
      await example.apply()
      await example.rolledOut()
      await takesOrders(example)
      const sql = 'ALTER TABLE orders ADD COLUMN more INTEGER DEFAULT 2;'
      await writeFile(join(example.folder, 'app/migrations/v002_more.sql'), `-- migrate:up\n${sql}\n-- migrate:down\n`)
      await generate(['v001_orders', 'v002_more'])
      await example.apply()
      await example.rolledOut()
      await takesOrders(example)
      expect(await lost(example)).toEqual({ lost: 0, twice: 0, columns: 4 })
      const before = await ordersOf(example)

      // Litestream ends after the application and takes along what is left.
      await example.kubectl('scale', 'deployment/orders', '--replicas=0')
      await example.kubectl('wait', '--for=delete', 'pod', '--selector=app=orders', '--timeout=60s')
      await example.kubectl('delete', 'persistentvolumeclaim', 'data')
      await example.apply()
      await example.rolledOut()
      expect(await levelOf(example)).toBe('v002_more')
      await takesOrders(example)
      expect(await ordersOf(example)).toBeGreaterThan(before)
      const words = '{.items[0].status.initContainerStatuses[?(@.name=="lockkeeper")].state.terminated.message}'
      const word = await example.kubectl('get', 'pods', '--selector=app=orders', '-o', `jsonpath=${words}`)
      expect(word).toContain('Nothing to do')
    },
    8 * minutes,
  )

  const migrations = () => join(example.folder, 'app/migrations.yaml')

  async function generate(versions: readonly string[]): Promise<void> {
    const file = join(example.folder, 'app/kustomization.yaml')
    const text = (await readFile(file, 'utf8')).replace(/ {2}- name: migrations\n[\s\S]*/, '')
    const files = versions.map(version => `      - migrations/${version}.sql\n`).join('')
    await writeFile(file, `${text}  - name: migrations\n    files:\n${files}`)
  }
})
