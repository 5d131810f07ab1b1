/**
 * The charts on a real cluster: the application's own with the library in it, through releases of which one is broken,
 * and beside it the chart `lockkeeper`, whose manifests a strict API server takes.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { patience } from '../environment/ask.ts'
import { run } from '../environment/command.ts'
import { kubernetesProgram } from '../environment/helm.ts'
import { buildExample } from '../helm/rendering.ts'
import { Example } from './example.ts'

const minutes = 60_000
let example: Example
/** The application's chart. */
let chart: string
let jobsChart: string
/** What both charts have under `lockkeeper`. */
let lockkeeper: object

beforeAll(async () => {
  example = await Example.prepare('lockkeeper-helm')
  const secret = await surroundings()
  const folder = join(example.folder, 'helm')
  await mkdir(folder)
  chart = await buildExample(folder)
  jobsChart = join(folder, 'lockkeeper')
  const [repository = '', tag = ''] = example.image.split(':')
  lockkeeper = {
    repository: 's3://backups/orders',
    existingSecret: secret,
    settings: { AWS_ENDPOINT_URL_S3: 'http://s3:7070', AWS_REGION: 'us-east-1' },
    database: { url: '/data/orders.db' },
    user: { uid: 10001, gid: 10001 },
    image: { repository, tag },
  }
  await writeFile(join(folder, 'kubeconfig'), await example.kubectl('config', 'view', '--raw', '--minify', '--flatten'))
  await example.kubectl('rollout', 'status', 'deployment/s3', '--timeout=120s')
}, patience)

afterAll(() => example?.remove(), 2 * minutes)

test(
  'an application is installed, and upgraded with another migration',
  async () => {
    await helm('install', 'orders', chart, { lockkeeper })
    await running()
    expect(await lastWord()).toContain('1 migration applied')
    for (let count = 1; count <= 3; count++) expect(await ask('POST')).toBe(`${count} orders`)
    await migration('v002_paid', 'ALTER TABLE orders ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;')
    await helm('upgrade', 'orders', chart, { lockkeeper })
    await running()
    expect(await lastWord()).toContain('v002_paid')
    expect(await ask('GET')).toBe('3 orders')
  },
  5 * minutes,
)

test(
  'its jobs are taken by a strict API server, and back up, verify, rehearse and prune',
  async () => {
    const values = {
      lockkeeper: { ...lockkeeper, migrations: { configMap: 'orders-migrations' } },
      claimName: 'orders-data',
      colocate: { matchLabels: { 'app.kubernetes.io/instance': 'orders' } },
      drill: { enabled: true, schedule: '15 5 2 * *', suspend: false },
      job: { enabled: true, args: ['backups', '--json'] },
      serviceAccount: { create: true },
      networkPolicy: { enabled: true, cidrs: ['0.0.0.0/0', '::/0'], ports: [53, 7070] },
      tolerations: [{ operator: 'Exists' }],
      affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
    }
    await strictly(jobsChart, values)
    await strictly(chart, { lockkeeper: { ...lockkeeper, status: { enabled: true }, schedule: { enabled: true } } })
    const { job, ...installed } = values
    await helm('install', 'backups', jobsChart, installed)
    for (const [name, sentence] of [
      ['backup-daily', /^Backup \d{8}-\S+-daily-v002_paid: /],
      ['verify', /^The backup \d{8}-\S+ is good\./],
      ['drill', /comes back whole, and this image runs on it at v002_paid\./],
      ['prune', /./],
    ] as const) {
      await example.kubectl('create', 'job', name, `--from=cronjob/backups-lockkeeper-${name}`)
      expect(await lastWordOf(name)).toMatch(sentence)
    }
    await helm('upgrade', 'backups', jobsChart, { ...installed, job })
    const once = await example.kubectl('get', 'jobs', '--selector=app.kubernetes.io/component=once', '-o', 'name')
    await lastWordOf(once.replace('job.batch/', ''))
    const listed = await example.kubectl('logs', once)
    const { backups } = JSON.parse(listed.slice(listed.indexOf('{\n')))
    expect(backups.map(({ id }: { id: string }) => id)).toEqual([
      expect.stringContaining('-daily-v002_paid'),
      expect.stringContaining('-pre-migration-v001_orders'),
    ])
  },
  5 * minutes,
)

test(
  'an upgrade with a broken migration does not start; the old data is there, and a mended one starts',
  async () => {
    const sql = "UPDATE orders SET paid = 1; INSERT INTO orders (what) VALUES ('');"
    const broken = await migration('v003_broken', sql)
    await helm('upgrade', 'orders', chart, { lockkeeper })
    await example.until(async () => /^(Error|CrashLoopBackOff)$/.test(await initReason()))
    const described = await example.kubectl('describe', 'pods', '--selector=app.kubernetes.io/instance=orders')
    // It stands in a folder of the migrations, which a ConfigMap does not have.
    expect(described).toContain('the check what (every order says what it is for) finds')
    expect(await example.kubectl('get', 'deployment/orders', '-o', 'jsonpath={.status.readyReplicas}')).toBe('')
    expect(await readBesides('SELECT count(*) AS orders, sum(paid) AS paid FROM orders')).toEqual({
      orders: 3,
      paid: 0,
    })
    await rm(broken)
    // With what stays up beside it.
    const sidecars = { status: { enabled: true }, schedule: { enabled: true } }
    await helm('upgrade', 'orders', chart, { lockkeeper: { ...lockkeeper, ...sidecars } })
    await running()
    expect(await ask('POST')).toBe('4 orders')
    const status = () => ask('GET', 'http://127.0.0.1:9375/readyz').catch(() => '')
    await example.until(async () => (await status()).includes('"ready": true'))
    await example.until(async () =>
      (await example.kubectl('logs', 'deployment/orders', '-c', 'lockkeeper-schedule')).includes('weekly+monthly'),
    )
  },
  5 * minutes,
)

/** Of the example: its namespace, and its S3 server with the credentials. @returns the Secret's name */
async function surroundings(): Promise<string> {
  const all = parseAllDocuments(await example.kubectl('kustomize', example.folder)).map(document => document.toJSON())
  const taken = all.filter(({ kind, metadata }) => ['Namespace', 'Secret'].includes(kind) || metadata.name === 's3')
  const file = join(example.folder, 'surroundings.json')
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: taken }))
  await example.kubectl('apply', '-f', file)
  return taken.find(({ kind }) => kind === 'Secret').metadata.name
}

/** With the values in a file, as a person has them. */
async function helm(command: string, release: string, folder: string, values: object): Promise<string> {
  const file = join(example.folder, 'values.json')
  await writeFile(file, JSON.stringify(values))
  const config = ['--kubeconfig', join(example.folder, 'helm', 'kubeconfig'), '--namespace', example.namespace]
  return run(await kubernetesProgram('helm'), [command, release, folder, '--values', file, ...config])
}

/** What it renders is refused for a field that the API server does not know. */
async function strictly(folder: string, values: object): Promise<void> {
  const file = join(example.folder, 'rendered.yaml')
  await writeFile(file, await helm('template', 'strict', folder, values))
  const said = await example.kubectl('apply', '--dry-run=server', '--validate=strict', '-f', file)
  expect(said.split('\n').every(line => line.endsWith('(server dry run)'))).toBe(true)
}

/** @returns the file */
async function migration(version: string, sql: string): Promise<string> {
  const file = join(chart, 'migrations', `${version}.sql`)
  await writeFile(file, `-- migrate:up\n${sql}\n-- migrate:down\n`)
  return file
}

async function running(): Promise<void> {
  await example.kubectl('rollout', 'status', 'deployment/orders', '--timeout=120s')
}

function lastWord(): Promise<string> {
  return ofPod('{.items[*].status.initContainerStatuses[0].state.terminated.message}')
}

async function initReason(): Promise<string> {
  const state = '.items[*].status.initContainerStatuses[0].state'
  return (await ofPod(`{${state}.terminated.reason}`)) || ofPod(`{${state}.waiting.reason}`)
}

function ofPod(path: string): Promise<string> {
  return example.kubectl('get', 'pods', '--selector=app.kubernetes.io/instance=orders', '-o', `jsonpath=${path}`)
}

/** Asks the application. */
async function ask(method: string, url = 'http://127.0.0.1:8080'): Promise<string> {
  const script =
    'fetch(process.argv[2], { method: process.argv[1] }).then(async r => console.log((await r.text()).trim()))'
  const node = ['/nodejs/bin/node', '-e', script, '--', method, url]
  return example.kubectl('exec', 'deployment/orders', '-c', 'app', '--', ...node)
}

/** The termination message of a Job that ends well. */
async function lastWordOf(name: string): Promise<string> {
  await example.kubectl('wait', '--for=condition=complete', `job/${name}`, '--timeout=120s')
  const path = '{.items[0].status.containerStatuses[0].state.terminated.message}'
  return example.kubectl('get', 'pods', `--selector=batch.kubernetes.io/job-name=${name}`, '-o', `jsonpath=${path}`)
}

/** What another program finds on the volume while the application does not start. */
async function readBesides(sql: string): Promise<unknown> {
  const script = `
    const { DatabaseSync } = require('node:sqlite')
    console.log(JSON.stringify(new DatabaseSync('/data/orders.db').prepare(process.argv[1]).get()))`
  const pod = JSON.parse(await example.kubectl('get', 'deployment/orders', '-o', 'json')).spec.template.spec
  const [app] = pod.containers
  const spec = {
    restartPolicy: 'Never',
    securityContext: pod.securityContext,
    volumes: [pod.volumes[0]],
    containers: [
      {
        name: 'reader',
        image: app.image,
        args: ['-e', script, '--', sql],
        securityContext: app.securityContext,
        volumeMounts: [app.volumeMounts[0]],
      },
    ],
  }
  const file = join(example.folder, 'reader.json')
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'reader' }, spec }))
  await example.kubectl('apply', '-f', file)
  await example.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/reader', '--timeout=60s')
  return JSON.parse(await example.kubectl('logs', 'reader'))
}
